import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from drift_fixture import DriftFixture, create_drift_fixture, encode_ground_truth
from fakes.stats import MemoryStats
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.features.comparison import ReportPage, WindowComparison
from servicio_ml.lifecycle.reports import build_latest_key
from servicio_ml.pipeline.drift import report as module
from servicio_ml.pipeline.drift.report import ReportPorts, ReportResult, create_report
from servicio_ml.pipeline.drift.report_header import render_header
from small_use_case import build_use_case, generate_rows


@dataclass
class Painter:
    """Makes a page that says little, and remembers of what."""

    asked: list[WindowComparison] = field(default_factory=list)

    def __call__(self, comparison: WindowComparison, head: str) -> ReportPage:
        self.asked.append(comparison)
        return ReportPage(html=f"<html>{head}</html>", document={"drawn": True})


@dataclass
class Shelf:
    """A store that fails at a key."""

    store: ObjectStore
    failing: str
    fault: Callable[[], BaseException]

    def put(self, key: str, source: Path) -> str:
        if key.endswith(self.failing):
            raise self.fault()
        return self.store.put(key, source)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> DriftFixture:
    return create_drift_fixture(tmp_path, artifact_folder)


@pytest.fixture
def desk(made: DriftFixture) -> ReportPorts:
    place = made.place
    return ReportPorts(
        store=place.store, tracker=place.tracker, stats=MemoryStats(), progress=place.progress,
        clock=place.clock,
        explain=Painter(),
    )  # fmt: skip


def run(made: DriftFixture, desk: ReportPorts, task: Task = Task.BINARY) -> ReportResult:
    return create_report(build_use_case(task), made.window, desk)


def read_latest(desk: ReportPorts) -> Any:
    return json.loads(desk.store.fetch(build_latest_key("small")).read_bytes())


def compare_windows(desk: ReportPorts) -> WindowComparison:
    assert isinstance(desk.explain, Painter)
    return desk.explain.asked[-1]


def test_page_document_and_pointer_are_stored_and_tracked(made: DriftFixture, desk: ReportPorts) -> None:
    made.log_predictions(generate_rows(Task.BINARY, 300, seed=9))
    found = run(made, desk)
    assert found.pointer is not None
    assert read_latest(desk) == found.pointer.to_json()
    page = desk.store.fetch(found.pointer.html).read_text()
    document = json.loads(desk.store.fetch(found.pointer.json).read_text())
    assert "small version 1" in page
    for column in document["columns"]:
        assert f"<td>{column['threshold']:.4f}</td>" in page
    assert (document["rows"], document["explained"]) == (300, {"drawn": True})
    [tracked] = desk.tracker.find_runs("small", {"step": "report"})
    assert (tracked.status, tracked.tags["version"]) == ("FINISHED", "1")
    assert tracked.tags["verdict"] == found.findings.verdict
    assert tracked.metrics["rows"] == 300
    psi = {column["name"]: column["psi"] for column in document["columns"]}
    assert tracked.metrics["psi_weight"] == psi["weight"]
    for name in ("report.html", "report.json"):
        assert desk.tracker.read_artifact(tracked.id, name)
    assert isinstance(desk.stats, MemoryStats)
    assert desk.stats.counts == {"report.small.success": 1, "report.small.failure": 0}


def test_what_is_shown(made: DriftFixture, desk: ReportPorts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE_ROWS", 100)
    frame = generate_rows(Task.BINARY, 300, seed=9)
    made.report_ground_truth(made.log_predictions(frame)[:150], encode_ground_truth(Task.BINARY, frame)[:150])
    run(made, desk)
    shown = compare_windows(desk)
    assert (len(shown.rows), len(shown.reference_rows), len(shown.answers.outcomes)) == (100, 100, 100)
    assert shown.quality is not None
    assert len(shown.quality.truth) == 100
    assert shown.drift.rows == 300
    # rows that the model had not seen
    assert len(shown.reference_answers.outcomes) == len(shown.reference_quality.truth) == 100


def test_without_truth_there_is_no_quality(made: DriftFixture, desk: ReportPorts) -> None:
    made.log_predictions(generate_rows(Task.BINARY, 60, seed=9))
    run(made, desk)
    assert compare_windows(desk).quality is None


def test_a_window_without_rows_leaves_the_latest_report(made: DriftFixture, desk: ReportPorts) -> None:
    made.log_predictions(generate_rows(Task.BINARY, 60, seed=9))
    first = run(made, desk).pointer
    made.log.written_chunks.clear()
    assert run(made, desk).pointer is None
    assert first is not None
    assert read_latest(desk) == first.to_json()
    assert len(desk.tracker.find_runs("small", {"step": "report"})) == 1


@pytest.mark.parametrize("failing", ["report.html", "report.json", "latest.json"])
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda: StoreError("lake", "key", "the disk is full"), id="full disk"),
        pytest.param(KeyboardInterrupt, id="interrupt"),
    ],
)
def test_what_ends_early_is_never_the_latest(
    failing: str, fault: Callable[[], BaseException], made: DriftFixture, desk: ReportPorts
) -> None:
    made.log_predictions(generate_rows(Task.BINARY, 60, seed=9))
    first = run(made, desk).pointer
    broken = replace(desk, store=Shelf(desk.store, failing, fault))
    with pytest.raises((StoreError, KeyboardInterrupt)):
        run(made, broken)
    assert first is not None
    assert read_latest(desk) == first.to_json()
    assert desk.tracker.find_runs("small", {"step": "report"})[0].status in {"FAILED", "KILLED"}
    assert isinstance(desk.stats, MemoryStats)
    assert desk.stats.counts["report.small.failure"] == 1


def test_training_rows_that_are_gone_are_reported(made: DriftFixture, desk: ReportPorts) -> None:
    made.log_predictions(generate_rows(Task.BINARY, 60, seed=9))
    made.place.publish(Task.BINARY, seed=5)
    with pytest.raises(NotPublishedError, match="published anew"):
        run(made, desk)


def test_a_name_is_text_on_the_page(made: DriftFixture, desk: ReportPorts) -> None:
    made.log_predictions(generate_rows(Task.BINARY, 60, seed=9))
    odd = replace(made.info, model="<b>small</b>")
    found = replace(run(made, desk).findings, window=replace(made.window, info=odd))
    assert "<b>" not in render_header(found, 1, 1)
