"""`servicio-ml import`: a model of another tool becomes a version like any other."""

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servicio_ml.cli.drafting.check import show_check
from servicio_ml.cli.drafting.run import build_request
from servicio_ml.cli.drafting.target_file import check_name, write_draft
from servicio_ml.cli.etl import publish_file
from servicio_ml.cli.options import (
    CalibrateImport,
    ClassNames,
    Debug,
    ForceDraft,
    ImportedData,
    ImportedModelUri,
    ImportedTarget,
    IsolatedImport,
    Json,
    ModelRequirements,
    NoPromotion,
    TrustPickle,
    UseCaseFile,
    UseCaseName,
)
from servicio_ml.cli.promote import apply_and_show, build_context
from servicio_ml.cli.session import CommandSession, count_processors, open_session
from servicio_ml.cli.train import build_training_ports
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import SettingsError

if TYPE_CHECKING:
    from servicio_ml.domain.dataset import Manifest
    from servicio_ml.pipeline.importing.build import ImportedModel, ModelImport
    from servicio_ml.pipeline.importing.probe import ModelProbe
    from servicio_ml.pipeline.importing.table import ModelRows

MILLISECONDS, TWO = 1000, 2


def import_model(
    name: UseCaseName,
    model: ImportedModelUri,
    data: ImportedData,
    target: ImportedTarget = "",
    use_case: UseCaseFile = None,
    trust_pickle: TrustPickle = False,
    requirements: ModelRequirements = None,
    classes: ClassNames = "",
    isolated: IsolatedImport = False,
    calibrate: CalibrateImport = False,
    force: ForceDraft = False,
    no_promote: NoPromotion = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Import a model that another tool has trained: convert, prove, register it, and decide about it.

    The use case of the name is taken, or drafted from the file. A model that cannot be converted to ONNX
    with equal answers runs in a process of its own.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.features.isolated.environments import create_environment, find_interpreter
        from servicio_ml.pipeline.importing.build import ModelImport
        from servicio_ml.pipeline.importing.classes import choose_classes
        from servicio_ml.pipeline.importing.model_files import find_model_files
        from servicio_ml.pipeline.importing.probe import open_probe

        if use_case is not None:
            _copy_use_case(here, name, use_case, force=force)
        known = _find_use_case(here, name)
        column = _choose_target(known, target)
        with bootstrap.open_model_files(here.settings, model) as path:
            files = find_model_files(path, model, trust_pickle=trust_pickle)
            environment = create_environment(requirements) if requirements else ""
            with open_probe(files, model, find_interpreter(model, environment)) as probe:
                rows = _read_rows(here, data, files.columns or probe.description.columns, column)
                names = choose_classes(probe.description.classes, classes, model)
                chosen = known or _draft(here, name, data, column, names, rows, force=force)
                given = ModelImport(
                    files=files,
                    uri=model,
                    rows=rows,
                    classes=names,
                    is_isolated=isolated,
                    calibrated=calibrate,
                    environment=environment,
                    requirements=requirements,
                )
                document = _import(here, chosen, data, probe, given, judged=not no_promote)
        here.print_document({"use_case": name, **document})


def _copy_use_case(here: CommandSession, name: str, file: Path, *, force: bool) -> None:
    from servicio_ml.use_cases.user_files import load_file

    found = load_file(file)
    if found.name != name:
        raise SettingsError("--use-case", f"{file} is the use case {found.name!r}, not {name!r}")
    folder = here.settings.use_cases_dir
    if file.resolve() != (folder / f"{name}.py").resolve():
        write_draft(here, folder / f"{name}.py", file.read_text(encoding="utf-8"), force=force)


def _find_use_case(here: CommandSession, name: str) -> UseCase | None:
    """Find the use case of a name, shipped or the user's; None where it is to be drafted."""
    from servicio_ml.use_cases.catalogue import load_catalogue
    from servicio_ml.use_cases.user_files import load_file

    if name in (shipped := load_catalogue()):
        return shipped[name]
    check_name(name)
    path = here.settings.use_cases_dir / f"{name}.py"
    return load_file(path) if path.exists() else None


def _choose_target(known: UseCase | None, target: str) -> str:
    if known is None:
        if not target:
            raise SettingsError("--target", "it is missing; name the column with the ground truth")
        return target
    if target and target != known.target.column:
        raise SettingsError("--target", f"the use case {known.name} predicts {known.target.column!r}")
    return known.target.column


def _read_rows(here: CommandSession, data: str, columns: tuple[str, ...], target: str) -> "ModelRows":
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.importing.table import read_model_rows
    from servicio_ml.pipeline.reading.input_file import copy_input_file

    with (
        bootstrap.open_source(here.settings, data) as path,
        tempfile.TemporaryDirectory(prefix="servicio-ml-import-") as folder,
    ):
        return read_model_rows(copy_input_file(path, data, Path(folder)), columns, target)


def _draft(
    here: CommandSession,
    name: str,
    data: str,
    target: str,
    classes: tuple[str, ...],
    rows: "ModelRows",
    *,
    force: bool,
) -> UseCase:
    """Draft the use case of a model from its rows, with the model's columns and classes."""
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.drafting.answers import DraftAnswers
    from servicio_ml.pipeline.drafting.draft import draft_use_case

    answers = DraftAnswers(
        target=target,
        # of two classes the second is the positive one, as in the model's library
        positive=classes[1] if len(classes) == TWO else "",
        columns=rows.build_corrections(target),
    )
    with bootstrap.open_source(here.settings, data) as path:
        draft = draft_use_case(name, answers, path, source_name=data)
    show_check(here, draft.check)
    write_draft(here, here.settings.use_cases_dir / f"{name}.py", draft.source, force=force)
    return draft.use_case


def _import(
    here: CommandSession,
    use_case: UseCase,
    data: str,
    probe: "ModelProbe",
    given: "ModelImport",
    *,
    judged: bool,
) -> dict[str, Any]:
    """Publish the rows, build and register the model, and decide about it; return the document."""
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.etl.period import choose_period
    from servicio_ml.pipeline.importing.build import build_imported_model
    from servicio_ml.pipeline.importing.register import register_import
    from servicio_ml.pipeline.promotion.judge import judge_once

    month = choose_period("", time.time())
    manifest, _ = publish_file(
        here, use_case, data, month, bootstrap.create_stats(here.settings), force=False
    )
    ports = build_training_ports(here)
    problem, test = _read_problem(use_case, manifest, ports.store)
    with tempfile.TemporaryDirectory(prefix="servicio-ml-import-") as scratch:
        made = build_imported_model(probe, given, problem, test, Path(scratch))
        _show(here, use_case, made)
        version = register_import(use_case, manifest, ports, given, made)
    here.print_line(f"challenger: version {version.version}")
    document: dict[str, Any] = {
        "challenger": version.version, "runs_in": made.runtime,
        "reason": made.proof.reason, "metrics": dict(made.metrics),
    }  # fmt: skip
    if judged:
        context = build_context(here, ports.tracker, ports.registry)
        run = judge_once(use_case, manifest, ports.store, context, version)
        document["promotion"] = apply_and_show(here, use_case, run, context).to_json()
        here.print_line(f"ask it, once `servicio-ml serve` runs:\n  {build_request(here, use_case)}")
    return document


def _read_problem(use_case: UseCase, manifest: "Manifest", store: Any) -> tuple[Any, Any]:
    from servicio_ml.pipeline.etl.publish import read_split
    from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
    from servicio_ml.pipeline.training.fitting import SEED

    train, test = read_split(store, manifest, "train"), read_split(store, manifest, "test")
    problem = build_problem(use_case, manifest.schema, train, seed=SEED, threads=count_processors())
    return problem, build_holdout(use_case, problem.setting.schema, test)


def _show(here: CommandSession, use_case: UseCase, made: "ImportedModel") -> None:
    parity = made.proof.parity
    if made.proof.onnx is not None and parity is not None:
        here.print_line(
            f"runs as ONNX: its scores differ from those of its library by at most {parity.difference:.1e}"
            f" on {parity.rows} rows"
        )
    else:
        here.print_line(f"runs in an isolated process: {made.proof.reason}")
    if made.proof.skipped:
        here.print_line(f"not compared: {made.proof.skipped} rows that the use case refuses")
    here.print_line(f"one row takes {made.latency_seconds * MILLISECONDS:.3f} ms")
    here.print_table(
        f"{use_case.title}: the imported model on the holdout, of which it may have seen rows",
        ["metric", "value"],
        [[metric, f"{value:.4g}"] for metric, value in made.metrics.items()],
    )
