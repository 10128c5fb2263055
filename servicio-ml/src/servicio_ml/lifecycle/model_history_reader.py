"""The history of a model as its readers see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from servicio_ml.domain.promotion import NO_EVIDENCE, DecisionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCandidates:
    """Latest finished training and its candidates.

    Attributes:
        run_id: Run of the training.
        period: Period of the training data, `YYYY-MM`.
        data_digest: Digest of the training data.
        started: Start, in seconds since 1970.
        ended: End, in seconds since 1970.
        rows: Number of rows by split, `train` and `test`.
        sample_weight: Field by which rows are weighted in the metrics; empty where all count the same.
        decision: Decision about the winner; empty without one.
        table: One row per candidate, the winner first: the columns of `comparison.json` and `trials`, the
            number of finished trials.
    """

    run_id: str
    period: str
    data_digest: str
    started: float
    ended: float | None
    rows: Mapping[str, int]
    sample_weight: str
    decision: str
    table: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionList:
    """Applied decisions, the newest first; the first `with_evidence` of them have their evidence."""

    decisions: Sequence[DecisionRecord]
    with_evidence: int


class ModelHistoryReader(Protocol):
    """Interface of `ModelHistory` for serving; every method raises `RegistryError` without MLflow."""

    def list_decisions(self, model: str) -> DecisionList: ...

    def get_candidates(self, model: str) -> TrainingCandidates: ...

    def list_pictures(self, model: str, version: int) -> Sequence[str]: ...

    def get_picture(self, model: str, version: int, name: str) -> bytes: ...

    def get_card(self, model: str, version: int) -> str: ...

    def set_champion(
        self,
        model: str,
        version: int,
        reason: str,
        by: str,
        instead_of: int | None = None,
        evidence: Mapping[str, Any] = NO_EVIDENCE,
    ) -> DecisionRecord: ...

    def record_rollout(self, record: DecisionRecord) -> None: ...

    def record_outside_move(self, model: str) -> DecisionRecord | None: ...
