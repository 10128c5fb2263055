"""The JSON documents of the protocol, as they are read and described."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from servicio_ml.serving.oip.tensor import BYTES, NUMBERS

DATATYPES = (BYTES, *NUMBERS)
Parameters = dict[str, bool | int | float | str]


class OipError(BaseModel):
    """Why a request is refused."""

    error: str


class Live(BaseModel):
    """The process is up."""

    live: bool


class Ready(BaseModel):
    """The server answers."""

    ready: bool


class ModelIsReady(BaseModel):
    """The model answers."""

    name: str
    ready: bool


class ServerMetadata(BaseModel):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """An input or an output."""

    name: str
    datatype: str = Field(examples=[*DATATYPES])
    shape: list[int] = Field(description="-1 stands for any number of rows.")


class ModelMetadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata] = Field(
        description="One for each field. In their place one tensor `features` of FP32 or FP64 may be given, "
        "[rows, fields]: categories as the index of their level, dates as days since 1970-01-01, "
        "NaN for what is missing."
    )
    outputs: list[TensorMetadata]


class Received(BaseModel):
    """What a client sends: `0` is no boolean and `"1"` no number."""

    model_config = ConfigDict(strict=True)


class InputParameters(Received):
    """Of an input; others are ignored."""

    binary_data_size: int | None = Field(default=None, ge=0, description="Its bytes behind the JSON.")


class InferInput(Received):
    """An input tensor, with its data here or as bytes behind the JSON."""

    name: str
    datatype: str = Field(examples=[*DATATYPES])
    shape: list[int]
    parameters: InputParameters = Field(default_factory=InputParameters)
    data: list[Any] | None = Field(default=None, description="Row by row, flat or nested; null is missing.")


class OutputParameters(Received):
    """Of an output; others are ignored."""

    binary_data: bool | None = Field(default=None, description="Give it as bytes behind the JSON.")


class InferOutput(Received):
    """An output that is wanted."""

    name: str
    parameters: OutputParameters = Field(default_factory=OutputParameters)


class RequestParameters(Received):
    """Of a request; others are ignored."""

    binary_data_output: bool = Field(default=False, description="Give outputs as bytes behind the JSON.")


class InferRequest(Received):
    """What shall be answered."""

    id: str = Field(default="", description="Comes back in the answer.")
    parameters: RequestParameters = Field(default_factory=RequestParameters)
    inputs: list[InferInput] = Field(min_length=1)
    outputs: list[InferOutput] = Field(default_factory=list, description="Those wanted; all when empty.")


class OutputTensor(BaseModel):
    """An output, with its data here or as bytes behind the JSON."""

    name: str
    datatype: str
    shape: list[int]
    parameters: Parameters | None = None
    data: list[Any] | None = Field(default=None, description="Row by row.")


class InferResponse(BaseModel):
    """The answer."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class IndexRequest(Received):
    """What the index shall list."""

    ready: bool = Field(default=False, description="Only what is loaded.")


class IndexEntry(BaseModel):
    """A registered version."""

    name: str
    version: str
    state: str = Field(examples=["READY", "UNAVAILABLE"])
    reason: str
