"""Inference over gRPC: protocol buffers to tensors and back."""

from collections.abc import Sequence

import numpy as np

from servicio_ml.errors import RequestError
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip.infer import Inference
from servicio_ml.serving.oip.tensor import BYTES, NUMBERS, Tensor, cut, from_raw, from_values, text_of, to_raw
from servicio_ml.serving.served import Answered

CONTENTS = {
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "INT64": "int64_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}
"""Where the elements of a datatype stand."""


def read(message: pb.ModelInferRequest) -> Inference:
    """The request of a message.

    Raises:
        RequestError: Its tensors do not fit their description.
    """
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise RequestError(
            f"{len(raw)} raw_input_contents were given", f"there are {len(message.inputs)} inputs"
        )
    if raw:
        inputs = [_raw(each, data) for each, data in zip(message.inputs, raw, strict=True)]
    else:
        inputs = [_typed(each) for each in message.inputs]
    outputs = [output.name for output in message.outputs]
    return Inference(id=message.id, inputs=inputs, outputs=outputs, raw=lambda _: bool(raw))


def _raw(each: pb.ModelInferRequest.InferInputTensor, data: bytes) -> Tensor:
    if each.HasField("contents"):
        raise RequestError(
            f"tensor {cut(each.name)!r} has contents and raw_input_contents", "give one of them"
        )
    return from_raw(each.name, each.datatype, each.shape, data)


def _typed(each: pb.ModelInferRequest.InferInputTensor) -> Tensor:
    field = CONTENTS.get(each.datatype, "")
    if other := [given.name for given, _ in each.contents.ListFields() if given.name != field]:
        allowed = (
            f"{each.datatype} stands in {field}" if field else f"datatypes are {', '.join((BYTES, *NUMBERS))}"
        )
        raise RequestError(f"tensor {cut(each.name)!r} of {cut(each.datatype)!r} has {other[0]}", allowed)
    data = getattr(each.contents, field) if field else ()
    if each.datatype == BYTES:
        data = [text_of(each.name, place, value) for place, value in enumerate(data)]
    return from_values(each.name, each.datatype, each.shape, data)


def write(inference: Inference, answered: Answered, tensors: Sequence[Tensor]) -> pb.ModelInferResponse:
    """The message of an answer; raw where the request was."""
    message = pb.ModelInferResponse(
        model_name=answered.served.model, model_version=str(answered.served.version), id=inference.id
    )
    for tensor in tensors:
        told = message.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if inference.raw(tensor.name):
            message.raw_output_contents.append(to_raw(tensor))
        elif isinstance(tensor.values, np.ndarray):
            getattr(told.contents, CONTENTS[tensor.datatype]).extend(tensor.values.tolist())
        else:
            told.contents.bytes_contents.extend((text or "").encode() for text in tensor.values)
    return message
