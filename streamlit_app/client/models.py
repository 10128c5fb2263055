"""Requests to the server about champions, candidates and their documents."""

from pydantic import BaseModel

from streamlit_app.client.service import ModelInfo, build_path
from streamlit_app.client.transport import Transport


class Tenure(BaseModel):
    """Time during which a version was champion, in seconds since 1970; `until` is None if it still is."""

    version: int
    since: float
    until: float | None
    by: str
    reason: str


class GateResult(BaseModel):
    """Result of one gate of a promotion."""

    name: str
    passed: bool
    detail: str


class GroupRateRow(BaseModel):
    """Rates in one group of a protected attribute; None where one is undefined."""

    field: str
    group: str
    rows: int
    selection_rate: float | None
    tpr: float | None
    fpr: float | None
    calibration_error: float | None


class ModelComparison(BaseModel):
    """Challenger and champion on the same rows; None where a number is undefined."""

    rows: int
    challenger: float | None
    champion: float | None
    gain: float | None
    interval: tuple[float | None, float | None] | None
    calibration_error: float | None
    latency_seconds: float | None
    fairness: list[GroupRateRow] = []


class PromotionThresholds(BaseModel):
    """Thresholds of the promotion policy."""

    metric: str
    margin: float


class DecisionEvidence(BaseModel):
    """Measurements that a decision is based on."""

    period: str
    metric: str
    sample_weight: str
    policy: PromotionThresholds
    comparison: ModelComparison
    gates: list[GateResult]


class ChampionDecision(BaseModel):
    """Decision about a champion; `evidence` is None where a person decided."""

    decision: str
    version: int
    against: int | None
    by: str
    at: float
    reason: str
    evidence: DecisionEvidence | None


class ChampionHistory(BaseModel):
    """Tenures of champions and all decisions, the newest first."""

    champions: list[Tenure]
    decisions: list[ChampionDecision]

    def find_evaluation(self, version: int) -> ChampionDecision | None:
        """Find the latest evaluation of a version as challenger."""
        return next((each for each in self.decisions if each.version == version and each.evidence), None)


class CandidateResult(BaseModel):
    """Result of one candidate in a training."""

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


class TrainingCandidates(BaseModel):
    """Candidates of the latest training, the winner first."""

    period: str
    ended: float | None
    train_rows: int
    test_rows: int
    sample_weight: str
    candidates: list[CandidateResult]


class PictureNames(BaseModel):
    """Names of a version's plots."""

    pictures: list[str]


def fetch_history(api: Transport, name: str) -> ChampionHistory:
    """Fetch the tenures and decisions of a model."""
    return api.fetch(ChampionHistory, "GET", build_path(name, "/history"))


def fetch_candidates(api: Transport, name: str) -> TrainingCandidates:
    """Fetch the candidates of the latest training."""
    return api.fetch(TrainingCandidates, "GET", build_path(name, "/candidates"))


def fetch_picture_names(api: Transport, name: str, version: int) -> list[str]:
    """Fetch the names of a version's plots."""
    return api.fetch(PictureNames, "GET", build_path(name, f"/versions/{version}/pictures")).pictures


def fetch_picture(api: Transport, name: str, version: int, picture: str) -> bytes:
    """Fetch a plot as PNG."""
    return api.request("GET", build_path(name, f"/versions/{version}/pictures/{picture}")).content


def fetch_card(api: Transport, name: str, version: int) -> str:
    """Fetch the model card of a version, as Markdown."""
    return api.request("GET", build_path(name, f"/versions/{version}/card")).text


def set_champion(api: Transport, name: str, version: int, reason: str, instead_of: int | None) -> ModelInfo:
    """Make a version champion.

    Args:
        api: Server.
        name: Name of the model.
        version: New champion.
        reason: Reason for the history.
        instead_of: Present champion, None without one; the server refuses when it has changed.
    """
    body = {"version": version, "reason": reason, "instead_of": instead_of}
    return api.fetch(ModelInfo, "PUT", build_path(name, "/champion"), body=body)


def reload(api: Transport, name: str) -> ModelInfo:
    """Make the server read the registry now."""
    return api.fetch(ModelInfo, "POST", build_path(name, "/reload"))
