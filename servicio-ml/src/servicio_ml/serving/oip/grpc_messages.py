"""Inference messages of gRPC: protocol buffers to tensors and back."""

from collections.abc import Sequence

import numpy as np

from servicio_ml.errors import RequestError
from servicio_ml.features.outliers.answer_details import OUTLIER_PARAMETER
from servicio_ml.features.uncertainty.levels import INTERVAL
from servicio_ml.serving.models.loaded_model import PredictionResult
from servicio_ml.serving.models.row_faults import OnError, parse_on_error
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip.infer import InferenceRequest, build_parameters
from servicio_ml.serving.oip.tensor import (
    ARRAY_DTYPES,
    BOOL,
    BYTES,
    Tensor,
    decode_text,
    from_raw,
    from_values,
    to_raw,
    truncate_text,
)

CONTENTS_FIELD = {
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BOOL: "bool_contents",
    BYTES: "bytes_contents",
}
"""Field of `InferTensorContents` that holds the elements of a datatype."""
ON_ERROR_PARAMETER = "on_error"


def read_request(message: pb.ModelInferRequest) -> InferenceRequest:
    """Read the request of a message.

    Raises:
        RequestError: A tensor does not fit its description.
    """
    raw = message.raw_input_contents
    # raw contents belong to the inputs by position; the protocol forbids mixing both kinds
    if raw and len(raw) != len(message.inputs):
        raise RequestError(
            f"{len(raw)} raw_input_contents were given", f"there are {len(message.inputs)} inputs"
        )
    if raw:
        inputs = [_read_raw(each, data) for each, data in zip(message.inputs, raw, strict=True)]
    else:
        inputs = [_read_typed(each) for each in message.inputs]
    outputs = [output.name for output in message.outputs]
    return InferenceRequest(
        id=message.id, inputs=inputs, outputs=outputs, wants_raw=lambda _: bool(raw),
        on_error=parse_on_error(_read_parameter(message, ON_ERROR_PARAMETER, OnError.REFUSE)),
        interval=_read_parameter(message, INTERVAL, None),
        outlier=_read_parameter(message, OUTLIER_PARAMETER, None),
    )  # fmt: skip


def _read_parameter(message: pb.ModelInferRequest, name: str, default: object) -> object:
    if name not in message.parameters:
        return default
    parameter = message.parameters[name]
    kind = parameter.WhichOneof("parameter_choice")
    # one without a value is no parameter that is absent
    return getattr(parameter, kind) if kind else ""


def _read_raw(each: pb.ModelInferRequest.InferInputTensor, data: bytes) -> Tensor:
    if each.HasField("contents"):
        raise RequestError(
            f"tensor {truncate_text(each.name)!r} has contents and raw_input_contents", "give one of them"
        )
    return from_raw(each.name, each.datatype, each.shape, data)


def _read_typed(each: pb.ModelInferRequest.InferInputTensor) -> Tensor:
    field = CONTENTS_FIELD.get(each.datatype, "")
    # protobuf keeps unset lists empty, so only a filled field of another datatype is a mistake
    if other := [given.name for given, _ in each.contents.ListFields() if given.name != field]:
        allowed = (
            f"{each.datatype} stands in {field}"
            if field
            else f"datatypes are {', '.join((BYTES, *ARRAY_DTYPES))}"
        )
        raise RequestError(
            f"tensor {truncate_text(each.name)!r} of {truncate_text(each.datatype)!r} has {other[0]}", allowed
        )
    data = getattr(each.contents, field) if field else ()
    if each.datatype == BYTES:
        data = [decode_text(each.name, place, value) for place, value in enumerate(data)]
    return from_values(each.name, each.datatype, each.shape, data)


def write_response(
    inference: InferenceRequest, result: PredictionResult, tensors: Sequence[Tensor]
) -> pb.ModelInferResponse:
    """Build the message of a result; its outputs are raw if the inputs were."""
    message = pb.ModelInferResponse(
        model_name=result.loaded_model.model, model_version=str(result.loaded_model.version), id=inference.id
    )
    for name, value in build_parameters(result).items():
        if isinstance(value, int):
            message.parameters[name].int64_param = value
        else:
            message.parameters[name].double_param = value
    for tensor in tensors:
        output = message.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if inference.wants_raw(tensor.name):
            message.raw_output_contents.append(to_raw(tensor))
        elif isinstance(tensor.values, np.ndarray):
            getattr(output.contents, CONTENTS_FIELD[tensor.datatype]).extend(tensor.values.tolist())
        else:
            output.contents.bytes_contents.extend((text or "").encode() for text in tensor.values)
    return message
