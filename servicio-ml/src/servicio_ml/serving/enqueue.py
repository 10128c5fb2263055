"""The route that puts a record on a model's stream, to be answered by a stream worker."""

import asyncio

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from servicio_ml.domain.ports import Broker
from servicio_ml.domain.stream import KEY, RECORD, Stream, stream_name
from servicio_ml.errors import BrokerError, InvalidError
from servicio_ml.serving.call import JSON
from servicio_ml.serving.openapi import refusals
from servicio_ml.serving.service import Service

NOWHERE = "none"
BODY = {
    "description": "One record, as `/models/{model}/predict` takes it.",
    "required": True,
    "content": {JSON: {"schema": {"type": "object"}}},
}
CLIENT_KEY = {
    "name": "X-Client-Key",
    "in": "header",
    "description": "Stands beside the answer as `key`.",
    "schema": {"type": "string"},
}


class Enqueued(BaseModel):
    """Where the request stands; its answer comes in the model's results with `request` = `message_id`."""

    message_id: str = Field(examples=["1526919030474-55"])
    stream: str = Field(examples=["servicio_ml:rain_australia:requests"])


def routes(service: Service, broker: Broker | None) -> APIRouter:
    """The route; without a broker it says what is to be set."""
    router = APIRouter(tags=["stream"])

    @router.post(
        "/models/{model}/enqueue",
        status_code=202,
        responses=refusals(401, 403, 404, 413, 422, 503),
        openapi_extra={"requestBody": BODY, "parameters": [CLIENT_KEY]},
    )
    async def enqueue(model: str, request: Request) -> Enqueued:
        """Check a record and put it on the model's stream."""
        served = service.models.champion(model)
        if broker is None:
            raise BrokerError(NOWHERE, "no broker is configured")
        body = await request.body()
        try:
            served.decoder.record(body)
        except InvalidError as error:
            service.predictor.reject(error)
            raise
        fields = {RECORD: body.decode(), KEY: request.headers.get("x-client-key", "")}
        message = await asyncio.to_thread(broker.append, model, fields)
        return Enqueued(message_id=message, stream=stream_name(model, Stream.REQUESTS))

    return router
