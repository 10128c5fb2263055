"""Inference for both forms of the protocol: tensors in, predictor, tensors out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from servicio_ml.domain.prediction import Interface, Purpose
from servicio_ml.errors import InvalidError
from servicio_ml.features.outliers.answer_details import AnswerDetails
from servicio_ml.serving.models.loaded_model import LoadedModel, PartialResult, PredictionResult
from servicio_ml.serving.models.row_faults import OnError, RequestRows
from servicio_ml.serving.oip.tensor import Tensor
from servicio_ml.serving.oip.tensors import check_outputs, from_result, to_rows
from servicio_ml.serving.prediction.score_request import score_request, score_request_sync
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.rest.predict import MAX_BODY_BYTES_IN_LOOP

T = TypeVar("T")
REFUSED_PARAMETER = "refused"
"""Parameter of a response: number of rows that are refused beside the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRequest:
    """Parsed inference request.

    Attributes:
        id: Identifier that the response repeats.
        inputs: Input tensors.
        outputs: Names of the requested outputs; all outputs when empty.
        wants_raw: Predicate: whether the output of a name is requested as raw bytes.
        on_error: What a refused row does to the others.
        interval: Level that is asked for; None where it is not.
        outlier: Whether outlier scores are asked for; None where it does not say.
    """

    id: str
    inputs: Sequence[Tensor]
    outputs: Sequence[str]
    wants_raw: Callable[[str], bool]
    on_error: OnError
    interval: object = None
    outlier: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceTarget:
    """Model that a request addresses, and the request's origin.

    Attributes:
        model: Name of the model.
        version: Version or alias; empty for the champion.
        client: Client key, which decides whether the canary scores.
        protocol: Protocol of the request.
        size_bytes: Size of the request.
    """

    model: str
    version: str
    client: str
    protocol: Interface
    size_bytes: int


def build_parameters(result: PredictionResult) -> dict[str, int | float]:
    """Build the parameters of a response: the number of refused rows, and what its details have in common."""
    parameters: dict[str, int | float] = {}
    if isinstance(result, PartialResult):
        parameters[REFUSED_PARAMETER] = len(result.refusals.faults)
    return {**parameters, **result.details_head}


Read = Callable[[], InferenceRequest]
Write = Callable[[InferenceRequest, PredictionResult, Sequence[Tensor]], T]


async def infer(service: Service, target: InferenceTarget, read: Read, write: Write[T]) -> T:
    """Score a request; a large one entirely in a thread.

    Args:
        service: Service of this process.
        target: Model that is addressed.
        read: Reads the request.
        write: Writes the response.

    Raises:
        ServicioError: The request is invalid or cannot be scored now.
    """
    predictor = service.predictor
    loaded_model, purpose = await predictor.resolve(target.model, target.version, target.client)
    # decoding blocks the event loop, so that a large body would delay all other requests
    if target.size_bytes > MAX_BODY_BYTES_IN_LOOP:
        return await predictor.run_in_thread(
            loaded_model, _infer_sync, service, loaded_model, purpose, target.protocol, read, write
        )
    inference, rows, details = _read_rows(service, loaded_model, read)
    loaded_model, purpose, rows = predictor.follow_identifier(
        target.version or target.client, loaded_model, purpose, rows,
        lambda other: _read_rows(service, other, read)[1],
    )  # fmt: skip
    details = loaded_model.resolve_details(inference.interval, inference.outlier)
    result = await score_request(predictor, loaded_model, rows, target.protocol, purpose, details)
    return write(inference, result, from_result(result, inference.outputs))


def _infer_sync(
    service: Service,
    loaded_model: LoadedModel,
    purpose: Purpose,
    protocol: Interface,
    read: Read,
    write: Write[T],
) -> T:
    inference, rows, details = _read_rows(service, loaded_model, read)
    result = score_request_sync(service.predictor, loaded_model, rows, protocol, purpose, details)
    return write(inference, result, from_result(result, inference.outputs))


def _read_rows(
    service: Service, loaded_model: LoadedModel, read: Read
) -> tuple[InferenceRequest, RequestRows, AnswerDetails]:
    inference = read()
    # before the inputs: unknown levels and outputs are cheap to detect
    details = loaded_model.resolve_details(inference.interval, inference.outlier)
    check_outputs(loaded_model, inference.outputs, inference.on_error, details)
    try:
        rows = to_rows(loaded_model, inference.inputs, service.limits.rows, inference.on_error)
    except InvalidError as error:
        service.predictor.count_rejected(error)
        raise
    return inference, rows, details
