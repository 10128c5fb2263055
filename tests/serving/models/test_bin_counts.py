"""Counts by bin: the same as NumPy's, whole over processes, restarts and deaths."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.features.artifact import Artifact, load_artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.features.performance.rank_counts import RANK_BINS
from servicio_ml.serving.models.bin_counts import (
    BUFFERED_ROWS,
    BinCounts,
    BinCountsFolder,
    BinCountsHeader,
    CountArray,
)

INFO = ModelVersion(model="small", version=3, run_id="run", created=0.0)
TASKS = ["artifact_folder", "multiclass_folder", "regression_folder"]
LoadArtifact = Callable[[str], Artifact]


@pytest.fixture
def loaded(request: pytest.FixtureRequest) -> LoadArtifact:
    return lambda name: load_artifact(request.getfixturevalue(name))


@pytest.fixture
def artifact(artifact_folder: Path) -> Artifact:
    return load_artifact(artifact_folder)


def build_matrix(artifact: Artifact, rows: int, seed: int = 0) -> Matrix:
    """Rows with gaps, and with values at the edges of the bins."""
    random = np.random.default_rng(seed)
    levels = artifact.encoder.schema.fields[3].levels
    records = [
        {
            "day": "2020-01-31",
            "size": None if random.random() < 0.2 else float(random.normal()),
            "weight": float(random.uniform(-10, 10)),
            "colour": None if random.random() < 0.2 else str(random.choice(levels)),
        }
        for _ in range(rows)
    ]
    matrix = artifact.encoder.encode_records(records)
    edges = artifact.reference.features[2].edges
    matrix[: len(edges), 2] = edges[:rows]
    return matrix


def compute_expected_counts(artifact: Artifact, matrix: Matrix, answers: Predictions) -> list[CountArray]:
    """Each bin's rows by comparison with its edges, then the confusion by sums over the predicted class."""
    probabilities = answers.probabilities
    binary = probabilities is not None and probabilities.shape[1] == 2
    shown = probabilities[:, 1] if probabilities is not None and binary else answers.outcomes
    columns = [matrix[:, i] for i in range(len(artifact.reference.features))]
    expected_counts: list[CountArray] = []
    for bins, values in zip(
        (*artifact.reference.features, artifact.reference.prediction), (*columns, shown), strict=True
    ):
        edges = [-np.inf, *bins.edges, np.inf]
        counts = [((values >= low) & (values < high)).sum() for low, high in pairwise(edges)]
        expected_counts.append(np.array([*counts, np.isnan(values).sum()], dtype=np.float64))
    if probabilities is not None:
        expected_counts.append(
            np.array(
                [
                    probabilities[answers.outcomes == code].sum(axis=0)
                    for code in range(probabilities.shape[1])
                ]
            )
        )
    return expected_counts


def add_in_chunks(bin_counts: BinCounts, matrix: Matrix, answers: Predictions, cuts: list[int]) -> None:
    """Count rows in expected_counts."""
    ends = [0, *sorted(cut % (len(matrix) + 1) for cut in cuts), len(matrix)]
    for start, end in pairwise(ends):
        bin_counts.add(matrix[start:end], answers.select(slice(start, end)))


def check_counts(head: BinCountsHeader, counts: CountArray, expected_counts: list[CountArray]) -> None:
    """Compare counts with what is expected."""
    split = head.split_counts(counts)
    found = [*split.columns, split.confusion] if head.labels else split.columns
    for mine, theirs in zip(found, expected_counts, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("rows", [1, BUFFERED_ROWS - 1, BUFFERED_ROWS, 3 * BUFFERED_ROWS + 7])
def test_counts_are_those_of_numpy(loaded: LoadArtifact, tmp_path: Path, task: str, rows: int) -> None:
    artifact = loaded(task)
    matrix = build_matrix(artifact, rows)
    answers = artifact.predict(matrix)
    counts_folder = BinCountsFolder(tmp_path)
    add_in_chunks(counts_folder.open(INFO, artifact), matrix, answers, [])
    [(head, counts)] = counts_folder.sum_versions()
    check_counts(head, counts, compute_expected_counts(artifact, matrix, answers))
    assert sum(head.split_counts(counts).columns[-1]) == rows


@given(cuts=st.lists(st.integers(0, 700), max_size=30))
def test_buffering_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path, cuts: list[int]
) -> None:
    artifact = load_artifact(artifact_folder)
    matrix = build_matrix(artifact, 700)
    answers = artifact.predict(matrix)
    counts_folder = BinCountsFolder(tmp_path_factory.mktemp("bin_counts"))
    add_in_chunks(counts_folder.open(INFO, artifact), matrix, answers, cuts)
    [(head, counts)] = counts_folder.sum_versions()
    check_counts(head, counts, compute_expected_counts(artifact, matrix, answers))


def test_the_expected_confusion_is_the_sum_of_probabilities(artifact: Artifact, tmp_path: Path) -> None:
    matrix = build_matrix(artifact, 3)
    outcomes, probabilities = np.array([0.0, 1.0, 1.0]), np.array([[0.75, 0.25], [0.5, 0.5], [0.125, 0.875]])
    counts_folder = BinCountsFolder(tmp_path)
    counts_folder.open(INFO, artifact).add(
        matrix, Predictions(outcomes=outcomes, probabilities=probabilities)
    )
    [(head, counts)] = counts_folder.sum_versions()
    split = head.split_counts(counts)
    assert split.confusion.tolist() == [[0.75, 0.25], [0.625, 1.375]]
    positives = dict(zip(RANK_BINS, split.ranks.positives, strict=True))
    assert {bin_: number for bin_, number in positives.items() if number} == {
        "0.182": 0.25, "0.5": 0.5, "0.818": 0.875
    }  # fmt: skip
    assert split.ranks.negatives.sum() == 3 - split.ranks.positives.sum()


@pytest.mark.parametrize("rows", [3, 3 * BUFFERED_ROWS + 7])
def test_the_expected_errors_are_those_of_the_error_model(
    loaded: LoadArtifact, tmp_path: Path, rows: int
) -> None:
    artifact = loaded("regression_folder")
    assert artifact.uncertainty is not None
    matrix = build_matrix(artifact, rows)
    answers = artifact.predict(matrix)
    counts_folder = BinCountsFolder(tmp_path)
    add_in_chunks(counts_folder.open(INFO, artifact), matrix, answers, [1, 300])
    [(head, counts)] = counts_folder.sum_versions()
    errors = artifact.uncertainty.estimate_errors(matrix, answers)
    number, absolute, squared = head.split_counts(counts).errors
    assert number == rows
    assert absolute == pytest.approx(errors.sum())
    assert squared > (errors**2).sum()


def test_a_regression_without_an_error_model_counts_no_errors(loaded: LoadArtifact, tmp_path: Path) -> None:
    artifact = replace(loaded("regression_folder"), uncertainty=None)
    counts_folder = BinCountsFolder(tmp_path)
    matrix = build_matrix(artifact, 5)
    counts_folder.open(INFO, artifact).add(matrix, artifact.predict(matrix))
    [(head, counts)] = counts_folder.sum_versions()
    assert len(head.split_counts(counts).errors) == 0


def test_rows_wait_until_there_are_enough(artifact: Artifact, tmp_path: Path) -> None:
    matrix = build_matrix(artifact, BUFFERED_ROWS)
    answers = artifact.predict(matrix)
    bin_counts = BinCountsFolder(tmp_path).open(INFO, artifact)
    [file] = tmp_path.glob("*.counts")
    bin_counts.add(matrix[:-1], answers.select(slice(0, BUFFERED_ROWS - 1)))
    assert not np.fromfile(file).any()
    bin_counts.add(matrix[-1:], answers.select(slice(BUFFERED_ROWS - 1, BUFFERED_ROWS)))
    assert np.fromfile(file).any()


def run_as_process(folder: Path, pid: int) -> None:
    """Leave the files of a process as one with another id would have."""
    for path in list(folder.iterdir()):
        shutil.copy(path, folder / f"{path.stem.partition('-')[0]}-{pid}{path.suffix}")


def test_processes_add_up_and_the_dead_still_count(artifact: Artifact, tmp_path: Path) -> None:
    matrix = build_matrix(artifact, 50)
    answers = artifact.predict(matrix)
    mine = BinCountsFolder(tmp_path)
    bin_counts = mine.open(INFO, artifact)
    bin_counts.add(matrix, answers)
    mine.flush()
    # ids that no process has
    run_as_process(tmp_path, 1 << 30)
    run_as_process(tmp_path, (1 << 30) + 1)
    bin_counts.add(matrix, answers)
    [(head, counts)] = mine.sum_versions()
    check_counts(head, counts, [4 * each for each in compute_expected_counts(artifact, matrix, answers)])
    # the process that is scraped may have counted nothing itself
    [(_, others)] = BinCountsFolder(tmp_path).sum_versions()
    np.testing.assert_array_equal(others, counts)


def test_a_version_that_is_loaded_again_goes_on_counting(artifact: Artifact, tmp_path: Path) -> None:
    matrix = build_matrix(artifact, 50)
    answers = artifact.predict(matrix)
    counts_folder = BinCountsFolder(tmp_path)
    first = counts_folder.open(INFO, artifact)
    first.add(matrix, answers)
    second = counts_folder.open(INFO, artifact)
    second.add(matrix, answers)
    [(head, counts)] = counts_folder.sum_versions()
    check_counts(head, counts, [2 * each for each in compute_expected_counts(artifact, matrix, answers)])
    # and a new process that was given the id of a dead one
    reborn = BinCountsFolder(tmp_path)
    reborn.open(INFO, artifact).add(matrix, answers)
    [(head, counts)] = reborn.sum_versions()
    check_counts(head, counts, [3 * each for each in compute_expected_counts(artifact, matrix, answers)])
    assert len(list(tmp_path.glob("*.counts"))) == 1


def test_versions_are_counted_apart(artifact: Artifact, tmp_path: Path) -> None:
    matrix = build_matrix(artifact, 10)
    answers = artifact.predict(matrix)
    counts_folder = BinCountsFolder(tmp_path)
    for model, version in (("small", 2), ("small", 1), ("large", 1)):
        info = ModelVersion(model=model, version=version, run_id=f"{version}", created=0.0)
        add_in_chunks(
            counts_folder.open(info, artifact), matrix[:version], answers.select(slice(0, version)), []
        )
    totals = [
        (head.model, head.version, head.run_id, head.split_counts(counts).columns[0].sum())
        for head, counts in counts_folder.sum_versions()
    ]
    assert totals == [("large", 1, "1", 1), ("small", 1, "1", 1), ("small", 2, "2", 2)]


def test_a_head_is_read_as_it_was_written(loaded: LoadArtifact, tmp_path: Path) -> None:
    for version, task in enumerate(TASKS):
        artifact = loaded(task)
        info = ModelVersion(model="small", version=version, run_id="run", created=0.0)
        head = BinCountsFolder(tmp_path).open(info, artifact).header
        assert BinCountsHeader.from_json(head.to_json()) == head
        assert dict(enumerate(each for each, _ in BinCountsFolder(tmp_path).sum_versions()))[version] == head


def test_a_file_in_the_making_is_not_met(artifact: Artifact, tmp_path: Path) -> None:
    counts_folder = BinCountsFolder(tmp_path)
    counts_folder.open(INFO, artifact)
    assert {path.suffix for path in tmp_path.iterdir()} == {".counts", ".json"}
    (tmp_path / "0-1.draft").write_text("{")
    (tmp_path / "0-1.counts").write_bytes(b"")
    assert len(list(counts_folder.sum_versions())) == 1
