"""The types of the GraphQL schema, and what they are made of."""

from typing import Any

import strawberry
from strawberry.scalars import JSON

from servicio_ml.domain.schema import Field as SchemaField
from servicio_ml.serving.models import Known


@strawberry.type
class ModelHealth:
    """Whether a model answers."""

    name: str
    status: str = strawberry.field(description="`ready`, or why it is not.")


@strawberry.type
class Health:
    """Whether the service answers."""

    ready: bool
    models: list[ModelHealth]


@strawberry.type
class RecordField:
    """A field of the records."""

    name: str
    kind: str
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    levels: list[str]
    nullable: bool
    example: JSON


@strawberry.type
class Tag:
    """A note of training on a version."""

    name: str
    value: str


@strawberry.type
class Model:
    """A model and the version that answers."""

    name: str
    problem: str = strawberry.field(description="Why the registry's champion is not the one that answers.")
    version: int | None = strawberry.field(description="The champion; null until one is loaded.")
    task: str | None
    run_id: str | None
    aliases: list[str]
    labels: list[str]
    tags: list[Tag]
    fields: list[RecordField]


@strawberry.type
class ClassProbability:
    """The calibrated probability of a class."""

    label: str
    probability: float


@strawberry.type
class Prediction:
    """The answer to a record."""

    prediction: float = strawberry.field(description="The index of the label; the number in a regression.")
    label: str | None = None
    probability: float | None = strawberry.field(
        default=None, description="Of the positive class of a binary model."
    )
    probabilities: list[ClassProbability] | None = strawberry.field(
        default=None, description="Of each of more than two classes."
    )
    model: str
    version: int
    prediction_id: str


def model_of(name: str, known: Known) -> Model:
    """What is known of a model."""
    champion = known.champion
    if champion is None:
        return Model(
            name=name, problem=known.problem, version=None, task=None, run_id=None, aliases=[], labels=[],
            tags=[], fields=[],
        )  # fmt: skip
    # aliases move without a version being loaded anew
    info = next((each for each in known.versions if each.version == champion.version), champion.info)
    return Model(
        name=name,
        problem=known.problem,
        version=champion.version,
        task=champion.artifact.output.task,
        run_id=info.run_id,
        aliases=list(info.aliases),
        labels=list(champion.labels),
        tags=[Tag(name=key, value=value) for key, value in sorted(info.tags.items())],
        fields=[_field(each) for each in champion.artifact.encoder.schema.fields],
    )


def _field(each: SchemaField) -> RecordField:
    return RecordField(
        name=each.name, kind=each.kind, description=each.description, unit=each.unit, minimum=each.minimum,
        maximum=each.maximum, levels=list(each.levels), nullable=each.nullable, example=JSON(each.example),
    )  # fmt: skip


def prediction_of(document: dict[str, Any]) -> Prediction:
    """One of the documents of `Answered`."""
    shares = document.pop("probabilities", None)
    if shares is not None:
        shares = [ClassProbability(label=label, probability=share) for label, share in shares.items()]
    return Prediction(**document, probabilities=shares)
