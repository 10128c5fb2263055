"""Originals come through the real kagglehub and ucimlrepo, here from a stand-in for the publishers."""

import csv
import gc
import io
import json
import os
import subprocess
import sys
import threading
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import kagglesdk.kaggle_env  # type: ignore[import-untyped]  # it publishes no types
import pytest

from servicio_ml.adapters.raw_data.publishers import fetch_original
from servicio_ml.domain.use_case import Origin, UseCase
from servicio_ml.errors import OutputError, SourceError, UseCaseError
from servicio_ml.use_cases.catalogue import load_catalogue

pytestmark = pytest.mark.slow

RAIN, HEART = load_catalogue()["rain_australia"], load_catalogue()["heart_disease"]
WEATHER = b"Date,Location,MinTemp\n2012-03-05,Sydney,17.7\n"
HEADER = "age,sex,cp,trestbps,chol,fbs,restecg,thalach,exang,oldpeak,slope,ca,thal,num"
PATIENTS = f"{HEADER}\n50,1,2,111,222,0,0,133,1,0.5,2,0.0,6.0,0\n60,0,3,122,211,1,2,144,0,1.5,1,,,1\n"
JSON = {"GetDataset", "dataset?id=45"}
FAULTS = {
    "forbidden": (403, b"{}", "application/json"),
    "gone": (404, b"{}", "application/json"),
    "garbage": (200, b"<html>sign in</html>", "text/html"),
}


class Publisher(ThreadingHTTPServer):
    """Both publishers' addresses on one port; `fault` is what goes wrong."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), PublisherHandler)
        self.fault = ""
        self.zipped = False
        self.requests: list[tuple[str, str]] = []
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def build_content(self, last: str) -> bytes:
        """What stands at an address, by the last content of its path."""
        return {
            "GetDataset": json.dumps({"currentVersionNumber": 3}).encode(),
            "weatherAUS.csv": WEATHER,
            "weatherAUS.csv.zip": _zip_file("weatherAUS.csv", WEATHER),
            "dataset?id=45": json.dumps({"status": 200, "data": self._build_metadata()}).encode(),
            "data.csv": PATIENTS.encode(),
        }[last]

    def _build_metadata(self) -> dict[str, object]:
        return {
            "uci_id": 45,
            "name": "Heart Disease",
            "data_url": f"{self.url}/data.csv",
            "additional_info": None,
            "intro_paper": None,
            "variables": [
                {"name": name, "role": "Target" if name == "num" else "Feature"} for name in HEADER.split(",")
            ],
        }


def _zip_file(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()


class PublisherHandler(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def _answer(self, body: str) -> None:
        self.server.requests.append((self.path, body))
        last = self.path.rpartition("/")[2]
        if self.server.fault == "silent":
            self.server.closing.wait()
        elif self.server.fault:
            self._send(*FAULTS[self.server.fault])
        elif last == "DownloadDataset":
            self.send_response(302)
            name = json.loads(body)["fileName"] + (".zip" if self.server.zipped else "")
            self.send_header("Location", f"{self.server.url}/files/{name}")
            self.end_headers()
        else:
            self._send(
                200, self.server.build_content(last), "application/json" if last in JSON else "text/csv"
            )

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A publisher that both clients are pointed at, with a cache and a home of their own."""
    server = Publisher()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    local = kagglesdk.kaggle_env.KaggleEnv.LOCAL
    monkeypatch.setitem(kagglesdk.kaggle_env._env_to_endpoint, local, server.url)
    monkeypatch.setattr("ucimlrepo.fetch.API_BASE_URL", f"{server.url}/api/dataset")
    for name, value in {
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "KAGGLEHUB_CACHE": str(tmp_path / "cache"),
        "KAGGLE_CONFIG_DIR": str(tmp_path),
        "HOME": str(tmp_path),
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    yield server
    server.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()
    _forget_clients()


def _forget_clients() -> None:
    """Both clients leave connections open after an error: close them here, not in another test."""
    for thread in threading.enumerate():
        if thread.name == "fetch":
            thread.join()
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "zipped"])
def test_kaggle_gives_the_file_as_it_is(
    publisher: Publisher,
    tmp_path: Path,
    zipped: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    publisher.zipped = zipped
    target = tmp_path / "data" / "weatherAUS.csv"
    fetch_original(RAIN, target, timeout_seconds=30)
    assert target.read_bytes() == WEATHER
    assert [file.name for file in target.parent.iterdir()] == ["weatherAUS.csv"]
    asked = json.loads(publisher.requests[1][1])
    assert f"{asked['ownerSlug']}/{asked['datasetSlug']}" == RAIN.origin.kaggle
    assert asked["datasetVersionNumber"] == 3


def test_kaggle_is_not_asked_twice_for_the_same_version(publisher: Publisher, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        fetch_original(RAIN, tmp_path / name, timeout_seconds=30)
    assert (tmp_path / "b.csv").read_bytes() == WEATHER
    assert [path for path, _ in publisher.requests].count("/files/weatherAUS.csv") == 1


def test_a_process_prints_its_document_and_nothing_else(publisher: Publisher, tmp_path: Path) -> None:
    command = (
        "import kagglesdk.kaggle_env as kaggle; from servicio_ml.cli import main;"
        f"kaggle._env_to_endpoint[kaggle.KaggleEnv.LOCAL] = {publisher.url!r}; main()"
    )
    words = ["data", "fetch", "rain_australia", "--json"]
    run = subprocess.run(
        [sys.executable, "-c", command, *words], capture_output=True, text=True, check=True,
        env=os.environ | {"SERVICIO_ML_STATE_DIR": str(tmp_path / "state")},
    )  # fmt: skip
    assert Path(json.loads(run.stdout)["path"]).read_bytes() == WEATHER


def test_uci_gives_a_header_and_blanks_for_missing(publisher: Publisher, tmp_path: Path) -> None:
    target = tmp_path / "processed.cleveland.data"
    fetch_original(HEART, target, timeout_seconds=30)
    assert publisher.requests[0][0].endswith("?id=45")
    header, first, second = csv.reader(target.read_text().splitlines())
    assert header == HEADER.split(",")
    assert (first[0], first[11], first[13]) == ("50", "0.0", "0")
    assert (second[11], second[12]) == ("", "")


@pytest.mark.parametrize("use_case", [RAIN, HEART], ids=["kaggle", "uci"])
@pytest.mark.parametrize(
    ("fault", "reason"), [("forbidden", "403"), ("gone", "404"), ("garbage", "Expecting value")]
)
def test_a_refusal_says_what_to_do(
    publisher: Publisher, tmp_path: Path, use_case: UseCase, fault: str, reason: str
) -> None:
    publisher.fault = fault
    target = tmp_path / "original"
    target.write_text("older")
    with pytest.raises(SourceError) as refused:
        fetch_original(use_case, target, timeout_seconds=30)
    for content in (
        reason,
        use_case.origin.kaggle or str(use_case.origin.uci),
        f"download {use_case.origin.file} from there by hand into the folder that SERVICIO_ML_DATA_DIR names",
        f"`servicio-ml data sample {use_case.name}`",
    ):
        assert content in str(refused.value)
    assert "\n" not in str(refused.value)
    assert target.read_text() == "older"


@pytest.mark.parametrize("use_case", [RAIN, HEART], ids=["kaggle", "uci"])
def test_without_a_network_it_ends_with_the_same_advice(
    publisher: Publisher, tmp_path: Path, use_case: UseCase
) -> None:
    publisher.shutdown()
    publisher.server_close()
    with pytest.raises(SourceError, match=r"Connection refused; check the network.*by hand.*data sample"):
        fetch_original(use_case, tmp_path / "original", timeout_seconds=30)
    assert not (tmp_path / "original").exists()


@pytest.mark.parametrize("use_case", [RAIN, HEART], ids=["kaggle", "uci"])
def test_a_publisher_that_does_not_answer_is_given_up(
    publisher: Publisher, tmp_path: Path, use_case: UseCase
) -> None:
    publisher.fault = "silent"
    with pytest.raises(SourceError, match=r"no answer within 0\.3 s; check the network or raise --timeout"):
        fetch_original(use_case, tmp_path / "original", timeout_seconds=0.3)


def test_a_client_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(SourceError, match=r"install servicio-ml\[fetch\]"):
        fetch_original(RAIN, tmp_path / "original", timeout_seconds=30)


def test_a_use_case_without_a_publisher_says_so(tmp_path: Path) -> None:
    own = replace(RAIN, origin=Origin(file="own.csv"))
    with pytest.raises(UseCaseError, match="neither a Kaggle handle nor a UCI id"):
        fetch_original(own, tmp_path / "own.csv", timeout_seconds=30)


def test_a_place_that_cannot_be_written_is_named(publisher: Publisher, tmp_path: Path) -> None:
    assert publisher.fault == ""
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file/weatherAUS.csv: "):
        fetch_original(RAIN, tmp_path / "file" / "weatherAUS.csv", timeout_seconds=30)
