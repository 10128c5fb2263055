"""Inference as both forms of the protocol do it: tensors in, one predictor, tensors out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from servicio_ml.domain.prediction import Protocol, Purpose
from servicio_ml.errors import InvalidError
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.oip.tensor import Tensor
from servicio_ml.serving.oip.tensors import check_outputs, from_answer, to_matrix
from servicio_ml.serving.predict import BODY_IN_LOOP
from servicio_ml.serving.served import Answered, Served
from servicio_ml.serving.service import Service

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """A request that was read.

    Attributes:
        id: Comes back in the answer.
        inputs: Its tensors.
        outputs: Names of those that are wanted; all when empty.
        raw: Whether the output of a name is wanted as raw bytes.
    """

    id: str
    inputs: Sequence[Tensor]
    outputs: Sequence[str]
    raw: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who shall answer.

    Attributes:
        model: Its name.
        version: A version or an alias; empty for the champion.
        client: By which the canary's share is chosen.
        protocol: The road of the request.
        size: Of the request, in bytes.
    """

    model: str
    version: str
    client: str
    protocol: Protocol
    size: int


Read = Callable[[], Inference]
Write = Callable[[Inference, Answered, Sequence[Tensor]], T]


async def infer(service: Service, asked: Asked, read: Read, write: Write[T]) -> T:
    """Answer a request; a large one in a thread from beginning to end.

    Args:
        service: Of this process.
        asked: Who shall answer.
        read: Reads the request.
        write: Writes the answer.

    Raises:
        ServicioError: It cannot be answered.
    """
    predictor = service.predictor
    served, purpose = await predictor.pick(asked.model, asked.version, asked.client)
    if asked.size > BODY_IN_LOOP:
        return await predictor.aside(_whole, service, served, purpose, asked.protocol, read, write)
    inference, matrix = _read(service, served, read)
    answered = await predictor.answer(served, matrix, asked.protocol, purpose)
    return write(inference, answered, from_answer(answered, inference.outputs))


def _whole(
    service: Service, served: Served, purpose: Purpose, protocol: Protocol, read: Read, write: Write[T]
) -> T:
    inference, matrix = _read(service, served, read)
    answered = service.predictor.answer_now(served, matrix, protocol, purpose)
    return write(inference, answered, from_answer(answered, inference.outputs))


def _read(service: Service, served: Served, read: Read) -> tuple[Inference, Matrix]:
    inference = read()
    check_outputs(served, inference.outputs)
    try:
        return inference, to_matrix(served, inference.inputs, service.limits.rows)
    except InvalidError as error:
        service.predictor.reject(error)
        raise
