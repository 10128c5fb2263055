"""The examples of docs/api.md run against a real server."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from documents import ROOT, TRAIN_RAIN, extract_blocks, run_script
from model_server import ModelServer, run_model_server

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "api.md"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    folder = tmp_path_factory.mktemp("api")
    done = run_script(TRAIN_RAIN, folder)
    assert done.returncode == 0, done.stderr
    (folder / "hook-token").write_text("a-token")
    with run_model_server(folder / "var", hook_token_file=folder / "hook-token") as made:
        yield made


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl; install the Debian package curl")
def test_the_examples_answer(platform: ModelServer, tmp_path: Path) -> None:
    script = "".join(f"{block}\necho\n" for block in extract_blocks(PAGE, "sh"))
    token = platform.state.parent / "hook-token"
    done = run_script(script, tmp_path, API=platform.url, TOKEN_FILE=str(token))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert '"status":"accepted"' in done.stdout
    # what answers `/model/info`
    assert '"candidate":"decision_tree","family":"decision_tree","framework":"scikit-learn ' in done.stdout
    assert '"decision":"quarantined"' in done.stdout
    assert '"decision":"lifted"' in done.stdout
    # the row that is refused beside another one, and nothing else
    assert '"refused":1,"errors":[{"row":1,"field":"min_temp"' in done.stdout
    assert done.stdout.count('"errors"') == 1


def run_program(program: str, **settings: str) -> str:
    """Run a Python example as a user who has installed its libraries; give what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **settings}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tables_are_answered(platform: ModelServer) -> None:
    [program, _] = extract_blocks(PAGE, "python")
    shown = run_program(program, API=platform.url)
    assert re.match(r"1000 b'\d+' 0\.", shown), shown


def test_a_grpc_client_is_answered(platform: ModelServer) -> None:
    [_, program] = extract_blocks(PAGE, "python")
    shown = run_program(program, GRPC=platform.grpc)
    assert re.match(r"\d+ \[b'(Yes|No)'\] \[0\.\d+\]", shown), shown


def test_the_message_of_grpcurl_is_answered(platform: ModelServer) -> None:
    """grpcurl makes the message from its JSON by what reflection describes, as is done here."""
    [command] = [each for each in extract_blocks(PAGE, "console") if each.startswith("grpcurl")]
    _, document, address = command.split("'")
    service, _, method = address.split()[-1].partition("/")
    with grpc.insecure_channel(platform.grpc) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        described = pool.FindServiceByName(service).methods_by_name[method]
        request, answer = (GetMessageClass(each) for each in (described.input_type, described.output_type))
        ask = channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=request.SerializeToString, response_deserializer=answer.FromString,
        )  # fmt: skip
        given = ask(ParseDict(json.loads(document), request()))
    assert given.model_name == "rain_australia"
    assert {each.name for each in given.outputs} >= {"prediction", "probability", "prediction_id"}
