"""Inference messages of HTTP: JSON, and the extension that appends tensor data as bytes."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import orjson
from pydantic import BaseModel, ValidationError

from servicio_ml.errors import RequestError, format_names
from servicio_ml.serving.models.json_keys import RepeatedKeyError, check_keys, count_members
from servicio_ml.serving.models.loaded_model import PredictionResult
from servicio_ml.serving.oip.infer import InferenceRequest, build_parameters
from servicio_ml.serving.oip.messages import InferInput, InferRequest
from servicio_ml.serving.oip.tensor import Tensor, from_raw, from_values, to_raw, truncate_text

HEADER_LENGTH = "Inference-Header-Content-Length"
"""Header with the length of the JSON in bytes, if binary data follows it."""
SIZE_PARAMETER = "binary_data_size"
Document = TypeVar("Document", bound=BaseModel)


def parse_document(model: type[Document], body: bytes) -> Document:
    """Parse a JSON document.

    Raises:
        RequestError: The body is not JSON, or does not match the model.
    """
    try:
        document = model.model_validate_json(body)
        check_keys(body, count_members(document))
    except RepeatedKeyError as error:
        raise RequestError(
            f"the key {truncate_text(error.key)!r} stands twice", "send each key once"
        ) from None
    except ValidationError as error:
        # pydantic quotes the input, which may be as large as the body
        problems = [
            f"{'.'.join(map(str, each['loc'])) or 'the JSON'}: {each['msg']}"
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise RequestError(
            truncate_text(problems[0]), f"invalid: {format_names(map(truncate_text, problems))}"
        ) from None
    return document


def split_body(body: bytes, length: str | None) -> tuple[bytes, bytes]:
    """Split a body into its JSON and the bytes after it.

    Args:
        body: Body of the request.
        length: Value of the header `HEADER_LENGTH`; None when absent, and the body is JSON only.

    Raises:
        RequestError: The header is not a length within the body.
    """
    if length is None:
        return body, b""
    # the length of the text is checked first: int() of a long text takes quadratic time
    if not length.isdecimal() or len(length) > len(str(len(body))) or int(length) > len(body):
        raise RequestError(
            f"{HEADER_LENGTH} is {truncate_text(length)!r}", f"it takes a number up to {len(body)}"
        )
    return body[: int(length)], body[int(length) :]


def read_request(document: InferRequest, binary: bytes) -> InferenceRequest:
    """Read the request of a document and the bytes after it.

    Raises:
        RequestError: A tensor does not fit its description.
    """
    inputs, offset = [], 0
    for each in document.inputs:
        size = each.parameters.binary_data_size
        if size is not None:
            # the protocol stores binary data in the order of the inputs
            inputs.append(_read_binary(each, binary[offset : offset + size], size))
            offset += size
        elif each.data is None:
            raise RequestError(
                f"tensor {truncate_text(each.name)!r} has no data",
                f"give data, or {SIZE_PARAMETER} and bytes",
            )
        else:
            inputs.append(from_values(each.name, each.datatype, each.shape, each.data))
    if offset != len(binary):
        raise RequestError(
            f"{len(binary)} bytes follow the JSON", f"the inputs' {SIZE_PARAMETER} add up to {offset}"
        )
    wanted = {output.name: output.parameters.binary_data for output in document.outputs}

    def wants_raw(name: str) -> bool:
        # the parameter of an output takes precedence over that of the request
        own = wanted.get(name)
        return document.parameters.binary_data_output if own is None else own

    return InferenceRequest(
        id=document.id,
        inputs=inputs,
        outputs=[output.name for output in document.outputs],
        wants_raw=wants_raw,
        on_error=document.parameters.on_error,
        interval=document.parameters.interval,
        outlier=document.parameters.outlier,
    )


def _read_binary(each: InferInput, raw: bytes, size: int) -> Tensor:
    if each.data is not None:
        raise RequestError(
            f"tensor {truncate_text(each.name)!r} has data and {SIZE_PARAMETER}", "give one of them"
        )
    if len(raw) != size:
        raise RequestError(
            f"tensor {truncate_text(each.name)!r} has {len(raw)} bytes after the JSON",
            f"its {SIZE_PARAMETER} is {size}",
        )
    return from_raw(each.name, each.datatype, each.shape, raw)


def write_response(
    inference: InferenceRequest, result: PredictionResult, tensors: Sequence[Tensor]
) -> tuple[bytes, int | None]:
    """Build the body of a response, and the length of its JSON if bytes follow it."""
    binary, outputs = list[bytes](), []
    for tensor in tensors:
        output: dict[str, Any] = {
            "name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape,
        }  # fmt: skip
        if inference.wants_raw(tensor.name):
            binary.append(to_raw(tensor))
            output["parameters"] = {SIZE_PARAMETER: len(binary[-1])}
        else:
            values = tensor.values
            output["data"] = values.tolist() if isinstance(values, np.ndarray) else values
        outputs.append(output)
    header = {"model_name": result.loaded_model.model, "model_version": str(result.loaded_model.version)}
    optional: dict[str, Any] = {"id": inference.id} if inference.id else {}
    if parameters := build_parameters(result):
        optional["parameters"] = parameters
    # orjson writes NaN as null, the JSON value for missing
    text = orjson.dumps({**header, **optional, "outputs": outputs})
    return b"".join([text, *binary]), len(text) if binary else None
