"""A champion by an administrator's word, at a real server over SQLite and over an MLflow server."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from asgi import AsgiResponse
from model_server import COMMAND, ModelServer, ModelShelf, run_model_server, wait_until
from servers import find_free_port, start_mlflow_server
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.features.artifact import GOLDEN
from servicio_ml.lifecycle.model_history import SIGNATURE
from small_use_case import build_use_case
from training_fixture import TrainingFixture

pytestmark = pytest.mark.slow
CHAMPION_PATH, HISTORY = "/models/small/champion", "/models/small/history"
REASON = "the stations of the north ask for it"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """A key of each scope, and their file."""
    file = tmp_path_factory.mktemp("keys") / "keys"
    made = {
        words[0]: subprocess.run(
            [COMMAND, "key", *words, "--file", str(file)], check=True, capture_output=True, text=True
        ).stdout.strip()
        for words in (["user"], ["boss", "--admin"], ["other", "--admin"])
    }
    return {**made, "file": str(file)}


class ChampionApi:
    """A server with keys over a shelf of versions."""

    def __init__(self, platform: ModelServer, shelf: ModelShelf, keys: Mapping[str, str]) -> None:
        self.platform, self.shelf, self._keys = platform, shelf, keys

    def get(self, path: str, by: str = "user") -> AsgiResponse:
        return self.platform("GET", path, headers=self._build_headers(by))

    def set_champion(self, version: object, by: str = "boss", **more: object) -> AsgiResponse:
        body = {"version": version, "reason": REASON, **more}
        return self.platform("PUT", CHAMPION_PATH, body, self._build_headers(by))

    def _build_headers(self, by: str) -> dict[str, str]:
        return {"X-API-Key": self._keys[by]} if by else {}

    @property
    def champion(self) -> int:
        found = self.shelf.registry.resolve("small", CHAMPION)
        assert found is not None
        return found.version

    def reset_champion(self, version: int) -> None:
        """Have a version be champion in MLflow itself, and wait until a worker has recorded it."""
        self.shelf.registry.set_alias("small", CHAMPION, version)
        done = self.platform("POST", "/models/small/reload", {}, self._build_headers("boss"))
        assert done.document["champion"] == version
        wait_until("it is recorded", lambda: self._list_moves()[:1] == [version])

    def _list_moves(self) -> list[int]:
        return [each["version"] for each in self.get(HISTORY).document["decisions"]]


@pytest.fixture(scope="module")
def champion_api(
    tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path, keys: Mapping[str, str]
) -> Iterator[ChampionApi]:
    shelf = ModelShelf(tmp_path_factory.mktemp("state"))
    for _ in range(3):
        shelf.add("small", artifact_folder)
    with run_model_server(shelf.state, keys_file=keys["file"]) as platform:
        yield ChampionApi(platform, shelf, keys)


def test_a_champion_is_made_at_every_process_and_stands_in_the_history(champion_api: ChampionApi) -> None:
    champion_api.reset_champion(3)
    made = champion_api.set_champion(1, instead_of=3)
    assert (made.status, made.document["champion"], made.document["problem"]) == (200, 1, "")
    found = champion_api.get(HISTORY).document
    newest, outside, *_ = found["decisions"]
    assert (outside["decision"], outside["version"], outside["by"]) == ("set outside", 3, "unknown")
    assert (newest["version"], newest["against"], newest["by"], newest["reason"], newest["evidence"]) == (
        1, 3, "boss", REASON, None,
    )  # fmt: skip
    assert (found["champions"][0]["version"], found["champions"][0]["until"]) == (1, None)

    def list_answering() -> set[int]:
        return {champion_api.get("/models/small").document["champion"] for _ in range(20)}

    wait_until("every worker has it", lambda: list_answering() == {1})


def test_a_champion_that_was_set_in_mlflow_gets_into_the_history(champion_api: ChampionApi) -> None:
    champion_api.reset_champion(2)
    assert champion_api.set_champion(1).status == 200
    champion_api.reset_champion(2)
    decisions = champion_api.get(HISTORY).document["decisions"]
    assert [(each["decision"], each["version"], each["against"]) for each in decisions[:2]] == [
        ("set outside", 2, 1),
        ("rolled back", 1, 2),
    ]


def test_of_two_administrators_at_once_the_second_gets_a_conflict(champion_api: ChampionApi) -> None:
    champion_api.reset_champion(1)
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(champion_api.set_champion, version, by, instead_of=1)
            for version, by in ((2, "boss"), (3, "other"))
        ]
        answers = [each.result() for each in calls]
    assert sorted(answer.status for answer in answers) == [200, 409]
    [won] = [version for version, answer in zip((2, 3), answers, strict=True) if answer.status == 200]
    [refused] = [answer.document for answer in answers if answer.status == 409]
    assert champion_api.champion == won
    assert f"version {won} is champion, not version 1" in refused["detail"]


@pytest.mark.parametrize(
    ("by", "body", "status", "said"),
    [
        ("", {}, 401, "key"),
        ("user", {}, 403, "admin"),
        ("boss", {"version": 9}, 404, "version or alias '9'"),
        ("boss", {"version": 3}, 409, "version 3 is the champion already"),
        ("boss", {"instead_of": 2}, 409, "version 3 is champion, not version 2"),
        ("boss", {"reason": "  \n "}, 422, "reason"),
        ("boss", {"reason": "x" * 501}, 422, "reason"),
        ("boss", {"reason": "a\0b"}, 422, "reason"),
        ("boss", {"version": "1"}, 422, "version"),
        ("boss", {"version": 0}, 422, "version"),
        ("boss", {"by": "somebody else"}, 422, "by"),
    ],
)
def test_what_is_refused_moves_nothing(
    champion_api: ChampionApi, by: str, body: dict[str, Any], status: int, said: str
) -> None:
    champion_api.reset_champion(3)
    before = champion_api.get(HISTORY).document
    if "by" in body:
        # a client may not choose the name under which its decision is recorded
        sent = {"version": 1, "reason": REASON, **body}
        answer = champion_api.platform("PUT", CHAMPION_PATH, sent, champion_api._build_headers(by))
    else:
        answer = champion_api.set_champion(**{"version": 1, "by": by, **body})
    assert answer.status == status
    assert said in answer.document["detail"]
    assert champion_api.champion == 3
    assert champion_api.get(HISTORY).document == before


def test_an_unknown_model_is_named(champion_api: ChampionApi) -> None:
    for path in (
        "history",
        "candidates",
        "versions/1/pictures",
        "versions/1/pictures/roc",
        "versions/1/card",
    ):
        answer = champion_api.get(f"/models/large/{path}")
        assert answer.status == 404
        assert "served are small" in answer.document["detail"]
    assert champion_api.get("/models/small/candidates").status == 404


def test_a_version_that_misses_its_golden_rows_never_becomes_champion(
    champion_api: ChampionApi, artifact_folder: Path, tmp_path: Path
) -> None:
    champion_api.reset_champion(3)
    for path in artifact_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / GOLDEN).read_text()
    (tmp_path / GOLDEN).write_text(text.replace('"probabilities": [', '"probabilities": [9', 1))
    broken = champion_api.shelf.add("small", tmp_path, "knn")
    answer = champion_api.set_champion(broken)
    assert answer.status == 503
    assert "golden" in answer.document["detail"]
    assert champion_api.champion == 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelServer, TrainingFixture]]:
    """A server over what a real training has left in SQLite."""
    folder = tmp_path_factory.mktemp("trained")
    place, shelf = TrainingFixture(folder), ModelShelf(folder)
    place.use_tracking(shelf.tracker, shelf.registry)
    tree = Candidate(name="decision_tree", family="decision_tree", max_latency_seconds=1.0)
    place.train(build_use_case(Task.BINARY, tree), place.publish(Task.BINARY))
    with run_model_server(folder, ready=False) as platform:
        yield platform, place


def test_candidates_pictures_and_cards_of_a_training(trained: tuple[ModelServer, TrainingFixture]) -> None:
    platform, _ = trained
    wait_until("the model is known", lambda: platform("GET", "/models/small").status == 200)
    found = platform("GET", "/models/small/candidates").document
    [row] = found["candidates"]
    assert (row["candidate"], row["version"], row["eligible"]) == ("decision_tree", 1, True)
    assert row["metrics"]["roc_auc"] > 0.5
    names = platform("GET", "/models/small/versions/1/pictures").document["pictures"]
    assert {"roc", "confusion_matrix", "feature_importance"} <= {*names}
    for name in names:
        picture = platform("GET", f"/models/small/versions/1/pictures/{name}")
        assert (picture.status, picture.headers["content-type"]) == (200, "image/png")
        assert picture.headers["x-content-type-options"] == "nosniff"
        assert picture.body.startswith(SIGNATURE)
    card = platform("GET", "/models/small/versions/1/card")
    assert card.headers["content-type"].startswith("text/markdown")
    assert card.body.startswith(b"# ")
    # without a champion, and without keys
    made = platform("PUT", CHAMPION_PATH, {"version": 1, "reason": REASON})
    assert (made.status, made.document["champion"]) == (200, 1)
    assert "no API keys" in platform("GET", HISTORY).document["decisions"][0]["by"]


@pytest.mark.parametrize(
    "name", ["../../plan.json", "..%2f..%2fplan.json", "%2e%2e", "roc.png", "%00", "..%5c..%5cplan.json"]
)
def test_nothing_but_pictures_is_read(trained: tuple[ModelServer, TrainingFixture], name: str) -> None:
    platform, _ = trained
    wait_until("the model is known", lambda: platform("GET", "/models/small").status == 200)
    assert platform("GET", f"/models/small/versions/1/pictures/{name}").status in {400, 404, 405}


def test_without_mlflow_the_error_is_reported_and_models_answer(
    artifact_folder: Path, tmp_path: Path
) -> None:
    shelf, port = ModelShelf(tmp_path / "state"), find_free_port()
    for _ in range(2):
        shelf.add("small", artifact_folder)
    url, database = f"http://127.0.0.1:{port}", f"sqlite:///{shelf.state}/mlflow.db"
    with start_mlflow_server(shelf.state, port=port, database=database):
        serving_it = run_model_server(shelf.state, workers=1, mlflow_url=url)
        platform = serving_it.__enter__()
    try:
        body = {"version": 1, "reason": REASON}
        for answer in (platform("PUT", CHAMPION_PATH, body), platform("GET", HISTORY)):
            assert answer.status == 503
            assert "MLflow at http" in answer.document["detail"]
        record = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
        assert platform("POST", "/models/small/predict", record).document["version"] == 2
        with start_mlflow_server(shelf.state, port=port, database=database):
            assert platform("PUT", CHAMPION_PATH, body).document["champion"] == 1
    finally:
        serving_it.__exit__(None, None, None)
    assert shelf.registry.resolve("small", CHAMPION) == shelf.registry.get_version("small", 1)


def test_a_server_killed_while_champions_change_leaves_what_the_next_goes_on_with(
    artifact_folder: Path, tmp_path: Path
) -> None:
    shelf = ModelShelf(tmp_path / "state")
    for _ in range(2):
        shelf.add("small", artifact_folder)
    with run_model_server(shelf.state, workers=1) as platform, ThreadPoolExecutor(1) as pool:

        def change() -> None:
            turn = 1
            while True:
                platform("PUT", CHAMPION_PATH, {"version": turn, "reason": REASON})
                turn = 3 - turn

        changing = pool.submit(change)
        wait_until("champions change", lambda: len(platform("GET", HISTORY).document["decisions"]) >= 3)
        os.killpg(platform.process.pid, signal.SIGKILL)
        platform.process.wait()
        with pytest.raises(OSError, match=r"."):
            changing.result()
    with run_model_server(shelf.state, workers=1) as platform:
        found = shelf.registry.resolve("small", CHAMPION)
        assert found is not None
        other = 3 - found.version
        made = platform("PUT", CHAMPION_PATH, {"version": other, "reason": "after the kill"})
        assert made.document["champion"] == other
        champions = platform("GET", HISTORY).document["champions"]
        assert [each["version"] for each in champions[:2]] == [other, found.version]
        assert (champions[0]["until"], champions[1]["until"]) == (None, champions[0]["since"])
