"""Faults of the rows of one segment, answered by the real model."""

from dataclasses import dataclass, replace

import numpy as np
from benchmarks.quality.expected.models import MonitoredModel
from benchmarks.quality.power.pool import Array, Pool

from servicio_ml.features.output import Predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFault:
    """A fault of a field, of labels, or of the relation between rows and truth.

    Attributes:
        name: Name for the table.
        field: Field that is wrong; empty for none.
        value: Value that it is stuck at; None where it is not.
        factor: Factor of its values.
        shift: Amount that is added to its values.
        flipped: Share of the labels (0–1) that are flipped.
        growth: Growth of the errors, as a share of them.
    """

    name: str
    field: str = ""
    value: float | None = None
    factor: float = 1.0
    shift: float = 0.0
    flipped: float = 0.0
    growth: float = 0.0


def add_faulty_rows(
    model: MonitoredModel, pool: Pool, fault: SegmentFault, affected: Array, rng: np.random.Generator
) -> Pool:
    """Append each row once more, with the fault where it is affected, and as it is elsewhere."""
    predictions, truth, errors = pool.predictions, pool.truth, pool.errors
    if fault.field:
        matrix = _break_field(model, pool, fault)
        answers = model.artifact.predict(matrix)
        predictions = _merge_answers(answers, predictions, affected)
        if model.artifact.uncertainty and not pool.has_classes:
            expected = model.artifact.uncertainty.estimate_errors(matrix, answers)
            errors = np.where(affected, expected, errors)
    if fault.flipped:
        truth = np.where(affected & (rng.random(len(truth)) < fault.flipped), 1 - truth, truth)
    if fault.growth:
        answers_to = predictions.outcomes
        truth = np.where(affected, answers_to + (1 + fault.growth) * (truth - answers_to), truth)
    return replace(
        pool,
        predictions=_append_answers(pool.predictions, predictions),
        truth=np.concatenate([pool.truth, truth]),
        fields=np.concatenate([pool.fields, pool.fields]),
        months=np.tile(pool.months, 2),
        unseen={name: np.tile(each, 2) for name, each in pool.unseen.items()},
        errors=np.concatenate([pool.errors, errors]),
    )


def _break_field(model: MonitoredModel, pool: Pool, fault: SegmentFault) -> Array:
    encoder = model.artifact.encoder
    matrix = np.zeros((len(pool.truth), len(encoder.schema.names)), dtype=np.float32)
    matrix[:, : pool.fields.shape[1]] = pool.fields
    column = encoder.schema.names.index(fault.field)
    stuck = fault.value if fault.value is not None else matrix[:, column] * fault.factor + fault.shift
    matrix[:, column] = stuck
    encoder.derive(matrix)
    return matrix


def _merge_answers(changed: Predictions, before: Predictions, affected: Array) -> Predictions:
    if changed.probabilities is None or before.probabilities is None:
        return replace(before, outcomes=np.where(affected, changed.outcomes, before.outcomes))
    return replace(
        before,
        outcomes=np.where(affected, changed.outcomes, before.outcomes),
        probabilities=np.where(affected[:, None], changed.probabilities, before.probabilities),
    )


def _append_answers(one: Predictions, other: Predictions) -> Predictions:
    if one.probabilities is None or other.probabilities is None:
        return replace(one, outcomes=np.concatenate([one.outcomes, other.outcomes]))
    return replace(
        one,
        outcomes=np.concatenate([one.outcomes, other.outcomes]),
        probabilities=np.concatenate([one.probabilities, other.probabilities]),
    )
