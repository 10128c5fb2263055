"""GraphQL over POST: queries about the service and its models, and the mutation `predict`.

`predict` is a mutation, because every prediction is logged. There is no batching of operations, no operation
by GET, and no subscription; a browser gets a page of its own (`explorer`), because GraphiQL's scripts are on
other hosts, and 1.5 MB to ship. No type of the schema nests in itself,
so that a valid query is never deep; introspection is bounded by a rule of GraphQL itself.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
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

from servicio_ml.domain.prediction import Interface
from servicio_ml.errors import InvalidError, RequestError, ServicioError, TooLargeError
from servicio_ml.serving.graphql.explorer import add_page
from servicio_ml.serving.graphql.types import (
    HealthType,
    ModelHealth,
    ModelType,
    PredictionType,
    build_model,
    build_prediction,
)
from servicio_ml.serving.http import call
from servicio_ml.serving.http.health import build_health
from servicio_ml.serving.http.problems import build_problem
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models.loaded_model import PartialResult
from servicio_ml.serving.models.row_faults import OnError, parse_on_error
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.prediction.score_request import score_request
from servicio_ml.serving.prediction.service import Service

logger = logging.getLogger(__name__)
MAX_ALIASES, MAX_TOKENS, MAX_CHARACTERS = 10, 1000, 20_000
SPREAD_TOKEN, MAX_SPREADS = "...", 20
"""Maximum number of fragment spreads: fragments within fragments are visited exponentially often."""
MAX_RECORDS = 256
"""Maximum number of records of one `predict`: its result is built in the event loop, 40 µs a record."""
INTERNAL_ERROR_MESSAGE = "the server failed; its log has the traceback"
TOO_NESTED_MESSAGE = "the document, or a value in it, is nested too deeply"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationContext:
    """Context of an operation.

    Attributes:
        service: Service of this process.
        call: HTTP call.
        operation: Name of the operation to execute.
        refused_rows: Number of refused rows of each partial result.
    """

    service: Service
    call: call.HttpCall | None
    operation: str | None
    refused_rows: list[int] = field(default_factory=list)


Info = strawberry.Info[OperationContext, None]


def _resolve_health(info: Info) -> HealthType:
    models = info.context.service.models
    statuses = build_health(models).models
    return HealthType(
        ready=models.is_ready,
        models=[ModelHealth(name=name, status=status) for name, status in statuses.items()],
    )


def _resolve_models(info: Info) -> list[ModelType]:
    return [
        build_model(name, status) for name, status in sorted(info.context.service.models.statuses.items())
    ]


def _resolve_model(info: Info, name: str) -> ModelType:
    return build_model(name, info.context.service.models.get_status(name))


def _name_version(version: int | None, alias: str | None) -> str:
    """Return the version or alias that is given, as text; empty without one."""
    if version is not None and alias is not None:
        raise RequestError("version and alias are both given", "give one of them")
    return alias or "" if version is None else str(version)


async def _predict(
    info: Info,
    model: str,
    records: list[JSON],
    version: int | None = None,
    alias: str | None = None,
    on_error: str = OnError.REFUSE.value,
    interval: float | None = None,
    outlier: bool | None = None,  # noqa: FBT001  an argument of GraphQL
) -> list[PredictionType]:
    service, http_call = info.context.service, info.context.call
    # checked before decoding, which costs far more
    limit = min(MAX_RECORDS, service.limits.rows)
    if len(records) > limit:
        raise TooLargeError(f"{len(records)} records", f"at most {limit} in one GraphQL request")
    row_rule, version_or_alias = parse_on_error(on_error), _name_version(version, alias)
    client_key = http_call.client_key if http_call else ""
    loaded_model, purpose = await service.predictor.resolve(model, version_or_alias, client_key)
    details = loaded_model.resolve_details(interval, outlier)
    # json keeps NaN, which the decoder rejects; orjson would turn it into null, a missing value
    body = json.dumps({"records": records}).encode()
    try:
        rows, _ = loaded_model.decoder.decode_batch(body, row_rule)
        loaded_model, purpose, rows = service.predictor.follow_identifier(
            version_or_alias or client_key, loaded_model, purpose, rows,
            lambda other: other.decoder.decode_batch(body, row_rule)[0],
        )  # fmt: skip
        details = loaded_model.resolve_details(interval, outlier)
    except InvalidError as error:
        service.predictor.count_rejected(error)
        raise
    result = await score_request(service.predictor, loaded_model, rows, Interface.GRAPHQL, purpose, details)
    if isinstance(result, PartialResult):
        info.context.refused_rows.append(len(result.refusals.faults))
    return [build_prediction(document) for document in result.to_documents()]


@strawberry.type(name="Query")
class QueryType:
    """Queries."""

    health: HealthType = strawberry.field(resolver=_resolve_health, description="Readiness of the service.")
    models: list[ModelType] = strawberry.field(resolver=_resolve_models, description="All models, by name.")
    model: ModelType = strawberry.field(resolver=_resolve_model, description="One model.")


@strawberry.type(name="Mutation")
class MutationType:
    """Mutations."""

    predict: list[PredictionType] = strawberry.mutation(
        resolver=_predict,
        description=f"Score at most {MAX_RECORDS} records by the champion, a version or an alias; every "
        "prediction is logged. `onError` is `refuse` (a value that its field does not take refuses all "
        "records) or `partial` (the record has its `error`, and the others are scored). `interval` is the "
        "level of the interval, or of the set of labels, that each answer shall have. `outlier` asks for "
        "the outlier score of each record.",
    )


class DocumentLimits(SchemaExtension):
    """Limit on fragment spreads, and the rule that several operations require a name."""

    def on_operation(self) -> Iterator[None]:
        # counted in the text: parsing comes later and would already cost time
        spreads = (self.execution_context.query or "").count(SPREAD_TOKEN)
        if spreads > MAX_SPREADS:
            raise GraphQLError(f"{spreads} fragments are spread; at most {MAX_SPREADS} are allowed")
        yield

    def on_validate(self) -> Iterator[None]:
        document, context = self.execution_context.graphql_document, self.execution_context.context
        definitions = document.definitions if document else ()
        operations = sum(isinstance(each, OperationDefinitionNode) for each in definitions)
        # strawberry would execute the first one
        if operations > 1 and context.operation is None:
            raise GraphQLError(f"{operations} operations are sent; name one of them in operationName")
        yield


class MaskingSchema(strawberry.Schema):
    """Schema without strawberry's own log: `_format_error` logs the errors that it masks."""

    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Log nothing here."""


# limits against documents that cost more to validate than to send
SCHEMA = MaskingSchema(
    QueryType,
    MutationType,
    extensions=[DocumentLimits, lambda: MaxTokensLimiter(MAX_TOKENS), lambda: MaxAliasesLimiter(MAX_ALIASES)],
)


class GraphqlRequest(BaseModel):
    """GraphQL request; records belong into its variables, because the query has a size limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str = Field(max_length=MAX_CHARACTERS, examples=["{ models { name version } }"])
    variables: dict[str, Any] | None = None
    operation_name: str | None = Field(default=None, alias="operationName")
    extensions: dict[str, Any] | None = Field(default=None, description="Not read.")


class GraphqlResponse(BaseModel):
    """GraphQL response; the extensions of an error hold REST's `status` and the field errors."""

    data: dict[str, Any] | None = None
    errors: list[dict[str, Any]] | None = None
    extensions: dict[str, Any] | None = Field(
        default=None, description='`refused`: number of refused records, with `onError: "partial"`.'
    )


def build_routes(service: Service) -> APIRouter:
    """Build the route `/graphql`."""
    router = APIRouter(tags=["graphql"])

    @router.post(
        "/graphql",
        responses={200: {"model": GraphqlResponse}, **describe_errors(400, 401, 403, 413, 422, 503)},
    )
    @require(Access.PREDICT)
    async def execute_operation(operation: GraphqlRequest, request: Request) -> Response:
        """Execute a query, or the mutation `predict`; errors of fields stand in `errors`, with status 200."""
        http_call = request.scope.get(call.CALL_KEY)
        context = OperationContext(service=service, call=http_call, operation=operation.operation_name)
        try:
            result = await SCHEMA.execute(
                operation.query, operation.variables, context, operation_name=operation.operation_name
            )
        # these two are raised; all other faults of a document are errors of the result
        except (MissingQueryError, CannotGetOperationTypeError) as error:
            problem = "the document holds no operation, or none of that name"
            raise RequestError(problem, "send one operation in query, or name it in operationName") from error
        document: dict[str, Any] = {"data": result.data}
        if result.errors:
            document["errors"] = [_format_error(error) for error in result.errors]
        if context.refused_rows:
            document["extensions"] = {"refused": sum(context.refused_rows)}
        return Response(orjson.dumps(document), media_type=call.JSON)

    add_page(router)
    return router


def _format_error(error: GraphQLError) -> dict[str, Any]:
    """Format an error: our own with its status, the caller's unchanged, any other masked."""
    # formatted holds message, place and path, which clients need to find the field
    document: dict[str, Any] = dict(error.formatted)
    cause = error.original_error
    if isinstance(cause, ServicioError):
        fields = build_problem(cause, "")
        document["extensions"] = {"status": fields["status"], "errors": fields.get("errors", [])}
    # raised by graphql-core and by the JSON scalar alike, before any limit of ours applies
    elif isinstance(cause, RecursionError):
        document["message"] = TOO_NESTED_MESSAGE
    elif cause is not None and not isinstance(cause, GraphQLError):
        logger.error("a GraphQL field failed", exc_info=cause)
        document["message"] = INTERNAL_ERROR_MESSAGE
    return document
