"""schemathesis over the OpenAPI document of a running server: it keeps to what it says."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from platforms import MODELS, Platform, Shelf, serving

pytestmark = pytest.mark.slow
SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))
SECONDS = 120
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
# without a broker nothing can be put on a stream, and that is documented
CONFIGURATION = """
[[operations]]
include-path-regex = "/enqueue$"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "503"]
"""
NAMES = {"model": [*MODELS], "version": ["1", "champion"]}
"""What the parts of a path are called here; others are tried besides."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Platform]:
    shelf = Shelf(tmp_path_factory.mktemp("fuzz"))
    for model, fixture in MODELS.items():
        shelf.add(model, request.getfixturevalue(fixture))
    with serving(shelf.state, default_model="small") as made:
        yield made


def _operations(document: Any) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]


def _named(document: Any) -> Any:
    for operation in _operations(document):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path" and parameter["name"] in NAMES:
                parameter["schema"] = {"type": "string", "enum": NAMES[parameter["name"]]}
    return document


def test_every_answer_is_as_described(platform: Platform, tmp_path: Path) -> None:
    document = _named(platform("GET", "/openapi.json").document)
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
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Tested: {len(_operations(document))}\n" in done.stdout
    assert "failed" not in platform.errors.read_text()
