"""GraphQL over POST: queries about the service and its models, and the mutation `predict`.

`predict` is a mutation, and nothing else, because every answer is logged. There is no batching of operations,
no GET, no subscription, and no page of GraphiQL: that one is loaded from elsewhere. No type of the schema
nests in itself, so that a valid query is never deep; introspection is bounded by a rule of GraphQL itself.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import strawberry
from fastapi import APIRouter, Request, Response
from graphql import GraphQLError, OperationDefinitionNode
from pydantic import BaseModel, ConfigDict, Field
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import MaxAliasesLimiter, MaxTokensLimiter, SchemaExtension
from strawberry.scalars import JSON
from strawberry.schema.exceptions import CannotGetOperationTypeError

from servicio_ml.domain.prediction import Protocol
from servicio_ml.errors import InvalidError, RequestError, ServicioError, TooLargeError
from servicio_ml.serving import call
from servicio_ml.serving.graphql_types import (
    Health,
    Model,
    ModelHealth,
    Prediction,
    model_of,
    prediction_of,
)
from servicio_ml.serving.openapi import refusals
from servicio_ml.serving.problems import problem
from servicio_ml.serving.rest import health_of
from servicio_ml.serving.service import Service

logger = logging.getLogger(__name__)
MAX_ALIASES, MAX_TOKENS, MAX_CHARACTERS = 10, 1000, 20_000
SPREAD, MAX_SPREADS = "...", 20
"""Fragments that spread fragments would be looked through exponentially often."""
MAX_RECORDS = 256
"""Records of one `predict`: its answer is built in the event loop, object by object, 40 µs a record."""
UNEXPECTED = "the server failed; its log has the traceback"
TOO_NESTED = "the document, or a value in it, is nested too deeply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known beside the document: service, call in hand, name of the operation that is meant."""

    service: Service
    call: call.Call | None
    operation: str | None


Info = strawberry.Info[Context, None]


def _health(info: Info) -> Health:
    models = info.context.service.models
    each = health_of(models).models
    return Health(
        ready=models.ready, models=[ModelHealth(name=name, status=status) for name, status in each.items()]
    )


def _models(info: Info) -> list[Model]:
    return [model_of(name, known) for name, known in sorted(info.context.service.models.known.items())]


def _model(info: Info, name: str) -> Model:
    return model_of(name, info.context.service.models.state(name))


async def _predict(
    info: Info, model: str, records: list[JSON], version: int | None = None, alias: str | None = None
) -> list[Prediction]:
    service, caller = info.context.service, info.context.call
    limit = min(MAX_RECORDS, service.limits.rows)
    if len(records) > limit:
        raise TooLargeError(f"{len(records)} records", f"{limit}, all that GraphQL takes at once")
    if version is not None and alias is not None:
        raise RequestError("version and alias are both given", "give one of them")
    wanted = alias or "" if version is None else str(version)
    served, purpose = await service.predictor.pick(model, wanted, caller.client if caller else "")
    try:
        # json writes NaN as such, which the decoder refuses; other writers make it null
        matrix, _ = served.decoder.batch(json.dumps({"records": records}).encode())
    except InvalidError as error:
        service.predictor.reject(error)
        raise
    answered = await service.predictor.answer(served, matrix, Protocol.GRAPHQL, purpose)
    return [prediction_of(document) for document in answered.documents()]


@strawberry.type
class Query:
    """What can be asked."""

    health: Health = strawberry.field(resolver=_health, description="Whether the service answers.")
    models: list[Model] = strawberry.field(resolver=_models, description="Every served model, by name.")
    model: Model = strawberry.field(resolver=_model, description="One served model.")


@strawberry.type
class Mutation:
    """What leaves a trace."""

    predict: list[Prediction] = strawberry.mutation(
        resolver=_predict,
        description=f"Answer at most {MAX_RECORDS} records by the champion, a version or an alias; every "
        "answer is logged.",
    )


class Bounds(SchemaExtension):
    """Refuses a document that spreads too many fragments, or leaves open which operation is meant."""

    def on_operation(self) -> Iterator[None]:
        spreads = (self.execution_context.query or "").count(SPREAD)
        if spreads > MAX_SPREADS:
            raise GraphQLError(f"{spreads} fragments are spread; at most {MAX_SPREADS} may be")
        yield

    def on_validate(self) -> Iterator[None]:
        document, context = self.execution_context.graphql_document, self.execution_context.context
        definitions = document.definitions if document else ()
        operations = sum(isinstance(each, OperationDefinitionNode) for each in definitions)
        # strawberry would take the first
        if operations > 1 and context.operation is None:
            raise GraphQLError(f"{operations} operations are sent; name one of them in operationName")
        yield


class Schema(strawberry.Schema):
    """Logs nothing of its own: what is unexpected is logged where it is masked."""

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Leave them to `_told`."""


SCHEMA = Schema(
    Query,
    Mutation,
    extensions=[Bounds, lambda: MaxTokensLimiter(MAX_TOKENS), lambda: MaxAliasesLimiter(MAX_ALIASES)],
)


class Operation(BaseModel):
    """A GraphQL request; long records go into the variables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str = Field(max_length=MAX_CHARACTERS, examples=["{ models { name version } }"])
    variables: dict[str, Any] | None = None
    operation_name: str | None = Field(default=None, alias="operationName")
    extensions: dict[str, Any] | None = Field(default=None, description="Not read.")


class Outcome(BaseModel):
    """A GraphQL response; an error's extensions hold the `status` that REST would answer, and the faults."""

    data: dict[str, Any] | None = None
    errors: list[dict[str, Any]] | None = None


def routes(service: Service) -> APIRouter:
    """GraphQL at `/graphql`."""
    router = APIRouter(tags=["graphql"])

    @router.post("/graphql", responses={200: {"model": Outcome}, **refusals(400, 401, 403, 413, 422, 503)})
    async def graphql(operation: Operation, request: Request) -> Response:
        """Execute a query, or the mutation `predict`; errors of fields stand in `errors`, with status 200."""
        caller = request.scope.get(call.CALL)
        context = Context(service=service, call=caller, operation=operation.operation_name)
        try:
            result = await SCHEMA.execute(
                operation.query, operation.variables, context, operation_name=operation.operation_name
            )
        except (MissingQueryError, CannotGetOperationTypeError) as error:
            what = "the document holds no operation, or none of that name"
            raise RequestError(what, "send one operation in query, or name it in operationName") from error
        document: dict[str, Any] = {"data": result.data}
        if result.errors:
            document["errors"] = [_told(error) for error in result.errors]
        return Response(orjson.dumps(document), media_type=call.JSON)

    return router


def _told(error: GraphQLError) -> dict[str, Any]:
    """An error as it is told: ours with their status, the caller's as they are, all others masked."""
    document: dict[str, Any] = dict(error.formatted)
    cause = error.original_error
    if isinstance(cause, ServicioError):
        told = problem(cause, "")
        document["extensions"] = {"status": told["status"], "errors": told.get("errors", [])}
    elif isinstance(cause, RecursionError):
        document["message"] = TOO_NESTED
    elif cause is not None and not isinstance(cause, GraphQLError):
        logger.error("a GraphQL field failed", exc_info=cause)
        document["message"] = UNEXPECTED
    return document
