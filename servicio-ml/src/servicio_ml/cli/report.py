"""`servicio-ml report`: a page that explains what the logged rows of a window are like."""

import time

from servicio_ml.cli.drift import LENGTH, VERSION, opened, show
from servicio_ml.cli.session import Debug, Json, UseCaseName, session


def report(
    name: UseCaseName,
    length: LENGTH = "30d",
    version: VERSION = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Explain the logged rows of a window in a page, kept in the lake and in MLflow.

    The server shows the latest one at /models/USE_CASE/drift/report. A window without rows makes none.
    """
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.report import Desk
        from servicio_ml.pipeline.report import report as run
        from servicio_ml.use_cases.catalogue import find

        window = opened(here, name, length, version)
        store = bootstrap.lake(here.settings)
        desk = Desk(
            store=store, tracker=bootstrap.tracker(here.settings), stats=bootstrap.stats(here.settings),
            progress=here.progress, clock=time.time, explain=bootstrap.explain(),
        )  # fmt: skip
        made = run(find(name, here.settings.use_cases_dir), window, desk)
        show(here, made.findings, length)
        places = {}
        if made.pointer is not None:
            places = {"html": f"{store.uri}/{made.pointer.html}", "json": f"{store.uri}/{made.pointer.json}"}
            here.line(f"report: {places['html']}")
        else:
            here.progress.warn("there is nothing to report; the latest report is left as it is")
        here.document({**made.findings.to_json(), "report": places or None})
