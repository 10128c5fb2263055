"""Route that appends a record to a model's stream, for a stream worker to score."""

import asyncio

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from servicio_ml.domain.ports.broker import Broker
from servicio_ml.domain.stream import INTERVAL, KEY, OUTLIER, RECORD, VERSION, StreamKind, build_stream_name
from servicio_ml.errors import BrokerError, InvalidError
from servicio_ml.serving.http.call import JSON
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.openapi import DETAIL_PARAMETERS, VERSION_PARAMETERS, describe_errors
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.rest.predict import parse_predict_query

NO_BROKER = "none"
BODY_OPENAPI = {
    "description": "One record, as in `/models/{model}/predict`.",
    "required": True,
    "content": {JSON: {"schema": {"type": "object"}}},
}
CLIENT_KEY_HEADER = {
    "name": "X-Client-Key",
    "in": "header",
    "description": "Returned with the result as `key`.",
    "schema": {"type": "string"},
}


class EnqueuedMessage(BaseModel):
    """Position of the request; its entry in the model's results has `request` = `message_id`."""

    message_id: str = Field(examples=["1526919030474-55"])
    stream: str = Field(examples=["servicio_ml:rain_australia:requests"])


def build_routes(service: Service, broker: Broker | None) -> APIRouter:
    """Build the route; without a broker its error names the setting."""
    router = APIRouter(tags=["stream"])
    _add_enqueue_route(router, service, broker)
    return router


def _add_enqueue_route(router: APIRouter, service: Service, broker: Broker | None) -> None:
    @router.post(
        "/models/{model}/enqueue",
        status_code=202,
        responses=describe_errors(401, 403, 404, 413, 422, 503),
        openapi_extra={
            "requestBody": BODY_OPENAPI,
            "parameters": [*VERSION_PARAMETERS, *DETAIL_PARAMETERS, CLIENT_KEY_HEADER],
        },
    )
    @require(Access.PREDICT)
    async def enqueue(model: str, request: Request) -> EnqueuedMessage:
        """Check a record and append it to the model's stream."""
        version, _, interval, outlier = parse_predict_query(request.scope["query_string"], batch=False)
        # without the key: a canary would be another version than the one that scores it
        loaded_model, _ = await service.predictor.resolve(model, version)
        loaded_model.resolve_details(interval, outlier)
        if broker is None:
            raise BrokerError(NO_BROKER, "no broker is configured")
        body = await request.body()
        try:
            # checked now: the client learns of a fault at once, not from the stream of results
            loaded_model.decoder.decode_record(body)
        except InvalidError as error:
            service.predictor.count_rejected(error)
            raise
        # the text itself is sent on, so that the worker decodes exactly what was checked
        fields = {RECORD: body.decode(), KEY: request.headers.get("x-client-key", "")}
        optional = {VERSION: version, INTERVAL: interval, OUTLIER: outlier}
        fields |= {name: value for name, value in optional.items() if value}
        message = await asyncio.to_thread(broker.append, model, fields)
        return EnqueuedMessage(message_id=message, stream=build_stream_name(model, StreamKind.REQUESTS))
