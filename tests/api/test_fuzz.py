"""schemathesis over the OpenAPI document of a running server: it keeps to what it says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model_server import MODELS, ModelServer, ModelShelf, run_model_server

pytestmark = pytest.mark.slow
SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
SECONDS, REQUEST_SECONDS = 500, 60
"""Time limits of the whole, and of one request: a draft of a use case is a process of its own."""
EXAMPLES = 20
"""Made-up requests of one operation, beside those of its examples and of its limits."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)
# not positive_data_acceptance: that a query has either alias or version, the document can only say in words
# with on_error=partial a row that is refused is answered beside the others, with status 200
# without a broker nothing can be put on a stream, and that is documented
CONFIGURATION = """
[[operations]]
include-path-regex = "/enqueue$"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "503"]

[[operations]]
include-path-regex = "/predict/batch$"
checks.negative_data_rejection.expected-statuses = ["200", "4xx", "5xx"]
"""
PATH_VALUES = {"model": [*MODELS], "version": ["1", "champion"]}
"""Existing values of the path parameters; the fuzzer tries others, too."""


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[ModelServer]:
    shelf = ModelShelf(tmp_path_factory.mktemp("fuzz"))
    for model, fixture in MODELS.items():
        shelf.add(model, request.getfixturevalue(fixture))
    with run_model_server(shelf.state, default_model="small") as made:
        yield made


def _list_operations(document: Any) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def _restrict_path_values(document: Any) -> Any:
    for operation in _list_operations(document):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path" and parameter["name"] in PATH_VALUES:
                parameter["schema"] = {"type": "string", "enum": PATH_VALUES[parameter["name"]]}
    return document


def test_every_answer_is_as_described(platform: ModelServer, tmp_path: Path) -> None:
    document = _restrict_path_values(platform("GET", "/openapi.json").document)
    described, configuration = tmp_path / "openapi.json", tmp_path / "schemathesis.toml"
    described.write_text(json.dumps(document))
    configuration.write_text(CONFIGURATION)
    command = [
        SCHEMATHESIS,
        "--config-file",
        str(configuration),
        "run",
        str(described),
        "--url",
        platform.url,
    ]
    command += ["--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS), "--warnings", "off"]
    command += ["--generation-deterministic", "--max-examples", str(EXAMPLES), "--no-color"]
    command += ["--request-timeout", str(REQUEST_SECONDS)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Tested: {len(_list_operations(document))}\n" in done.stdout
    assert "failed" not in platform.errors.read_text()
