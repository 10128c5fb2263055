"""Inference over HTTP: JSON, and the extension that puts the data of tensors behind it as bytes."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import orjson
from pydantic import BaseModel, ValidationError

from servicio_ml.errors import RequestError, listed
from servicio_ml.serving.oip.infer import Inference
from servicio_ml.serving.oip.messages import InferInput, InferRequest
from servicio_ml.serving.oip.tensor import Tensor, cut, from_raw, from_values, to_raw
from servicio_ml.serving.served import Answered

HEADER_LENGTH = "Inference-Header-Content-Length"
"""The bytes of the JSON where others follow it."""
SIZE = "binary_data_size"
Document = TypeVar("Document", bound=BaseModel)


def parsed(model: type[Document], body: bytes) -> Document:
    """A JSON document.

    Raises:
        RequestError: It is none, or not as described.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, each['loc'])) or 'the JSON'}: {each['msg']}"
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise RequestError(cut(problems[0]), f"wrong are: {listed(map(cut, problems))}") from None


def split(body: bytes, length: str | None) -> tuple[bytes, bytes]:
    """The JSON of a body and the bytes behind it.

    Args:
        body: Of the request.
        length: The header `HEADER_LENGTH`; None where it is absent: all is JSON.

    Raises:
        RequestError: The header is no length within the body.
    """
    if length is None:
        return body, b""
    if not length.isdecimal() or len(length) > len(str(len(body))) or int(length) > len(body):
        raise RequestError(f"{HEADER_LENGTH} is {cut(length)!r}", f"it takes a number up to {len(body)}")
    return body[: int(length)], body[int(length) :]


def read(document: InferRequest, binary: bytes) -> Inference:
    """The request of a document and the bytes behind it.

    Raises:
        RequestError: Its tensors do not fit their description.
    """
    inputs, place = [], 0
    for each in document.inputs:
        size = each.parameters.binary_data_size
        if size is not None:
            inputs.append(_behind(each, binary[place : place + size], size))
            place += size
        elif each.data is None:
            raise RequestError(f"tensor {cut(each.name)!r} has no data", f"give data, or {SIZE} and bytes")
        else:
            inputs.append(from_values(each.name, each.datatype, each.shape, each.data))
    if place != len(binary):
        raise RequestError(
            f"{len(binary)} bytes stand behind the JSON", f"the inputs' {SIZE} add up to {place}"
        )
    wanted = {output.name: output.parameters.binary_data for output in document.outputs}

    def raw(name: str) -> bool:
        own = wanted.get(name)
        return document.parameters.binary_data_output if own is None else own

    return Inference(
        id=document.id, inputs=inputs, outputs=[output.name for output in document.outputs], raw=raw
    )


def _behind(each: InferInput, raw: bytes, size: int) -> Tensor:
    if each.data is not None:
        raise RequestError(f"tensor {cut(each.name)!r} has data and {SIZE}", "give one of them")
    if len(raw) != size:
        raise RequestError(
            f"tensor {cut(each.name)!r} has {len(raw)} bytes behind the JSON", f"its {SIZE} is {size}"
        )
    return from_raw(each.name, each.datatype, each.shape, raw)


def write(inference: Inference, answered: Answered, tensors: Sequence[Tensor]) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of its JSON where bytes stand behind that."""
    behind: list[bytes] = []
    outputs = []
    for tensor in tensors:
        told: dict[str, Any] = {
            "name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape,
        }  # fmt: skip
        if inference.raw(tensor.name):
            behind.append(to_raw(tensor))
            told["parameters"] = {SIZE: len(behind[-1])}
        else:
            told["data"] = tensor.values.tolist() if isinstance(tensor.values, np.ndarray) else tensor.values
        outputs.append(told)
    head = {"model_name": answered.served.model, "model_version": str(answered.served.version)}
    named = {"id": inference.id} if inference.id else {}
    text = orjson.dumps({**head, **named, "outputs": outputs})
    return b"".join([text, *behind]), len(text) if behind else None
