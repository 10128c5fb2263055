"""`servicio-ml score`: predictions for every row of a file."""

import time
from typing import TYPE_CHECKING, Any

from servicio_ml.cli.options import (
    Debug,
    DialectName,
    ForceScoring,
    IntervalLevel,
    Json,
    KeptColumns,
    ModelThreads,
    ModelVersionOrAlias,
    OutlierScores,
    ScoringInput,
    ScoringOutput,
    UseCaseName,
)
from servicio_ml.cli.session import CommandSession, count_processors, open_session
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import UnknownUseCaseError

if TYPE_CHECKING:
    from servicio_ml.domain.ports.registry import ModelVersion
    from servicio_ml.features.artifact import Artifact


def score(
    name: UseCaseName,
    source: ScoringInput,
    output: ScoringOutput,
    version: ModelVersionOrAlias = "",
    keep: KeptColumns = None,
    dialect: DialectName = "",
    threads: ModelThreads = 0,
    interval: IntervalLevel = "",
    outlier: OutlierScores = False,
    force: ForceScoring = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Score every row of a file that has the columns of the raw file or the model's fields.

    Rejected rows go to quarantine with their reason and line. After an interruption, the same command
    resumes.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.reading.file_format import InputSpec
        from servicio_ml.pipeline.reading.input_file import inspect_file
        from servicio_ml.pipeline.scoring.run import ScoringJob, score_file

        use_case, store = _find_use_case(name, here), bootstrap.open_store(here.settings, output)
        with bootstrap.open_source(here.settings, source) as path:
            examined = inspect_file(path, source)  # a wrong file is refused before MLflow is asked
            info, artifact = _load_version(here, name, version, threads or count_processors())
            details = artifact.resolve_details(
                f"{info.model} version {info.version}", interval or None, outlier
            )
            wanted = InputSpec(
                schema=artifact.encoder.schema, use_case=use_case, keep_columns=tuple(keep or ()),
                dialect_name=dialect,
            )  # fmt: skip
            job = ScoringJob(
                info=info, artifact=artifact, source=examined, wanted=wanted, store=store, force=force,
                details=details,
            )  # fmt: skip
            manifest = score_file(job, here.progress, time.monotonic)
        _show(here, manifest, store.uri)
        here.print_document({**manifest, "output": store.uri})


def _load_version(
    here: CommandSession, model: str, wanted: str, threads: int
) -> "tuple[ModelVersion, Artifact]":
    from servicio_ml import bootstrap
    from servicio_ml.features.artifact import load_version
    from servicio_ml.lifecycle.versions import find_version

    _, registry = bootstrap.connect_mlflow(here.settings)
    # an alias is resolved once: a promotion in between must not change the scoring version
    info = find_version(registry, model, wanted)
    return info, load_version(registry, info, threads=threads)


def _find_use_case(name: str, here: CommandSession) -> UseCase | None:
    """The use case, or None where only the registry knows the model."""
    from servicio_ml.use_cases.catalogue import find

    try:
        return find(name, here.settings.use_cases_dir)
    # a model can be scored by its field names even where its use case is not installed
    except UnknownUseCaseError:
        return None


def _show(here: CommandSession, manifest: dict[str, Any], output: str) -> None:
    identity = manifest["identity"]
    here.print_table(
        f"{identity['model']} version {identity['version']}", ["rows", ""], [*manifest["counts"].items()]
    )
    here.print_line(f"{len(manifest['parts'])} parts in {output}")
