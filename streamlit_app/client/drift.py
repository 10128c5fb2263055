"""Requests to the server about drift: the state of a window, and the latest report."""

from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel

from streamlit_app.client.service import build_path
from streamlit_app.client.transport import Transport


class DriftColumn(BaseModel):
    """Drift of a feature or of the prediction; shares (0 to 1) by bin."""

    name: str
    psi: float | None
    threshold: float | None
    drifted: bool
    missing: float | None
    reference_missing: float
    current: dict[str, float]
    reference: dict[str, float]

    @property
    def threshold_ratio(self) -> float:
        """Population stability index divided by its threshold: drift from 1 on, 0 without rows."""
        return self.psi / self.threshold if self.psi is not None and self.threshold else 0.0


class ReportWindow(BaseModel):
    """Time window of a state or report."""

    start: datetime
    end: datetime


class DriftState(BaseModel):
    """Comparison of the rows of a window with the training rows."""

    model: str
    version: int
    window: ReportWindow
    rows: int
    reference_rows: int
    drifted_share: float
    features: list[DriftColumn]
    prediction: DriftColumn


class DriftReport(BaseModel):
    """Summary of a drift report."""

    version: int
    window: ReportWindow
    rows: int
    verdict: str
    drifted_share: float
    # reports of earlier releases have none
    proposal: str = ""


class AcceptedDrift(BaseModel):
    """Drift that administrators accept; it holds before `until`."""

    feature: str
    reason: str
    by: str
    until: datetime
    psi: float


class _AcceptedDriftList(BaseModel):
    held: list[AcceptedDrift]


class _FieldDescription(BaseModel):
    name: str
    description: str


class _FieldDescriptions(BaseModel):
    fields: list[_FieldDescription]


def fetch_descriptions(api: Transport, model: str) -> dict[str, str]:
    """Fetch the description of each field by name."""
    fields = api.fetch(_FieldDescriptions, "GET", build_path(model, "/schema")).fields
    return {each.name: each.description for each in fields}


def fetch_state(api: Transport, model: str, window: str) -> DriftState:
    """Fetch the drift of the window, such as `24h`, that ends now."""
    return api.fetch(DriftState, "GET", build_path(model, "/drift"), params={"window": window})


def fetch_report(api: Transport, model: str) -> DriftReport:
    """Fetch the summary of the latest report; the server answers 404 where there is none."""
    return api.fetch(DriftReport, "GET", build_path(model, "/drift/report"), params={"format": "json"})


def fetch_report_html(api: Transport, model: str) -> str:
    """Fetch the latest report: several megabytes of HTML."""
    return api.request("GET", build_path(model, "/drift/report"), params={"format": "html"}).text


def fetch_acknowledgements(api: Transport, model: str) -> list[AcceptedDrift]:
    """Fetch the accepted drift of a model, by feature."""
    return api.fetch(_AcceptedDriftList, "GET", build_path(model, "/acknowledgements")).held


def acknowledge(api: Transport, model: str, feature: str, until: str, reason: str) -> AcceptedDrift:
    """Accept the drift of a feature.

    Args:
        api: Server.
        model: Name of the model.
        feature: Field, or `prediction`.
        until: Last day, YYYY-MM-DD (UTC).
        reason: Reason for the history.
    """
    body = {"feature": feature, "until": until, "reason": reason}
    return api.fetch(AcceptedDrift, "POST", build_path(model, "/acknowledgements"), body=body)


def end_acknowledgement(api: Transport, model: str, feature: str) -> AcceptedDrift:
    """End the acknowledgement of a feature's drift."""
    path = build_path(model, f"/acknowledgements/{quote(feature, safe='')}")
    return api.fetch(AcceptedDrift, "DELETE", path)
