"""`servicio-ml drift`: how the logged rows of a window compare with the training rows, and what it costs."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from servicio_ml.cli.session import Debug, Json, Session, UseCaseName, session

if TYPE_CHECKING:
    from servicio_ml.pipeline.drift import Findings
    from servicio_ml.pipeline.drift_window import Window

LENGTH = Annotated[str, typer.Option("--window", help="Up to now, 1h to 90d.")]
VERSION = Annotated[int | None, typer.Option(min=1, help="Version; the champion when not given.")]
MOST_SHOWN = 5
"""Fields that are named as telling the two sides apart."""


def drift(
    name: UseCaseName,
    length: LENGTH = "30d",
    version: VERSION = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge the logged rows of a window: each column by its stability index, all of them by a classifier.

    The verdict is `none`, `drift`, or `impact`: expected or realised performance is beyond its limit. It is
    no error.
    """
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.drift import find

        window = opened(here, name, length, version)
        found = find(window, bootstrap.lake(here.settings))
        show(here, found, length)
        here.document(found.to_json())


def opened(here: Session, name: str, length: str, version: int | None) -> "Window":
    """The window up to now of a version that is loaded.

    Raises:
        UnknownUseCaseError: There is no such use case.
        RequestError: It is no length of time.
        NoSuchModelError: There is no such version.
    """
    from servicio_ml import bootstrap
    from servicio_ml.domain.window import window_seconds
    from servicio_ml.features.artifact import load_version
    from servicio_ml.pipeline.drift_window import Window
    from servicio_ml.pipeline.score import find_version
    from servicio_ml.use_cases.catalogue import find

    find(name, here.settings.use_cases_dir)
    seconds = window_seconds(length)
    _, registry = bootstrap.runs_and_models(here.settings)
    info = find_version(registry, name, "" if version is None else str(version))
    now = time.time()
    return Window(
        info=info, artifact=load_version(registry, info), log=bootstrap.prediction_log(here.settings),
        start=now - seconds, end=now,
    )  # fmt: skip


def show(here: Session, found: "Findings", length: str) -> None:
    """Print what was found for people."""
    from servicio_ml.pipeline.drift_tables import COLUMNS, PERFORMANCE, columns, performance

    info = found.window.info
    if not found.drift.rows:
        here.line(f"no rows of {info.model} version {info.version} were logged in the last {length}")
        return
    title = f"{info.model} version {info.version}: {found.drift.rows:,} rows of the last {length}"
    here.table(title, COLUMNS, columns(found))
    _show_together(here, found)
    if found.performance:
        here.table("performance", PERFORMANCE, performance(found))
    here.line(f"verdict: {found.verdict}")


def _show_together(here: Session, found: "Findings") -> None:
    from servicio_ml.pipeline.drift_tables import DRIFT, OK

    apart = found.apart
    if apart is None:
        here.line(f"multivariate drift was not looked at: {found.note}")
        return
    here.line(
        f"a classifier tells {apart.rows:,} rows from {apart.reference_rows:,} training rows with an AUC of "
        f"{apart.auc:.3f} ({apart.low:.3f} to {apart.high:.3f}; {apart.practical:.3f} is drift): "
        f"{DRIFT if apart.drifted else OK}"
    )
    if apart.drifted:
        shares = list(apart.features.items())[:MOST_SHOWN]
        here.line(f"it tells them by {', '.join(f'{name} {share:.0%}' for name, share in shares)}")
