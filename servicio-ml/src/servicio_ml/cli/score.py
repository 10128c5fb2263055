"""`servicio-ml score`: predictions for every row of a file."""

import time
from typing import Annotated, Any

import typer

from servicio_ml.cli.session import Debug, Json, Session, UseCaseName, processors, session
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import UnknownUseCaseError


def score(
    name: UseCaseName,
    source: Annotated[
        str,
        typer.Option("--input", metavar="PATH|URL|S3", help="CSV (also gzipped) or Parquet to be scored."),
    ],
    output: Annotated[
        str, typer.Option(metavar="FOLDER|S3", help="Where to: a folder or s3://bucket/prefix of its own.")
    ],
    version: Annotated[str, typer.Option(help="Version or alias; the champion when not given.")] = "",
    keep: Annotated[
        list[str] | None, typer.Option(help="Column to be passed on to the output; may be given again.")
    ] = None,
    dialect: Annotated[
        str,
        typer.Option(help="Spelling of the file, where its columns fit several; `typed` for field names."),
    ] = "",
    threads: Annotated[int, typer.Option(min=0, help="Of the model; 0 for one per processor.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Throw away what the output holds.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Score every row of a file, read as a raw file of the use case or by the model's field names.

    Rows that cannot be used go to quarantine with their reason and line. The same command again goes on
    after an interruption.
    """
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.features.artifact import load_version
        from servicio_ml.pipeline.batches import examine
        from servicio_ml.pipeline.layout import Wanted
        from servicio_ml.pipeline.score import Job, find_version
        from servicio_ml.pipeline.score import score as run

        use_case = _known(name, here)
        store = bootstrap.store(here.settings, output)
        with bootstrap.source(here.settings, source) as path:
            examined = examine(path, source)  # a wrong file is told before MLflow is asked
            _, registry = bootstrap.runs_and_models(here.settings)
            info = find_version(registry, name, version)
            artifact = load_version(registry, info, threads=threads or processors())
            wanted = Wanted(
                schema=artifact.encoder.schema, use_case=use_case, keep=tuple(keep or ()), dialect=dialect
            )
            job = Job(info=info, artifact=artifact, source=examined, wanted=wanted, store=store, force=force)
            manifest = run(job, here.progress, time.monotonic)
        _show(here, manifest, store.uri)
        here.document({**manifest, "output": store.uri})


def _known(name: str, here: Session) -> UseCase | None:
    """The use case, or None where only the registry knows the model."""
    from servicio_ml.use_cases.catalogue import find

    try:
        return find(name, here.settings.use_cases_dir)
    except UnknownUseCaseError:
        return None


def _show(here: Session, manifest: dict[str, Any], output: str) -> None:
    identity = manifest["identity"]
    here.table(
        f"{identity['model']} version {identity['version']}", ["rows", ""], [*manifest["counts"].items()]
    )
    here.line(f"{len(manifest['parts'])} parts in {output}")
