"""The commands of docs/experiments.md run against a real server, and the page names what there is."""

import re
from pathlib import Path

import polars as pl
import pytest

from documents import ROOT, extract_blocks, run_script
from model_server import ModelServer, ModelShelf, run_model_server, wait_until
from servicio_ml.cli.experiments import experiment
from servicio_ml.domain.experiments.design import ExperimentMetric
from servicio_ml.domain.experiments.effects import ArmVerdict
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.domain.rollout.sequential import compute_half_width
from servicio_ml.domain.rollout.traffic import choose_version
from servicio_ml.features.artifact import load_artifact
from servicio_ml.features.logged_rows.assignments import ADDED, KEPT

PAGE = ROOT / "docs" / "experiments.md"
MODEL, POLL_SECONDS, SHARE = "rain_australia", "0.5", 0.3
CLIENTS = [f"client {i}" for i in range(40)]


def test_the_page_names_every_option_verdict_and_column() -> None:
    text = PAGE.read_text()
    names = {*KEPT, *(name for name, _ in ADDED), *ExperimentMetric, *ArmVerdict}
    assert [name for name in names if f"`{name}`" not in text] == []
    options = {
        f"--{name.replace('_', '-')}" for name in experiment.experiment.__annotations__ if name != "return"
    } - {"--name", "--action", "--as-json", "--debug"}
    assert [name for name in options if name not in text] == []
    [_, calls] = extract_blocks(PAGE, "sh")
    # those of curl are its own
    assert {*re.findall(r"--[a-z][a-z-]+", text.replace(calls, ""))} <= options


def test_the_rows_of_the_table_are_enough() -> None:
    found = re.findall(r"^\| (0\.\d+) \| ([\d,]+) \|$", PAGE.read_text(), re.MULTILINE)
    assert len(found) == 4
    for half_width, rows in found:
        pairs = int(rows.replace(",", "")) / 2
        assert 0.95 * float(half_width) <= compute_half_width(pairs, 0.05 / 2) <= float(half_width)


def count_outcomes(server: ModelServer) -> int:
    found = server("GET", f"/models/{MODEL}/experiment").document
    return sum(each["rows"] for each in found["arms"])


def read_labelled(path: Path) -> dict[str, tuple[int, float]]:
    """Version and share of each row with ground truth, by its id."""
    frame = pl.read_parquet(path).filter(pl.col("actual").is_not_null())
    return {row["prediction_id"]: (row["version"], row["share"]) for row in frame.to_dicts()}


@pytest.mark.slow
def test_the_commands_compare_two_versions(tmp_path: Path, artifact_folder: Path) -> None:
    shelf = ModelShelf(tmp_path / "var")
    versions = shelf.add(MODEL, artifact_folder), shelf.add(MODEL, artifact_folder, CHALLENGER)
    artifact = load_artifact(artifact_folder)
    record, label = artifact.golden["records"][0], artifact.output.labels[1]
    [block, calls] = extract_blocks(PAGE, "sh")
    start, *others = block.splitlines(keepends=True)
    expected = {each: choose_version(each, versions[0], {versions[1]: SHARE}) for each in CLIENTS}
    with run_model_server(shelf.state, poll_seconds=POLL_SECONDS) as server:
        done = run_script(start, tmp_path, SERVICIO_ML_POLL_SECONDS=POLL_SECONDS)
        assert done.returncode == 0, done.stderr

        def ask(client: str) -> tuple[int, str]:
            answer = server("POST", f"/models/{MODEL}/predict", record, {"X-Client-Key": client}).document
            return answer["version"], answer["prediction_id"]

        # each of the workers has loaded it
        assigned = next(each for each in CLIENTS if expected[each] == versions[1])
        wait_until("assignment", lambda: {ask(assigned)[0] for _ in range(20)} == {versions[1]})
        answers = [(client, *ask(client)) for client in CLIENTS for _ in range(2)]
        assert {client: version for client, version, _ in answers} == expected
        truths = [{"prediction_id": each, "actual": label} for *_, each in answers]
        assert server("POST", f"/models/{MODEL}/feedback/batch", {"labels": truths}).status == 200

        wait_until("evaluation", lambda: count_outcomes(server) == len(answers))
        done = run_script("".join(others), tmp_path, SERVICIO_ML_POLL_SECONDS=POLL_SECONDS)
        assert done.returncode == 0, done.stderr
        assert server("GET", f"/models/{MODEL}/experiment").document["state"] == "stopped"
        done = run_script(calls, tmp_path, API=server.url)
        assert (done.returncode, done.stdout.count('"metric":"truth"')) == (0, 2), done.stdout + done.stderr
    exported = read_labelled(tmp_path / "answers.parquet")
    shares = dict(zip(versions, (0.7, SHARE), strict=True))
    assert exported == {each: (version, shares[version]) for _, version, each in answers}
