"""A champion by an administrator's word, at a real server over SQLite and over an MLflow server."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from asgi import Answer
from platforms import COMMAND, Platform, Shelf, serving, until
from problems import small
from servers import free_port, mlflow_server
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.records import SIGNATURE
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.features.artifact import GOLDEN
from worlds import Place

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


class Throne:
    """A server with keys over a shelf of versions."""

    def __init__(self, platform: Platform, shelf: Shelf, keys: Mapping[str, str]) -> None:
        self.platform, self.shelf, self._keys = platform, shelf, keys

    def get(self, path: str, by: str = "user") -> Answer:
        return self.platform("GET", path, headers=self._sent(by))

    def crown(self, version: object, by: str = "boss", **more: object) -> Answer:
        body = {"version": version, "reason": REASON, **more}
        return self.platform("PUT", CHAMPION_PATH, body, self._sent(by))

    def _sent(self, by: str) -> dict[str, str]:
        return {"X-API-Key": self._keys[by]} if by else {}

    @property
    def champion(self) -> int:
        found = self.shelf.registry.resolve("small", CHAMPION)
        assert found is not None
        return found.version

    def put_back(self, version: int) -> None:
        """Have a version be champion, without a word in the history."""
        self.shelf.registry.point("small", CHAMPION, version)
        done = self.platform("POST", "/models/small/reload", {}, self._sent("boss"))
        assert done.document["champion"] == version


@pytest.fixture(scope="module")
def throne(
    tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path, keys: Mapping[str, str]
) -> Iterator[Throne]:
    shelf = Shelf(tmp_path_factory.mktemp("state"))
    for _ in range(3):
        shelf.add("small", artifact_folder)
    with serving(shelf.state, keys_file=keys["file"]) as platform:
        yield Throne(platform, shelf, keys)


def test_a_champion_is_made_at_every_process_and_stands_in_the_history(throne: Throne) -> None:
    throne.put_back(3)
    before = len(throne.get(HISTORY).document["decisions"])
    made = throne.crown(1, instead_of=3)
    assert (made.status, made.document["champion"], made.document["problem"]) == (200, 1, "")
    found = throne.get(HISTORY).document
    newest = found["decisions"][0]
    assert len(found["decisions"]) == before + 1
    assert (newest["version"], newest["against"], newest["by"], newest["reason"], newest["evidence"]) == (
        1, 3, "boss", REASON, None,
    )  # fmt: skip
    assert (found["champions"][0]["version"], found["champions"][0]["until"]) == (1, None)

    def answering() -> set[int]:
        return {throne.get("/models/small").document["champion"] for _ in range(20)}

    until("every worker has it", lambda: answering() == {1})


def test_of_two_administrators_at_once_the_second_is_told(throne: Throne) -> None:
    throne.put_back(1)
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(throne.crown, version, by, instead_of=1)
            for version, by in ((2, "boss"), (3, "other"))
        ]
        answers = [each.result() for each in calls]
    assert sorted(answer.status for answer in answers) == [200, 409]
    [won] = [version for version, answer in zip((2, 3), answers, strict=True) if answer.status == 200]
    [refused] = [answer.document for answer in answers if answer.status == 409]
    assert throne.champion == won
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
    throne: Throne, by: str, body: dict[str, Any], status: int, said: str
) -> None:
    throne.put_back(3)
    before = throne.get(HISTORY).document
    answer = throne.crown(**{"version": 1, "by": by, **body}) if "by" not in body else throne.platform(
        "PUT", CHAMPION_PATH, {"version": 1, "reason": REASON, **body}, throne._sent(by)
    )  # fmt: skip
    assert answer.status == status
    assert said in answer.document["detail"]
    assert throne.champion == 3
    assert throne.get(HISTORY).document == before


def test_an_unknown_model_is_named(throne: Throne) -> None:
    for path in (
        "history",
        "candidates",
        "versions/1/pictures",
        "versions/1/pictures/roc",
        "versions/1/card",
    ):
        answer = throne.get(f"/models/large/{path}")
        assert answer.status == 404
        assert "served are small" in answer.document["detail"]
    assert throne.get("/models/small/candidates").status == 404


def test_a_version_that_misses_its_golden_rows_never_becomes_champion(
    throne: Throne, artifact_folder: Path, tmp_path: Path
) -> None:
    throne.put_back(3)
    for path in artifact_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / GOLDEN).read_text()
    (tmp_path / GOLDEN).write_text(text.replace('"probabilities": [', '"probabilities": [9', 1))
    broken = throne.shelf.add("small", tmp_path, "knn")
    answer = throne.crown(broken)
    assert answer.status == 503
    assert "golden" in answer.document["detail"]
    assert throne.champion == 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, Place]]:
    """A server over what a real training has left in SQLite."""
    folder = tmp_path_factory.mktemp("trained")
    place, shelf = Place(folder), Shelf(folder)
    place.use(shelf.tracker, shelf.registry)
    tree = Candidate(name="decision_tree", family="decision_tree", max_latency_seconds=1.0)
    place.train(small(Task.BINARY, tree), place.publish(Task.BINARY))
    with serving(folder, ready=False) as platform:
        yield platform, place


def test_candidates_pictures_and_cards_of_a_training(trained: tuple[Platform, Place]) -> None:
    platform, _ = trained
    until("the model is known", lambda: platform("GET", "/models/small").status == 200)
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
def test_nothing_but_pictures_is_read(trained: tuple[Platform, Place], name: str) -> None:
    platform, _ = trained
    until("the model is known", lambda: platform("GET", "/models/small").status == 200)
    assert platform("GET", f"/models/small/versions/1/pictures/{name}").status in {400, 404, 405}


def test_without_mlflow_it_is_told_and_models_answer(artifact_folder: Path, tmp_path: Path) -> None:
    shelf, port = Shelf(tmp_path / "state"), free_port()
    for _ in range(2):
        shelf.add("small", artifact_folder)
    url, database = f"http://127.0.0.1:{port}", f"sqlite:///{shelf.state}/mlflow.db"
    with mlflow_server(shelf.state, port=port, database=database):
        serving_it = serving(shelf.state, workers=1, mlflow_url=url)
        platform = serving_it.__enter__()
    try:
        body = {"version": 1, "reason": REASON}
        for answer in (platform("PUT", CHAMPION_PATH, body), platform("GET", HISTORY)):
            assert answer.status == 503
            assert "MLflow at http" in answer.document["detail"]
        record = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
        assert platform("POST", "/models/small/predict", record).document["version"] == 2
        with mlflow_server(shelf.state, port=port, database=database):
            assert platform("PUT", CHAMPION_PATH, body).document["champion"] == 1
    finally:
        serving_it.__exit__(None, None, None)
    assert shelf.registry.resolve("small", CHAMPION) == shelf.registry.version("small", 1)


def test_a_server_killed_while_champions_change_leaves_what_the_next_goes_on_with(
    artifact_folder: Path, tmp_path: Path
) -> None:
    shelf = Shelf(tmp_path / "state")
    for _ in range(2):
        shelf.add("small", artifact_folder)
    with serving(shelf.state, workers=1) as platform, ThreadPoolExecutor(1) as pool:

        def change() -> None:
            turn = 1
            while True:
                platform("PUT", CHAMPION_PATH, {"version": turn, "reason": REASON})
                turn = 3 - turn

        changing = pool.submit(change)
        until("champions change", lambda: len(platform("GET", HISTORY).document["decisions"]) >= 3)
        os.killpg(platform.process.pid, signal.SIGKILL)
        platform.process.wait()
        with pytest.raises(OSError, match=r"."):
            changing.result()
    with serving(shelf.state, workers=1) as platform:
        found = shelf.registry.resolve("small", CHAMPION)
        assert found is not None
        other = 3 - found.version
        made = platform("PUT", CHAMPION_PATH, {"version": other, "reason": "after the kill"})
        assert made.document["champion"] == other
        champions = platform("GET", HISTORY).document["champions"]
        assert [each["version"] for each in champions[:2]] == [other, found.version]
        assert (champions[0]["until"], champions[1]["until"]) == (None, champions[0]["since"])
