"""`servicio-ml report`: a page that explains what the logged rows of a window are like."""

import time

from servicio_ml.cli.drift import open_window, show_findings
from servicio_ml.cli.options import Debug, Json, UseCaseName, WindowLength, WindowVersion
from servicio_ml.cli.session import open_session


def report(
    name: UseCaseName,
    length: WindowLength = "30d",
    version: WindowVersion = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a report on the logged rows of a window, stored in the lake and in MLflow.

    The server shows the latest report at /models/USE_CASE/drift/report. A window without rows gives none.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.drift.report import ReportPorts
        from servicio_ml.pipeline.drift.report import create_report as run
        from servicio_ml.use_cases.catalogue import find

        # the same window as in `drift`, so that page and command agree
        window = open_window(here, name, length, version)
        store = bootstrap.open_lake(here.settings)
        ports = ReportPorts(
            store=store, tracker=bootstrap.connect_tracker(here.settings),
            stats=bootstrap.create_stats(here.settings), progress=here.progress, clock=time.time,
            explain=bootstrap.load_explainer(),
        )  # fmt: skip
        made = run(find(name, here.settings.use_cases_dir), window, ports)
        show_findings(here, made.findings, length)
        places = {}
        # no pointer means an empty window, which is a warning and no failure
        if made.pointer is not None:
            places = {"html": f"{store.uri}/{made.pointer.html}", "json": f"{store.uri}/{made.pointer.json}"}
            here.print_line(f"report: {places['html']}")
        else:
            here.progress.warn("there is nothing to report; the latest report is left as it is")
        here.print_document({**made.findings.to_json(), "report": places or None})
