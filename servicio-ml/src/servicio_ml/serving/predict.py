"""The prediction routes, straight on ASGI: a body becomes a matrix, the predictor answers.

They are described in OpenAPI like all others (openapi.py). A route of the framework alone would cost as much
as these cost in all.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import orjson

from servicio_ml.domain.prediction import Protocol, Purpose
from servicio_ml.errors import InvalidError, MediaTypeError, RequestError
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving import arrow
from servicio_ml.serving.call import JSON, Call, Response
from servicio_ml.serving.served import Answered, Served
from servicio_ml.serving.service import Service

PATH = re.compile(r"(?:/models/([^/]+))?/predict(/batch)?")
DEFAULT, NAMED, BATCH = "/predict", "/models/{model}/predict", "/batch"
BODY_IN_LOOP = 1 << 16
"""Bytes above which a body is decoded, scored and answered in a thread."""
WANTED = ("alias", "version")
Format = Callable[[Answered], Response]


class Predict:
    """Answers `/predict`, `/models/{model}/predict` and their `/batch`."""

    def __init__(self, service: Service) -> None:
        self._predictor, self._default = service.predictor, service.default_model
        self._known: dict[str, tuple[str, str, bool]] = {}

    def route(self, path: str) -> tuple[str, str, bool] | None:
        """Route template, model and whether it is a batch, of a path that is answered here."""
        found = self._known.get(path)
        if found is not None:
            return found
        match = PATH.fullmatch(path)
        if match is None:
            return None
        model, batch = match.groups()
        made = ((DEFAULT if model is None else NAMED) + (batch or ""), model or self._default, bool(batch))
        if made[1] in self._predictor.models.known:
            # only what is served, so that asking for anything fills no memory
            self._known[path] = made
        return made

    async def __call__(self, call: Call, model: str, body: bytes, *, batch: bool) -> Response:
        """Answer a call.

        Raises:
            ServicioError: It cannot be answered.
        """
        wanted = wanted_by(call.query) if call.query else ""
        served, purpose = await self._predictor.pick(model, wanted, call.client)
        if batch:
            try:
                return await self._batch(call, served, purpose, body)
            except InvalidError as error:
                self._predictor.reject(error)
                raise
        matrix = self._decoded(served, body)
        return _one(call, await self._predictor.answer(served, matrix, Protocol.REST, purpose))

    def submit(
        self, call: Call, model: str, body: bytes, end: Callable[[Response | Exception], None]
    ) -> None:
        """Answer one record by the champion, from the event loop, without waiting.

        Args:
            call: In hand.
            model: Name of the model.
            body: A record.
            end: Called with the answer, or with why there is none, in the next turn of the loop.

        Raises:
            ServicioError: It cannot be answered.
        """
        served, purpose = self._predictor.choose(model, call.client)

        def done(outcome: Answered | Exception) -> None:
            end(_one(call, outcome) if isinstance(outcome, Answered) else outcome)

        self._predictor.submit(served, self._decoded(served, body), Protocol.REST, purpose, done)

    def _decoded(self, served: Served, body: bytes) -> Matrix:
        try:
            return served.decoder.record(body)
        except InvalidError as error:
            self._predictor.reject(error)
            raise

    async def _batch(self, call: Call, served: Served, purpose: Purpose, body: bytes) -> Response:
        call.details.update(model=served.model, version=served.version)
        decode = _decoder(served, call.headers.get(b"content-type", JSON.encode()).decode("latin-1"))
        accept = call.headers.get(b"accept", b"").decode("latin-1")
        if len(body) > BODY_IN_LOOP:
            return await self._predictor.aside(self._whole, served, purpose, decode, accept, body)
        matrix, write = decode(body)
        answered = await self._predictor.answer(served, matrix, Protocol.REST, purpose)
        call.details["rows"] = len(matrix)
        return _written(answered, write, accept)

    def _whole(
        self, served: Served, purpose: Purpose, decode: "Decode", accept: str, body: bytes
    ) -> Response:
        matrix, write = decode(body)
        return _written(self._predictor.answer_now(served, matrix, Protocol.REST, purpose), write, accept)


def _one(call: Call, answered: Answered) -> Response:
    [document] = answered.documents()
    call.details.update(
        model=document["model"], version=document["version"], prediction_id=document["prediction_id"]
    )
    return Response(200, orjson.dumps(document))


Decode = Callable[[bytes], tuple[Matrix, Format]]


def wanted_by(query: bytes) -> str:
    """The alias or version of a query; empty when it asks for none.

    Raises:
        RequestError: It asks for anything else.
    """
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    names = [name for name, _ in pairs]
    if any(name not in WANTED for name in names) or len(pairs) > 1:
        raise RequestError(f"query {query.decode('latin-1')!r}", "it takes either alias or version")
    if not pairs:
        return ""
    (name, value), *_ = pairs
    if name == "version" and not value.isdecimal():
        raise RequestError(f"version {value!r}", "it takes a whole number")
    if not value:
        raise RequestError(f"{name} is empty", "name an alias such as champion")
    return value


def _decoder(served: Served, content_type: str) -> Decode:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == JSON:

        def decode(body: bytes) -> tuple[Matrix, Format]:
            matrix, columnar = served.decoder.batch(body)
            return matrix, _columns if columnar else _records

        return decode
    read = arrow.READERS.get(media_type)
    if read is None:
        raise MediaTypeError(content_type, (JSON, *arrow.READERS))
    return lambda body: (served.decoder.frame(read(body)), _arrow)


def _written(answered: Answered, write: Format, accept: str) -> Response:
    if JSON in accept:
        return _records(answered) if write is _arrow else write(answered)
    return _arrow(answered) if arrow.STREAM in accept else write(answered)


def _records(answered: Answered) -> Response:
    rows = [{**row, "prediction_id": each} for row, each in zip(answered.plain, answered.ids, strict=True)]
    return _headed(answered, rows)


def _columns(answered: Answered) -> Response:
    return _headed(answered, answered.columns())


def _headed(answered: Answered, predictions: Any) -> Response:
    head = {"model": answered.served.model, "version": answered.served.version}
    return Response(200, orjson.dumps({**head, "predictions": predictions}))


def _arrow(answered: Answered) -> Response:
    return Response(200, arrow.write(answered), arrow.STREAM)
