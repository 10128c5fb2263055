"""The generated gRPC modules are those of the .proto file, and their numbers those of the stock client."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import servicio_ml
from servicio_ml.serving.oip import inference_pb2

PACKAGE = Path(servicio_ml.__file__).parent
PROTO = "servicio_ml/serving/oip/inference.proto"
COMPARED = """
import json, sys
from tritonclient.grpc import service_pb2
def numbers(message, found):
    found[message.full_name] = {
        field.name: [field.number, field.type, field.is_repeated] for field in message.fields
    }
    for nested in message.nested_types:
        numbers(nested, found)
found = {}
for message in service_pb2.DESCRIPTOR.message_types_by_name.values():
    numbers(message, found)
json.dump(found, sys.stdout)
"""


def test_regenerating_changes_nothing(tmp_path: Path) -> None:
    """The modules are made, in the folder above the package, by the command that is run here."""
    out = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PACKAGE.parent}", *out, PROTO]
    subprocess.run(command, check=True, cwd=PACKAGE.parent)
    service_fixture = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    assert [path.name for path in service_fixture] == [
        "inference_pb2.py",
        "inference_pb2.pyi",
        "inference_pb2_grpc.py",
    ]
    for path in service_fixture:
        assert (tmp_path / path).read_text() == (PACKAGE.parent / path).read_text(), f"{path} is old"


@pytest.mark.parametrize(
    "message", inference_pb2.DESCRIPTOR.message_types_by_name.values(), ids=lambda m: m.name
)
def test_every_field_is_the_stock_clients(
    message: object, stock_fields: dict[str, dict[str, list[object]]]
) -> None:
    _assert_same(message, stock_fields)


def _assert_same(message: object, stock: dict[str, dict[str, list[object]]]) -> None:
    for field in message.fields:  # type: ignore[attr-defined]  # descriptors of the C++ runtime
        theirs = stock[field.containing_type.full_name][field.name]
        assert [field.number, field.type, field.is_repeated] == theirs, field.full_name
    for nested in message.nested_types:  # type: ignore[attr-defined]  # the same
        _assert_same(nested, stock)


@pytest.fixture(scope="module")
def stock_fields() -> dict[str, dict[str, list[object]]]:
    """Number, type and repetition of each field by its message, as the stock client has them.

    From a process of its own: both register the same names.
    """
    out = subprocess.run([sys.executable, "-c", COMPARED], check=True, capture_output=True).stdout
    fields: dict[str, dict[str, list[object]]] = json.loads(out)
    return fields
