"""`servicio-ml import`: a model of another tool becomes a version like any other."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servicio_ml.cli.etl import publish_file
from servicio_ml.cli.importing.decision import decide_import
from servicio_ml.cli.importing.use_case import choose_target, draft, find_use_case
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
from servicio_ml.cli.session import CommandSession, count_processors, open_session
from servicio_ml.cli.train import build_training_ports
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import SettingsError

if TYPE_CHECKING:
    from servicio_ml.domain.dataset import Manifest
    from servicio_ml.pipeline.importing.build import ImportedModel, ModelImport
    from servicio_ml.pipeline.importing.probe import ModelProbe
    from servicio_ml.pipeline.importing.table import ModelRows
    from servicio_ml.pipeline.reading.input_file import InputFile

MILLISECONDS = 1000


def import_model(
    name: UseCaseName,
    model: ImportedModelUri,
    data: ImportedData,
    target: ImportedTarget = "",
    use_case: UseCaseFile = "",
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
    with equal answers runs in a process of its own. Without ground truth, its quality is not measured.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.features.isolated.environments import create_environment, find_interpreter
        from servicio_ml.pipeline.importing.build import ModelImport
        from servicio_ml.pipeline.importing.classes import choose_classes
        from servicio_ml.pipeline.importing.model_files import find_model_files
        from servicio_ml.pipeline.importing.probe import open_probe
        from servicio_ml.pipeline.importing.table import read_model_rows

        known = find_use_case(here, name, use_case, force=force)
        targets = choose_target(known, target)
        with bootstrap.open_model_files(here.settings, model) as path, _open_rows(here, data) as file:
            files = find_model_files(path, model, trust_pickle=trust_pickle)
            environment = create_environment(requirements) if requirements else ""
            with open_probe(files, model, find_interpreter(model, environment)) as probe:
                columns = files.columns or probe.description.columns
                rows = read_model_rows(file, columns, targets, known, needs_target=bool(target))
                _show_rows(here, rows, columns, calibrate=calibrate)
                names = choose_classes(probe.description.classes, classes, model)
                chosen = known or draft(here, name, data, rows, probe.description, names, force=force)
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
                document = _import(here, chosen, data, file, probe, given, judged=not no_promote)
        here.print_document({"use_case": name, **document})


@contextmanager
def _open_rows(here: CommandSession, data: str) -> "Iterator[InputFile]":
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.reading.input_file import copy_input_file

    with (
        bootstrap.open_source(here.settings, data) as path,
        tempfile.TemporaryDirectory(prefix="servicio-ml-import-") as folder,
    ):
        yield copy_input_file(path, data, Path(folder))


def _show_rows(here: CommandSession, rows: "ModelRows", columns: tuple[str, ...], *, calibrate: bool) -> None:
    """Say what is assumed of the rows.

    Raises:
        SettingsError: A calibration is wanted without ground truth.
    """
    if not columns:
        here.print_line(f"the model knows no names; it reads, in this order: {', '.join(rows.columns)}")
    if rows.target:
        return
    if calibrate:
        raise SettingsError("--calibrate", f"{rows.source_name} has no ground truth to calibrate on")
    here.print_line(
        f"{rows.source_name} has no ground truth: quality and calibration are not measured, and no threshold"
        " is chosen"
    )


def _import(
    here: CommandSession,
    use_case: UseCase,
    data: str,
    file: "InputFile",
    probe: "ModelProbe",
    given: "ModelImport",
    *,
    judged: bool,
) -> dict[str, Any]:
    """Publish labelled rows, build and register the model, and decide about it; return the document."""
    from servicio_ml.pipeline.importing.build import build_imported_model
    from servicio_ml.pipeline.importing.problem import build_import_problem
    from servicio_ml.pipeline.importing.register import register_import

    ports = build_training_ports(here)
    manifest = _publish(here, use_case, data) if given.rows.target else None
    found = build_import_problem(use_case, manifest, ports.store, file, given.rows, count_processors())
    with tempfile.TemporaryDirectory(prefix="servicio-ml-import-") as scratch:
        made = build_imported_model(probe, given, found, Path(scratch))
        _show(here, use_case, made)
        version = register_import(use_case, manifest, ports, given, made)
    here.print_line(f"challenger: version {version.version}")
    decided = decide_import(here, use_case, manifest, ports, version) if judged else {}
    return _build_document(version.version, made) | decided


def _build_document(version: int, made: "ImportedModel") -> dict[str, Any]:
    return {
        "challenger": version, "runs_in": made.runtime, "reason": made.proof.reason,
        "metrics": dict(made.metrics),
    }  # fmt: skip


def _publish(here: CommandSession, use_case: UseCase, data: str) -> "Manifest":
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.etl.period import choose_period

    month = choose_period("", time.time())
    return publish_file(here, use_case, data, month, bootstrap.create_stats(here.settings), force=False)[0]


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
    if made.seen_rows:
        here.print_line(f"uncertainty: {made.seen_rows}")
    here.print_line(f"one row takes {made.latency_seconds * MILLISECONDS:.3f} ms")
    if not made.metrics:
        return
    here.print_table(
        f"{use_case.title}: the imported model on the holdout, of which it may have seen rows",
        ["metric", "value"],
        [[metric, f"{value:.4g}"] for metric, value in made.metrics.items()],
    )
