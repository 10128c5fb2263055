"""The latest drift report, loaded only on request."""

from html import escape
from http import HTTPStatus

import streamlit as st

from streamlit_app import session
from streamlit_app.client import drift as client
from streamlit_app.client.transport import RefusedError
from streamlit_app.translation import format_count, t

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
"""Policy of the server's own response: scripts may draw, but reach no address."""
FRAME_PIXELS = 900


def draw(model: str) -> None:
    """Draw the summary of the report, and the report itself behind a switch."""
    st.subheader(t("Latest report"))
    try:
        report = session.read(client.fetch_report, model)
    except RefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        st.info(t("There is no report yet. Create one with `servicio-ml report {model}`.", model=model))
        return
    st.markdown(
        t(
            "Version {version}, {rows} rows from {start} to {end} (UTC). {verdict}",
            version=report.version,
            rows=format_count(report.rows),
            start=f"{report.window.start:%Y-%m-%d %H:%M}",
            end=f"{report.window.end:%Y-%m-%d %H:%M}",
            verdict=_label_verdict(report.verdict),
        )
    )
    if report.proposal:
        st.info(
            t(
                "The realised performance holds. Take these rows into model and reference by `servicio-ml "
                "etl {model}` and `servicio-ml train {model}`, and accept the drift until then.",
                model=model,
            )
        )
    if not st.toggle(t("Show the report (several MB)"), key="drift_report"):
        return
    html = session.read(client.fetch_report_html, model)
    st.download_button(
        t("Download the report"), html, file_name=f"drift_{model}.html", mime="text/html",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    st.iframe(embed_report(html), height=FRAME_PIXELS, alt=t("Drift report by Evidently"))


def _label_verdict(verdict: str) -> str:
    labels = {
        "none": t("No drift."),
        "drift": t("Drift without a loss of performance."),
        "impact": t("Drift with a loss of performance."),
    }
    return labels.get(verdict, verdict)


def embed_report(html: str) -> str:
    """Embed a report in a frame without an origin: in Streamlit's frame, its scripts could act on the page.

    Args:
        html: HTML of the report.
    """
    policy = f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">'
    title = escape(t("Drift report by Evidently"), quote=True)
    return (
        "<style>html,body{margin:0;height:100%}iframe{border:0;width:100%;height:100vh}</style>"
        f'<iframe sandbox="allow-scripts" title="{title}" '
        f'srcdoc="{escape(policy + html, quote=True)}"></iframe>'
    )
