"""The latest drift report, loaded only when it is asked for."""

from html import escape
from http import HTTPStatus

import streamlit as st

from streamlit_app import session
from streamlit_app.client import drift as client
from streamlit_app.client.transport import Refused
from streamlit_app.text import t

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
"""As the server's own answer has it: its scripts draw and reach nothing."""
FRAME_PIXELS = 900


def draw(model: str) -> None:
    """What the report comes to, and the whole of it behind a switch."""
    st.subheader(t("The latest report"))
    try:
        found = session.read(client.report, model)
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        st.info(t("There is no report yet. Make one: `servicio-ml report {model}`.", model=model))
        return
    st.markdown(
        t(
            "Version {version}, {rows} rows from {start} to {end} (UTC). {verdict}",
            version=found.version,
            rows=f"{found.rows:,}",
            start=f"{found.window.start:%Y-%m-%d %H:%M}",
            end=f"{found.window.end:%Y-%m-%d %H:%M}",
            verdict=_verdict(found.verdict),
        )
    )
    if not st.toggle(t("Show the report (some megabytes)"), key="drift_report"):
        return
    page = session.read(client.report_page, model)
    st.download_button(
        t("Download the report"), page, file_name=f"drift_{model}.html", mime="text/html",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    st.iframe(framed(page), height=FRAME_PIXELS, alt=t("The drift report of Evidently"))


def _verdict(verdict: str) -> str:
    words = {
        "none": t("No drift."),
        "drift": t("Drift, without harm to the performance."),
        "impact": t("Drift that harms the performance."),
    }
    return words.get(verdict, verdict)


def framed(page: str) -> str:
    """A page in a frame without an origin: Streamlit's own would let its scripts act on ours."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    title = escape(t("The drift report of Evidently"), quote=True)
    return (
        "<style>html,body{margin:0;height:100%}iframe{border:0;width:100%;height:100vh}</style>"
        f'<iframe sandbox="allow-scripts" title="{title}" '
        f'srcdoc="{escape(policy + page, quote=True)}"></iframe>'
    )
