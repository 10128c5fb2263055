"""Entries of the decision log as rows of a table, the same in SQLite and in PostgreSQL."""

import json
from dataclasses import asdict

from servicio_ml.domain.retraining import Alert, Decision, Entry

COLUMNS = "model, at, decision, reason, reference, alerts"
Row = tuple[str, float, str, str, str, str]


def row_of(entry: Entry) -> Row:
    """The columns of an entry; its alerts are JSON."""
    alerts = json.dumps([asdict(alert) for alert in entry.alerts])
    return entry.model, entry.at, entry.decision.value, entry.reason, entry.reference, alerts


def entry_of(row: Row) -> Entry:
    """The entry of a row."""
    model, at, decision, reason, reference, alerts = row
    return Entry(
        model=model, at=at, decision=Decision(decision), reason=reason, reference=reference,
        alerts=tuple(Alert(**alert) for alert in json.loads(alerts)),
    )  # fmt: skip
