"""What the pages ask the server about the succession of champions."""

from pydantic import BaseModel

from streamlit_app.client.service import Model, path
from streamlit_app.client.transport import Transport


class Reign(BaseModel):
    """A time during which one version was champion; seconds since 1970."""

    version: int
    since: float
    until: float | None
    by: str
    reason: str


class Gate(BaseModel):
    """One condition of a promotion."""

    name: str
    passed: bool
    detail: str


class Comparison(BaseModel):
    """Both on the same rows; None where a number is not defined."""

    rows: int
    challenger: float | None
    champion: float | None
    gain: float | None
    interval: tuple[float | None, float | None] | None
    calibration_error: float | None
    latency_seconds: float | None


class Policy(BaseModel):
    """The thresholds that were judged by."""

    metric: str
    margin: float


class Evidence(BaseModel):
    """What a judgement was based on."""

    period: str
    metric: str
    policy: Policy
    comparison: Comparison
    gates: list[Gate]


class Decision(BaseModel):
    """One decision that was carried out."""

    decision: str
    version: int
    against: int | None
    by: str
    at: float
    reason: str
    evidence: Evidence | None


class History(BaseModel):
    """Who was champion when, and every decision; the newest first."""

    champions: list[Reign]
    decisions: list[Decision]

    def judgement(self, version: int) -> Decision | None:
        """The latest judgement of a version as challenger."""
        return next((each for each in self.decisions if each.version == version and each.evidence), None)


class Candidate(BaseModel):
    """How a candidate did in a training."""

    candidate: str
    version: int | None
    eligible: bool
    reason: str
    params: dict[str, str | float | int | bool | None]
    trials: int
    validation: float | None
    validation_error: float | None
    metrics: dict[str, float | None]
    latency_seconds: float | None


class Candidates(BaseModel):
    """Those of the latest training; the winner first."""

    period: str
    ended: float | None
    train_rows: int
    test_rows: int
    candidates: list[Candidate]


class Pictures(BaseModel):
    """The names of a version's pictures."""

    pictures: list[str]


def history(api: Transport, name: str) -> History:
    """Who was champion when, and why."""
    return api.ask(History, "GET", path(name, "/history"))


def candidates(api: Transport, name: str) -> Candidates:
    """How the candidates of the latest training did."""
    return api.ask(Candidates, "GET", path(name, "/candidates"))


def pictures(api: Transport, name: str, version: int) -> list[str]:
    """The names of a version's pictures."""
    return api.ask(Pictures, "GET", path(name, f"/versions/{version}/pictures")).pictures


def picture(api: Transport, name: str, version: int, picture: str) -> bytes:
    """A PNG."""
    return api.raw("GET", path(name, f"/versions/{version}/pictures/{picture}")).content


def card(api: Transport, name: str, version: int) -> str:
    """The model card of a version, Markdown."""
    return api.raw("GET", path(name, f"/versions/{version}/card")).text


def crown(api: Transport, name: str, version: int, reason: str, instead_of: int | None) -> Model:
    """Make a version champion."""
    body = {"version": version, "reason": reason, "instead_of": instead_of}
    return api.ask(Model, "PUT", path(name, "/champion"), body=body)


def reload(api: Transport, name: str) -> Model:
    """Have the server look at the registry now."""
    return api.ask(Model, "POST", path(name, "/reload"))
