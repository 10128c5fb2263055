"""Types of the GraphQL schema and their conversion from the domain.

The schema keeps the short names of the types, which are its contract.
"""

from typing import Any

import strawberry
from strawberry.scalars import JSON

from servicio_ml.domain.schema import Field as SchemaField
from servicio_ml.serving.models.model_status import ModelStatus


@strawberry.type
class ModelHealth:
    """Readiness of a model."""

    name: str
    status: str = strawberry.field(description="`ready`, or the reason why not.")


@strawberry.type(name="Health")
class HealthType:
    """Readiness of the service."""

    ready: bool
    models: list[ModelHealth]


@strawberry.type
class RecordField:
    """Input field of a model."""

    name: str
    kind: str
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    levels: list[str]
    any_text: bool = strawberry.field(
        description="Whether a text that is no level is taken, as the level `other`."
    )
    nullable: bool
    example: JSON


@strawberry.type
class Tag:
    """Tag that training set on a version."""

    name: str
    value: str


@strawberry.type(name="Model")
class ModelType:
    """Model and its champion."""

    name: str
    problem: str = strawberry.field(
        description="Why the champion of the registry is not loaded; empty if it is."
    )
    version: int | None = strawberry.field(description="Version of the champion; null until one is loaded.")
    task: str | None
    run_id: str | None
    aliases: list[str]
    labels: list[str]
    tags: list[Tag]
    fields: list[RecordField]
    identifier: str | None = strawberry.field(
        description="Raw column that identifies a row; a record may have its text as `identifier`."
    )


@strawberry.type
class ClassProbability:
    """Calibrated probability of a class."""

    label: str
    probability: float


@strawberry.type(name="Prediction")
class PredictionType:
    """Prediction for a record, or why it is refused."""

    prediction: float | None = strawberry.field(
        description="Index of the label; the predicted number in a regression."
    )
    label: str | None = None
    probability: float | None = strawberry.field(
        default=None, description="Probability of the positive class of a binary model."
    )
    probabilities: list[ClassProbability] | None = strawberry.field(
        default=None, description="Probability of each class, if there are more than two."
    )
    lower: float | None = strawberry.field(
        default=None, description="Lower bound of the number, with `interval`; `upper` is the other."
    )
    upper: float | None = None
    label_set: list[str] | None = strawberry.field(
        default=None, description="Labels that hold the true one as often as `interval` says."
    )
    probability_lower: float | None = strawberry.field(
        default=None,
        description="Lower bound of `probability`, with `interval`; `probabilityUpper` is the other.",
    )
    probability_upper: float | None = None
    interval: float | None = strawberry.field(default=None, description="Level that was asked for.")
    outlier_score: float | None = strawberry.field(
        default=None, description="How unusual the record is, 0 to 1, with `outlier`."
    )
    outlier_limit: float | None = strawberry.field(
        default=None, description="Score above which a record is an outlier, with `outlier`."
    )
    model: str
    version: int
    prediction_id: str | None
    error: str | None = strawberry.field(
        default=None,
        description='Why the record is refused, with `onError: "partial"`; null if it is scored.',
    )


def build_model(name: str, status: ModelStatus) -> ModelType:
    """Build the document of a model from its status."""
    champion = status.champion
    if champion is None:
        return ModelType(
            name=name, problem=status.error, version=None, task=None, run_id=None, aliases=[], labels=[],
            tags=[], fields=[], identifier=None,
        )  # fmt: skip
    # from the registry, not from the loaded version: aliases move without loading a version anew
    info = next((each for each in status.versions if each.version == champion.version), champion.info)
    return ModelType(
        name=name,
        problem=status.error,
        version=champion.version,
        task=champion.artifact.output.task,
        run_id=info.run_id,
        aliases=list(info.aliases),
        labels=list(champion.labels),
        tags=[Tag(name=key, value=value) for key, value in sorted(info.tags.items())],
        fields=[_build_field(each) for each in champion.artifact.encoder.schema.fields],
        identifier=champion.artifact.identifier or None,
    )


def _build_field(each: SchemaField) -> RecordField:
    return RecordField(
        name=each.name, kind=each.kind, description=each.description, unit=each.unit, minimum=each.minimum,
        maximum=each.maximum, levels=list(each.levels),
        any_text=each.learned_levels is not None, nullable=each.nullable, example=JSON(each.example),
    )  # fmt: skip


def build_prediction(document: dict[str, Any]) -> PredictionType:
    """Build the prediction of one document of a result."""
    # GraphQL has no maps, so the probabilities become a list
    shares = document.pop("probabilities", None)
    if shares is not None:
        shares = [ClassProbability(label=label, probability=share) for label, share in shares.items()]
    return PredictionType(**document, probabilities=shares)
