"""What both decision logs share: table rows, and messages about the right to move a champion."""

import json
import logging
from typing import Any

from servicio_ml.domain.drift import Acknowledgement
from servicio_ml.domain.retraining import DecisionEntry, ModelAlert, RetrainingDecision
from servicio_ml.errors import PromotionError

logger = logging.getLogger(__name__)
HOLD_SECONDS = 10.0
"""Maximum wait for the right to move a champion."""

COLUMNS = "model, at, decision, reason, reference, alerts"
ACKNOWLEDGEMENT_COLUMNS = "model, feature, reason, author, at, ends_at, psi, missing_excess"
AcknowledgementRow = tuple[str, str, str, str, float, float, float, float]
DecisionRow = tuple[str, float, str, str, str, str]
# stored names; they are older than those of the attributes
ALERT_KEYS = {
    "name": "name",
    "cause": "cause",
    "severity": "severity",
    "firing": "firing",
    "starts": "started_at",
    "fingerprint": "fingerprint",
    "retrained": "retrained_at",
    "lifted": "quarantine_lifted",
}


def build_held_error(model: str) -> PromotionError:
    """Build the error of a champion that another process moves."""
    return PromotionError(model, "another promotion or rollback is in progress; try again when it is done")


def warn_unheld(model: str, error: Exception) -> None:
    """Warn that a champion moves without the right to it."""
    logger.warning("the champion of %s may be moved by other replicas at the same time: %s", model, error)


def build_row(entry: DecisionEntry) -> DecisionRow:
    """Build the values of `COLUMNS` from a decision; its alerts become JSON."""
    # alerts are never queried, so they need no table
    alerts = json.dumps([_build_document(alert) for alert in entry.alerts])
    return entry.model, entry.decided_at, entry.decision.value, entry.reason, entry.reference, alerts


def build_decision(row: DecisionRow) -> DecisionEntry:
    """Build a decision from the values of `COLUMNS`."""
    model, at, decision, reason, reference, alerts = row
    return DecisionEntry(
        model=model, decided_at=at, decision=RetrainingDecision(decision), reason=reason,
        reference=reference, alerts=tuple(_build_alert(alert) for alert in json.loads(alerts)),
    )  # fmt: skip


def _build_document(alert: ModelAlert) -> dict[str, Any]:
    return {key: getattr(alert, attribute) for key, attribute in ALERT_KEYS.items()}


def _build_alert(document: dict[str, Any]) -> ModelAlert:
    return ModelAlert(**{ALERT_KEYS[key]: value for key, value in document.items()})


def build_acknowledgement_row(entry: Acknowledgement) -> AcknowledgementRow:
    """Build the values of `ACKNOWLEDGEMENT_COLUMNS`."""
    return (
        entry.model, entry.feature, entry.reason, entry.by, entry.at, entry.until, entry.psi,
        entry.missing_excess,
    )  # fmt: skip


def build_acknowledgement(row: AcknowledgementRow) -> Acknowledgement:
    """Build an acknowledgement from the values of `ACKNOWLEDGEMENT_COLUMNS`."""
    model, feature, reason, author, at, ends_at, psi, missing_excess = row
    return Acknowledgement(
        model=model, feature=feature, reason=reason, by=author, at=at, until=ends_at, psi=psi,
        missing_excess=missing_excess,
    )  # fmt: skip
