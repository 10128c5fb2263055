"""`servicio-ml drift`: how the logged rows of a window compare with the training rows, and what it costs."""

import time
from typing import TYPE_CHECKING

from servicio_ml.cli.options import Debug, Json, UseCaseName, WindowLength, WindowVersion
from servicio_ml.cli.session import CommandSession, open_session

if TYPE_CHECKING:
    from servicio_ml.pipeline.drift.findings import DriftFindings
    from servicio_ml.pipeline.drift.window import LoggedWindow

MAX_SHOWN = 5
"""Number of named fields by which the classifier distinguishes the two sides."""


def drift(
    name: UseCaseName,
    length: WindowLength = "30d",
    version: WindowVersion = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare the logged rows of a window with the training rows: by PSI, and by a domain classifier.

    The verdict is `none`, `drift`, or `impact`: expected or realised performance violates its limit. The
    exit code is 0 for each of them.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.drift.findings import analyze_window

        window = open_window(here, name, length, version)
        found = analyze_window(window, bootstrap.open_lake(here.settings))
        show_findings(here, found, length)
        here.print_document(found.to_json())


def open_window(here: CommandSession, name: str, length: str, version: int | None) -> "LoggedWindow":
    """The window up to now of a version that is loaded.

    Raises:
        UnknownUseCaseError: There is no such use case.
        RequestError: `length` is no duration.
        NoSuchModelError: There is no such version.
    """
    from servicio_ml import bootstrap
    from servicio_ml.features.artifact import load_version
    from servicio_ml.lifecycle.versions import find_version
    from servicio_ml.pipeline.drift.window import LoggedWindow
    from servicio_ml.serving.window import parse_window_seconds
    from servicio_ml.use_cases.catalogue import find

    # an unknown name fails here with the list of known ones, before MLflow is asked
    find(name, here.settings.use_cases_dir)
    seconds = parse_window_seconds(length)
    _, registry = bootstrap.connect_mlflow(here.settings)
    info = find_version(registry, name, "" if version is None else str(version))
    # taken once: start and end of the window must belong together
    now = time.time()
    return LoggedWindow(
        info=info, artifact=load_version(registry, info), log=bootstrap.open_prediction_log(here.settings),
        start=now - seconds, end=now,
    )  # fmt: skip


def show_findings(here: CommandSession, found: "DriftFindings", length: str) -> None:
    """Print what was found for people."""
    from servicio_ml.pipeline.drift.tables import (
        COLUMNS,
        PERFORMANCE,
        build_column_rows,
        build_performance_rows,
    )

    info = found.window.info
    # a table of an empty window would show nothing but dashes
    if not found.drift.rows:
        here.print_line(f"no rows of {info.model} version {info.version} were logged in the last {length}")
        return
    title = f"{info.model} version {info.version}: {found.drift.rows:,} rows of the last {length}"
    here.print_table(title, COLUMNS, build_column_rows(found))
    _show_together(here, found)
    if found.performance:
        here.print_table("performance", PERFORMANCE, build_performance_rows(found))
    here.print_line(f"verdict: {found.verdict}")
    if found.proposal:
        here.print_line(found.proposal)


def _show_together(here: CommandSession, found: "DriftFindings") -> None:
    from servicio_ml.pipeline.drift.tables import DRIFT, OK

    result = found.classifier
    if result is None:
        here.print_line(f"multivariate drift was not computed: {found.note}")
        return
    here.print_line(
        f"a domain classifier distinguishes {result.rows:,} rows from {result.reference_rows:,} training "
        f"rows with an AUC of {result.auc:.3f} ({result.low:.3f} to {result.high:.3f}; from "
        f"{result.practical:.3f} on it is drift): "
        f"{DRIFT if result.drifted else OK}"
    )
    if result.drifted:
        shares = list(result.features.items())[:MAX_SHOWN]
        here.print_line(
            f"it distinguishes them by {', '.join(f'{name} {share:.0%}' for name, share in shares)}"
        )
