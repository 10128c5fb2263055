"""Scoring a file: the same answers as the model's own, nothing lost, and interruptions without a trace."""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from io import BytesIO
from itertools import accumulate, count
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.object_store import MemoryObjectStore
from fakes.registry import MemoryRegistry
from orchard_use_case import transform_file as transform_in_etl
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.lake import open_lake
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task, UseCase
from servicio_ml.errors import ColumnsError, NoSuchModelError, SourceError, StoreError
from servicio_ml.features.artifact import Artifact, load_artifact
from servicio_ml.features.output import POSITIVE
from servicio_ml.lifecycle.versions import find_version
from servicio_ml.pipeline.reading import batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import inspect_file
from servicio_ml.pipeline.reading.text import scan_csv
from servicio_ml.pipeline.reading.transform import STATUS, RowStatus
from servicio_ml.pipeline.scoring.output_parts import MANIFEST, PROGRESS
from servicio_ml.pipeline.scoring.run import ScoringJob, score_file, split_frames
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
from servicio_ml.use_cases.catalogue import find
from small_use_case import SCHEMA, build_use_case, generate_rows
from stores import UNLIMITED, FullStore

TREE = Candidate(name="decision_tree", family="decision_tree", max_latency_seconds=1.0)
INFO = ModelVersion(model="small", version=3, run_id="run", created=0.0)
RAW = {"day": "Day", "size": "Size", "weight": "Weight", "colour": "Colour"}
HEADER, GOOD = "day,size,weight,colour\n", "2020-01-31,1.5,0.25,red\n"
PART_ROWS = 100


@pytest.fixture(scope="session")
def artifact_of(
    artifact_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Task], Artifact]:
    @cache
    def build_artifact(task: Task) -> Artifact:
        if task is Task.BINARY:
            return load_artifact(artifact_folder)
        use_case, folder = build_use_case(task, TREE), tmp_path_factory.mktemp("artifact") / "model"
        fitted = build_problem(use_case, SCHEMA, generate_rows(task, 300), seed=0, threads=1)
        build_candidate(
            fitted,
            build_holdout(use_case, SCHEMA, generate_rows(task, 100, seed=1)),
            TREE,
            {"max_depth": 4},
            folder,
            "",
        )
        return load_artifact(folder)

    return build_artifact


@pytest.fixture
def artifact(artifact_of: Callable[[Task], Artifact]) -> Artifact:
    return artifact_of(Task.BINARY)


def _build_job(artifact: Artifact, path: Path, store: ObjectStore, **changes: Any) -> ScoringJob:
    wanted: dict[str, Any] = {"schema": artifact.encoder.schema, "use_case": build_use_case()}
    wanted |= {
        name: changes.pop(name) for name in ("keep_columns", "dialect_name", "use_case") if name in changes
    }
    properties: dict[str, Any] = {
        "info": INFO,
        "artifact": artifact,
        "source": inspect_file(path, path.name),
        "wanted": InputSpec(**wanted),
        "store": store,
        "part_rows": PART_ROWS,
    }
    return ScoringJob(**{**properties, **changes})


def _score(job: ScoringJob, progress: SilentProgress | None = None) -> dict[str, Any]:
    ticks = count()
    return score_file(job, progress or SilentProgress(), lambda: float(next(ticks)))


def _read_table(store: ObjectStore, kind: str) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(store.fetch(key)) for key in store.list_keys(kind)])


def _read_contents(store: ObjectStore) -> dict[str, bytes]:
    return {key: store.fetch(key).read_bytes() for key in store.list_keys("")}


def _write_text(frame: pl.DataFrame, path: Path, null: str = "") -> Path:
    frame.write_csv(path, null_value=null)
    return path


def _write_gzip(frame: pl.DataFrame, path: Path) -> Path:
    path.write_bytes(gzip.compress(_write_text(frame, path.with_suffix(".csv")).read_bytes()))
    return path


def _write_parquet(frame: pl.DataFrame, path: Path) -> Path:
    frame.write_parquet(path, row_group_size=70)
    return path


FORMS: dict[str, Callable[[pl.DataFrame, Path], Path]] = {
    "typed csv": lambda frame, folder: _write_text(frame, folder / "a.csv"),
    "raw csv": lambda frame, folder: _write_text(frame.rename(RAW), folder / "a.csv", "NA"),
    "raw gzip": lambda frame, folder: _write_gzip(frame.rename(RAW), folder / "a.csv.gz"),
    "typed parquet": lambda frame, folder: _write_parquet(frame, folder / "a.parquet"),
    "text parquet": lambda frame, folder: _write_parquet(frame.cast(pl.String), folder / "a.parquet"),
    "raw parquet": lambda frame, folder: _write_parquet(frame.rename(RAW), folder / "a.bin"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("task", Task)
def test_a_file_is_answered_as_the_model_answers(
    task: Task,
    form: str,
    artifact_of: Callable[[Task], Artifact],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(batches, "BATCH_ROWS", 32)
    frame, artifact, store = generate_rows(task, 250, seed=5), artifact_of(task), MemoryObjectStore()
    path = FORMS[form](frame.drop("outcome"), tmp_path)
    manifest = _score(_build_job(artifact, path, store))
    found = _read_table(store, "part-")
    first = 1 if "parquet" in form else 2
    assert found["line"].to_list() == list(range(first, 250 + first))
    assert set(found["model"]) == {"small"}
    assert set(found["version"]) == {3}
    expected = artifact.predict(artifact.encoder.encode_frame(frame))
    assert found["prediction"].to_list() == expected.outcomes.tolist()
    if expected.probabilities is None:
        assert found.columns == ["line", "prediction", "model", "version"]
    else:
        labels = [artifact.output.labels[int(code)] for code in expected.outcomes]
        assert found["label"].to_list() == labels
        assert _list_probabilities(found, artifact) == expected.probabilities.tolist()
    assert manifest["counts"] == {"rows": 250, "scored": 250, "quarantined": 0}
    assert [part["rows"] for part in manifest["parts"]] == [100, 100, 50]
    assert store.list_keys("") == ["manifest.json", *(f"part-{i:05}.parquet" for i in range(3))]


def _list_probabilities(found: pl.DataFrame, artifact: Artifact) -> list[list[float]]:
    if artifact.output.task == "binary":
        column = found["probability"].to_numpy()
        return np.column_stack([1 - column, column]).tolist()  # type: ignore[no-any-return]  # NumPy
    return [[row[label] for label in artifact.output.labels] for row in found["probabilities"]]


def test_probability_is_of_the_positive_class(artifact: Artifact, tmp_path: Path) -> None:
    store, frame = MemoryObjectStore(), generate_rows(Task.BINARY, 40)
    _score(_build_job(artifact, _write_parquet(frame, tmp_path / "a.parquet"), store))
    expected = artifact.predict(artifact.encoder.encode_frame(frame)).probabilities
    assert expected is not None
    assert _read_table(store, "part-")["probability"].to_list() == expected[:, POSITIVE].tolist()


BAD_TEXT = {
    "2020-01-31,1.5,0.25,purple": "colour: 'purple' is not one of red, green, blue",
    "2020-01-31,big,0.25,red": "size: 'big' is not a number",
    "2020-01-31,1.5,11,red": "weight: '11' is not a number from -10 to 10 kg",
    "2020-01-31,1.5,,red": "weight: it is missing",
    "2020-02-30,1.5,1,red": "day: '2020-02-30' is not a date as YYYY-MM-DD of the years 1000–2999",
    "2020-01-31,1.5,1,red,surplus": "the line has more fields than there are columns",
    "2020-01-31,1e300,1,red": "size: '1e300' is not a number",
    ",x,,": "day: it is missing; size: 'x' is not a number; weight: it is missing",
}


@pytest.mark.parametrize("block", [8, 10_000])
def test_bad_rows_of_a_text_are_in_quarantine_with_line_and_reason(
    block: int, artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BLOCK_BYTES", block)
    path, store, progress = tmp_path / "a.csv", MemoryObjectStore(), SilentProgress()
    path.write_text(HEADER + "".join(f"{line}\n\n{GOOD}" for line in BAD_TEXT))
    manifest = _score(_build_job(artifact, path, store, part_rows=5), progress)
    found = _read_table(store, "quarantine-")
    assert found.rows() == [(2 + 3 * i, reason) for i, reason in enumerate(BAD_TEXT.values())]
    assert _read_table(store, "part-")["line"].to_list() == [4 + 3 * i for i in range(len(BAD_TEXT))]
    assert manifest["counts"] == {"rows": 16, "scored": 8, "quarantined": 8}
    assert progress.warnings == ["8 rows are in quarantine, each with its line and reason"]


BAD_TYPED: list[tuple[dict[str, object], str]] = [
    ({"colour": "purple"}, "colour: 'purple' is not one of red, green, blue"),
    ({"weight": 11.0}, "weight: '11.0' is not a number from -10 to 10 kg"),
    ({"weight": None}, "weight: it is missing"),
    ({"weight": float("nan")}, "weight: it is missing"),
    ({"size": float("inf")}, "size: 'inf' is not a number"),
    ({"weight": -11.0, "size": 1e300}, "size: '1e+300' is not a number; weight: '-11.0' is not a number"),
]


def test_bad_rows_of_a_typed_table_are_in_quarantine(artifact: Artifact, tmp_path: Path) -> None:
    good = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "red"}
    frame = pl.DataFrame([row for change, _ in BAD_TYPED for row in ({**good, **change}, good)])
    path, store = tmp_path / "a.parquet", MemoryObjectStore()
    frame.with_columns(pl.col("day").str.to_date()).write_parquet(path)
    _score(_build_job(artifact, path, store, part_rows=5))
    found = _read_table(store, "quarantine-").rows()
    assert [line for line, _ in found] == [1, 3, 5, 7, 9, 11]
    for (_, reason), (_, said) in zip(found, BAD_TYPED, strict=True):
        assert reason.startswith(said)
    assert _read_table(store, "part-")["line"].to_list() == [2, 4, 6, 8, 10, 12]


def test_a_part_without_a_good_row_has_its_columns(artifact: Artifact, tmp_path: Path) -> None:
    path, store = tmp_path / "a.csv", MemoryObjectStore()
    path.write_text(HEADER + "x,x,x,x\n" * PART_ROWS + GOOD)
    _score(_build_job(artifact, path, store))
    assert pl.read_parquet(store.fetch("part-00000.parquet")).schema == {
        "line": pl.Int64, "prediction": pl.Int64, "label": pl.String, "probability": pl.Float64,
        "model": pl.String, "version": pl.Int64,
    }  # fmt: skip
    assert len(_read_table(store, "quarantine-")) == PART_ROWS


@pytest.mark.parametrize("form", FORMS)
def test_kept_columns_are_passed_on(form: str, artifact: Artifact, tmp_path: Path) -> None:
    frame = generate_rows(Task.BINARY, 20).with_columns(
        line=pl.int_range(20, 40), customer=pl.format("c{}", pl.int_range(20)), nan=float("nan")
    )
    frame = frame.with_columns(weight=pl.when(pl.int_range(20) == 7).then(99).otherwise("weight"))
    keep = ("customer", "line") if "csv" in form or "gzip" in form else ("customer", "line", "nan")
    store = MemoryObjectStore()
    _score(_build_job(artifact, FORMS[form](frame, tmp_path), store, keep_columns=keep))
    found, rejected = _read_table(store, "part-"), _read_table(store, "quarantine-")
    others = [i for i in range(20) if i != 7]
    assert found["customer"].to_list() == [f"c{i}" for i in others]
    assert [int(each) for each in found["raw line"]] == [20 + i for i in others]
    assert rejected["customer"].to_list() == ["c7"]
    if form == "raw parquet":
        assert found["raw line"].dtype == pl.Int64
        assert found["nan"].is_nan().all()


def test_kept_columns_are_never_called_like_an_output_nor_like_each_other(
    artifact: Artifact, tmp_path: Path
) -> None:
    path, store = tmp_path / "a.csv", MemoryObjectStore()
    keep = ("label", "raw label", "model", "version", "probability", "reason", "prediction_id")
    cells = ",".join(keep)
    path.write_text(f"{HEADER.strip()},{cells}\n{GOOD.strip()},{cells}\nx,x,x,x,{cells}\n")
    _score(_build_job(artifact, path, store, keep_columns=keep))
    raw = ["raw raw label", "raw label", "raw model", "raw version", "raw probability", "raw reason"]
    found, rejected = _read_table(store, "part-"), _read_table(store, "quarantine-")
    outputs = ["prediction", "label", "probability", "model", "version"]
    assert found.columns == ["line", *raw, "prediction_id", *outputs]
    assert rejected.columns == ["line", *raw, "prediction_id", "reason"]
    assert found.select(*raw, "prediction_id").row(0) == keep


class TestInterrupted:
    """A run that ends before its end, and the one that goes on."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        frame = generate_rows(Task.BINARY, 450).drop("outcome")
        return _write_text(frame.with_columns(weight=pl.col("weight") * 4), tmp_path / "a.csv")

    @pytest.mark.parametrize("left", [0, 1, 2, 3, 4, 9, 15, 16])
    def test_the_same_command_goes_on_without_a_trace(
        self, left: int, artifact: Artifact, path: Path
    ) -> None:
        whole, store, progress = MemoryObjectStore(), FullStore(), SilentProgress()
        expected = _score(_build_job(artifact, path, whole))
        store.left = left
        with pytest.raises(StoreError, match="the disk is full"):
            _score(_build_job(artifact, path, store))
        assert MANIFEST not in store.list_keys("")
        before = store.list_keys("part-")
        store.left = UNLIMITED
        manifest = _score(_build_job(artifact, path, store), progress)
        assert manifest == expected
        assert _read_contents(store) == _read_contents(whole)
        # what was whole was not written again
        assert UNLIMITED - store.left <= 17 - 3 * max(len(before) - 1, 0)

    def test_a_finished_one_is_left_as_it_is(self, artifact: Artifact, path: Path) -> None:
        store = FullStore()
        manifest = _score(_build_job(artifact, path, store))
        store.left = 0
        assert _score(_build_job(artifact, path, store)) == manifest

    @pytest.mark.parametrize("state", ["finished", "unfinished"])
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            (
                {"info": ModelVersion(model="small", version=4, run_id="run", created=0.0)},
                "version 3 there, 4",
            ),
            ({"info": ModelVersion(model="small", version=3, run_id="other", created=0.0)}, "run_id 'run'"),
            ({"keep_columns": ("colour",)}, r"keep \[\] there, \['colour'\] now"),
            ({"part_rows": 50}, "part_rows 100 there, 50 now"),
        ],
        ids=["version", "another registry", "kept columns", "size of parts"],
    )
    def test_another_command_is_refused_unless_forced(
        self, changes: Mapping[str, Any], said: str, state: str, artifact: Artifact, path: Path
    ) -> None:
        store = FullStore()
        if state == "unfinished":
            store.left = 7
            with pytest.raises(StoreError):
                _score(_build_job(artifact, path, store))
            store.left = UNLIMITED
        else:
            _score(_build_job(artifact, path, store))
        before = _read_contents(store)
        with pytest.raises(StoreError, match=said) as caught:
            _score(_build_job(artifact, path, store, **changes))
        assert "--force" in str(caught.value)
        assert _read_contents(store) == before
        fresh = MemoryObjectStore()
        manifest = _score(_build_job(artifact, path, fresh, **changes))
        assert _score(_build_job(artifact, path, store, force=True, **changes)) == manifest
        assert _read_contents(store) == _read_contents(fresh)

    def test_another_input_is_refused_and_leaves_nothing_behind_when_forced(
        self, artifact: Artifact, path: Path, tmp_path: Path
    ) -> None:
        store = open_lake(str(tmp_path / "out"))
        _score(_build_job(artifact, path, store))
        shorter = tmp_path / "b.csv"
        shorter.write_text(HEADER + GOOD)
        with pytest.raises(StoreError, match="sha256"):
            _score(_build_job(artifact, shorter, store))
        _score(_build_job(artifact, shorter, store, force=True))
        assert store.list_keys("") == [MANIFEST, "part-00000.parquet"]

    @pytest.mark.parametrize("left", range(3))
    def test_a_forced_start_that_fails_does_not_bring_the_old_scores_back(
        self, left: int, artifact: Artifact, path: Path
    ) -> None:
        store = FullStore()
        manifest = _score(_build_job(artifact, path, store))
        store.left = left
        with pytest.raises(StoreError, match="full"):
            _score(_build_job(artifact, path, store, force=True))
        assert (MANIFEST in store.list_keys("")) == (left == 0)
        store.left = UNLIMITED
        assert _score(_build_job(artifact, path, store)) == manifest

    def test_unfinished_work_counts_where_an_older_manifest_is_still_there(
        self, artifact: Artifact, path: Path, tmp_path: Path
    ) -> None:
        store, progress_file = MemoryObjectStore(), tmp_path / "progress.json"
        manifest = _score(_build_job(artifact, path, store))
        expected = _read_contents(store)
        progress_file.write_text(json.dumps({"identity": manifest["identity"], "input": {}, "parts": []}))
        store.put(PROGRESS, progress_file)
        store.delete("part-00000.parquet")
        assert _score(_build_job(artifact, path, store))["parts"] == manifest["parts"]
        assert _read_contents(store).keys() == expected.keys()

    @pytest.mark.parametrize("key", [MANIFEST, PROGRESS])
    @pytest.mark.parametrize("text", ["{", "[]", '{"parts": []}'])
    def test_a_strange_record_is_refused_unless_forced(
        self, key: str, text: str, artifact: Artifact, path: Path, tmp_path: Path
    ) -> None:
        store, strange = MemoryObjectStore(), tmp_path / "strange"
        strange.write_text(text)
        store.put(key, strange)
        with pytest.raises(StoreError, match="no record of scores") as caught:
            _score(_build_job(artifact, path, store))
        assert "--force" in str(caught.value)
        assert _score(_build_job(artifact, path, store, force=True))["counts"]["rows"] == 450

    def test_parts_without_a_record_are_not_overwritten(self, artifact: Artifact, path: Path) -> None:
        store = MemoryObjectStore()
        store.put("part-00000.parquet", path)
        with pytest.raises(StoreError, match="no manifest describes it"):
            _score(_build_job(artifact, path, store))

    def test_a_file_that_changed_meanwhile_is_reported(self, artifact: Artifact, path: Path) -> None:
        store = MemoryObjectStore()
        job = _build_job(artifact, path, store)
        path.write_text(HEADER + GOOD)
        with pytest.raises(SourceError, match="changed while it was read"):
            _score(job)
        assert store.list_keys("part-") == []


UNREADABLE: list[Any] = [
    pytest.param(b"", "it is empty", id="empty"),
    pytest.param(HEADER.encode(), "the column names and no row", id="header only"),
    pytest.param(b"\n1\n", "first line is blank", id="blank first line"),
    pytest.param(b"day,size,weight,color\n", "missing column 'colour'.*may be called 'color'", id="renamed"),
    pytest.param(b"day,size,weight,colour,day\n", "'day' is there twice", id="twice"),
    pytest.param(HEADER.encode() + b"2020-01-31,\xe9", "line 2, byte 12: 0xe9 is no UTF-8", id="encoding"),
    pytest.param((HEADER + GOOD + '"' + GOOD * 9).encode(), "line 3: a quote is opened", id="open quote"),
    pytest.param(gzip.compress(GOOD.encode() * 99)[:-9], "end-of-stream", id="half a gzip"),
    pytest.param(b"PAR1 and no more", "no complete Parquet file", id="half a Parquet"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), UNREADABLE)
def test_an_unreadable_file_is_reported(
    content: bytes, said: str, artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BLOCK_BYTES", 64)
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises((SourceError, ColumnsError), match=said):
        _score(_build_job(artifact, path, MemoryObjectStore()))


def test_a_quote_that_stays_open_is_reported_before_memory_is_full(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BLOCK_BYTES", 64)
    monkeypatch.setattr(batches, "MAX_RECORD_BYTES", 256)
    path = tmp_path / "a.csv"
    path.write_text(f'{HEADER}{GOOD}"{GOOD * 99}"\n')
    with pytest.raises(SourceError, match="line 3: a quote is opened"):
        _score(_build_job(artifact, path, MemoryObjectStore()))


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        inspect_file(tmp_path / "nothing.csv", "nothing.csv")


@pytest.mark.parametrize("name", ["customer", "Size"])
def test_a_missing_column_to_be_kept_is_reported(name: str, artifact: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(HEADER + GOOD)
    with pytest.raises(ColumnsError, match=f"missing column '{name}'"):
        _score(_build_job(artifact, path, MemoryObjectStore(), keep_columns=(name,)))


CELLS = st.text(st.sampled_from('ab"\n\r, é'), max_size=6)


@given(
    cells=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12),
    size=st.integers(1, 40),
    quotes=st.sampled_from(["always", "necessary"]),
)
def test_blocks_of_any_size_hold_the_same_rows(
    cells: Sequence[tuple[str, str]],
    size: int,
    quotes: Literal["always", "necessary"],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    frame = pl.DataFrame(cells, schema=["a", "b"], orient="row")
    text = frame.write_csv(include_header=False, quote_style=quotes).encode()
    path = tmp_path_factory.mktemp("blocks") / "a.csv"
    path.write_bytes(text)
    with pytest.MonkeyPatch.context() as patch, path.open("rb") as file:
        patch.setattr(batches, "BLOCK_BYTES", size)
        found = list(batches.read_blocks(file, 1, "a.csv"))
    assert b"".join(block for _, block in found) == text
    starts = accumulate((block.count(b"\n") for _, block in found), initial=1)
    assert [line for line, _ in found] == list(starts)[:-1]
    assert pl.concat([_parse_rows(block) for _, block in found]).rows() == _parse_rows(text).rows()


def _parse_rows(text: bytes) -> pl.DataFrame:
    return scan_csv(BytesIO(text), ["a", "b"], skipped_lines=0, first_line=1).select("a", "b").collect()


@given(
    lengths=st.lists(st.integers(0, 9), max_size=8), skipped=st.integers(0, 5), part_rows=st.integers(1, 7)
)
def test_pieces_end_where_parts_end(lengths: Sequence[int], skipped: int, part_rows: int) -> None:
    def list_frames() -> Iterator[pl.DataFrame]:
        start = 0
        for length in lengths:
            yield pl.DataFrame({"row": range(start, start + length)})
            start += length

    skip = skipped * part_rows
    found = [piece["row"].to_list() for piece in split_frames(list_frames(), skip, part_rows)]
    assert [row for piece in found for row in piece] == list(range(skip, sum(lengths)))
    assert all(piece and piece[0] // part_rows == piece[-1] // part_rows for piece in found)


class TestVersion:
    """Which version scores."""

    @pytest.fixture
    def registry(self, artifact_folder: Path, tmp_path: Path) -> MemoryRegistry:
        registry = MemoryRegistry(tmp_path, lambda: 0.0)
        for _ in range(3):
            registry.register("small", artifact_folder, run_id="", tags={})
        registry.set_alias("small", "champion", 2)
        registry.set_alias("small", "knn", 1)
        return registry

    @pytest.mark.parametrize(("wanted", "version"), [("", 2), ("champion", 2), ("knn", 1), ("3", 3)])
    def test_it_is_found(self, wanted: str, version: int, registry: MemoryRegistry) -> None:
        assert find_version(registry, "small", wanted).version == version

    @pytest.mark.parametrize(
        ("model", "wanted", "said"),
        [
            ("small", "9", "version 9"), ("small", "svm", "alias 'svm'.*servicio-ml history small"),
            ("large", "", "alias 'champion'.*servicio-ml train large"),
        ],
    )  # fmt: skip
    def test_it_is_not_there(self, model: str, wanted: str, said: str, registry: MemoryRegistry) -> None:
        with pytest.raises(NoSuchModelError, match=said):
            find_version(registry, model, wanted)


@pytest.fixture(scope="session")
def rain(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[UseCase, pl.DataFrame, Artifact]:
    """The original file's rows as the ETL types them, and a small model of some of them."""
    use_case, folder = find("rain_australia"), tmp_path_factory.mktemp("rain")
    typed = transform_in_etl(data_dir / "weatherAUS.csv", use_case, folder)
    labelled = typed.filter(pl.col(STATUS) == RowStatus.KEPT.value).gather_every(35)
    fitted = build_problem(use_case, use_case.schema, labelled.head(3000), seed=0, threads=1)
    test = build_holdout(use_case, use_case.schema, labelled.tail(1000))
    build_candidate(fitted, test, TREE, {"max_depth": 6}, folder / "model", "")
    return use_case, typed, load_artifact(folder / "model", threads=2)


@pytest.mark.real_data
def test_the_original_rain_file_is_answered_line_by_line(
    rain: tuple[UseCase, pl.DataFrame, Artifact], data_dir: Path
) -> None:
    use_case, typed, artifact = rain
    store = MemoryObjectStore()
    manifest = _score(
        _build_job(artifact, data_dir / "weatherAUS.csv", store, use_case=use_case, part_rows=1 << 16)
    )
    assert manifest["counts"] == {"rows": 145_460, "scored": 145_460, "quarantined": 0}
    expected = artifact.predict(artifact.encoder.encode_frame(typed.sort("_line"))).probabilities
    assert expected is not None
    found = _read_table(store, "part-")
    assert found["line"].to_list() == list(range(2, 145_462))
    assert np.array_equal(found["probability"].to_numpy(), expected[:, POSITIVE])


@pytest.mark.parametrize("attempts", [1, 2], ids=["first attempt", "again"])
def test_a_file_of_which_no_row_is_scored_is_an_error(
    artifact: Artifact, tmp_path: Path, attempts: int
) -> None:
    """A repeated command does not change this: the parts are complete, but there is no manifest."""
    path, store = tmp_path / "a.csv", MemoryObjectStore()
    path.write_text(HEADER + "".join(f"{i}/01/2020,1.5,0.25,red\n" for i in range(1, 29)))
    for _ in range(attempts):
        with pytest.raises(SourceError) as caught:
            _score(_build_job(artifact, path, store))
    assert "none of its 28 rows could be scored" in str(caught.value)
    assert (
        "day: '1/01/2020' is not a date as YYYY-MM-DD of the years 1000–2999"
        " (28 rows with 28 different values, first in line 2)" in str(caught.value)
    )
    assert MANIFEST not in store.list_keys("")
