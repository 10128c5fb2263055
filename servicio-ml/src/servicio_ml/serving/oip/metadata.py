"""Metadata of the server and of models, for both forms of the protocol."""

from collections.abc import Sequence
from importlib.metadata import version as read_version

from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.oip.messages import ModelMetadata, ServerMetadata, TensorMetadata
from servicio_ml.serving.oip.tensors import Signature, describe_inputs, describe_outputs
from servicio_ml.serving.prediction.service import Service

SERVER_NAME = "servicio-ml"
# the protocol's platforms are `<framework>_<format>`
PLATFORM = "onnxruntime_onnx"
EXTENSIONS = ("binary_tensor_data", "model_repository")


def build_server_metadata() -> ServerMetadata:
    """Describe the server."""
    return ServerMetadata(name=SERVER_NAME, version=read_version(SERVER_NAME), extensions=list(EXTENSIONS))


def build_model_metadata(service: Service, loaded_model: LoadedModel) -> ModelMetadata:
    """Describe inputs and outputs of a model."""
    # all registered versions, not only loaded ones: each can be addressed
    versions = service.models.get_status(loaded_model.model).versions
    return ModelMetadata(
        name=loaded_model.model,
        versions=[str(info.version) for info in versions],
        platform=PLATFORM,
        inputs=_describe_tensors(describe_inputs(loaded_model)),
        outputs=_describe_tensors(describe_outputs(loaded_model)),
    )


def _describe_tensors(signatures: Sequence[Signature]) -> list[TensorMetadata]:
    return [TensorMetadata(name=name, datatype=kind, shape=shape) for name, kind, shape in signatures]
