"""JSON documents of the protocol."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from servicio_ml.serving.models.row_faults import OnError
from servicio_ml.serving.oip.tensor import ARRAY_DTYPES, BYTES

DATATYPES = (BYTES, *ARRAY_DTYPES)
TensorParameters = dict[str, bool | int | float | str]


class OipError(BaseModel):
    """Error of a request."""

    error: str


class ServerLive(BaseModel):
    """Liveness of the process."""

    live: bool


class ServerReady(BaseModel):
    """Readiness of the server."""

    ready: bool


class ModelReady(BaseModel):
    """Readiness of a model."""

    name: str
    ready: bool


class ServerMetadata(BaseModel):
    """Name, version and extensions of the server."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """Description of an input or an output."""

    name: str
    datatype: str = Field(examples=[*DATATYPES])
    shape: list[int] = Field(description="-1 means any number of rows.")


class ModelMetadata(BaseModel):
    """Inputs and outputs of a model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata] = Field(
        description="One for each field. One tensor `features` of FP32 or FP64 may replace them, "
        "[rows, fields]: categories as the index of their level, dates as days since 1970-01-01, "
        "NaN for missing values."
    )
    outputs: list[TensorMetadata]


# pydantic would accept "1" as a number, which a typed client of the protocol never sends
class StrictDocument(BaseModel):
    """Document of a client, validated strictly: `0` is no boolean and `"1"` no number."""

    model_config = ConfigDict(strict=True)


class InputParameters(StrictDocument):
    """Parameters of an input; unknown ones are ignored."""

    binary_data_size: int | None = Field(
        default=None, ge=0, description="Size of its data after the JSON, in bytes."
    )


class InferInput(StrictDocument):
    """Input tensor, with its data here or as bytes after the JSON."""

    name: str
    datatype: str = Field(examples=[*DATATYPES])
    shape: list[int]
    parameters: InputParameters = Field(default_factory=InputParameters)
    data: list[Any] | None = Field(
        default=None, description="Values in row-major order, flat or nested; null is missing."
    )


class OutputParameters(StrictDocument):
    """Parameters of an output; unknown ones are ignored."""

    binary_data: bool | None = Field(default=None, description="Send the data as bytes after the JSON.")


class InferOutput(StrictDocument):
    """Requested output."""

    name: str
    parameters: OutputParameters = Field(default_factory=OutputParameters)


class RequestParameters(StrictDocument):
    """Parameters of a request; unknown ones are ignored."""

    binary_data_output: bool = Field(
        default=False, description="Send the data of all outputs as bytes after the JSON."
    )
    on_error: OnError = Field(
        default=OnError.REFUSE,
        description="`refuse`: a value that its field does not take refuses the request. `partial`: the row "
        "is answered beside the others, with its problem in the output `error` and null in the others.",
    )
    interval: Any = Field(
        default=None,
        description="Level, 0.5 to 0.99, of the intervals (outputs `lower`, `upper`) or of the sets of "
        "labels (`label_set`, each a JSON list) that the answers shall have.",
        json_schema_extra={"type": "number"},
    )
    outlier: Any = Field(
        default=None,
        description="Whether the answers shall have the output `outlier_score`, 0 to 1.",
        json_schema_extra={"type": "boolean"},
    )


class InferRequest(StrictDocument):
    """Inference request."""

    id: str = Field(default="", description="Identifier that the response repeats.")
    parameters: RequestParameters = Field(default_factory=RequestParameters)
    inputs: list[InferInput] = Field(min_length=1)
    outputs: list[InferOutput] = Field(default_factory=list, description="Requested outputs; all when empty.")


class OutputTensor(BaseModel):
    """Output tensor, with its data here or as bytes after the JSON."""

    name: str
    datatype: str
    shape: list[int]
    parameters: TensorParameters | None = None
    data: list[Any] | None = Field(default=None, description="Values in row-major order.")


class InferResponse(BaseModel):
    """Inference response."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: TensorParameters | None = Field(
        default=None,
        description="`refused`: number of refused rows, if the request has `on_error: partial`. `interval`: "
        "the level, if the request has one. `outlier_limit`: the score above which a row is an outlier, if "
        "the request asks for scores.",
    )
    outputs: list[OutputTensor]


class IndexRequest(StrictDocument):
    """Filter of the index."""

    ready: bool = Field(default=False, description="List only loaded versions.")


class IndexEntry(BaseModel):
    """Registered version of a model."""

    name: str
    version: str
    state: str = Field(examples=["READY", "UNAVAILABLE"])
    reason: str
