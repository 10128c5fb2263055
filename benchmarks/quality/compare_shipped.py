"""The shipped use cases beside AutoGluon: the same published rows, the same test rows, the same seconds."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.quality import report
from benchmarks.quality.peers.run import run_autogluon
from benchmarks.quality.protocols import SOURCES, Champion, get_champion, run
from benchmarks.quality.split import Split

from servicio_ml.domain.use_case import Task
from servicio_ml.features.artifact import load_artifact
from servicio_ml.use_cases.catalogue import load_catalogue

COLUMNS = (
    "use case", "training rows", "test rows", "candidate", "seconds each", "metric", "ours",
    "AutoGluon medium", "AutoGluon good", "ratio to good",
)  # fmt: skip


def compare_shipped(given: argparse.Namespace) -> None:
    lines = report.MarkdownTable(given.output, *COLUMNS)
    for name in given.names or load_catalogue():
        with tempfile.TemporaryDirectory(prefix="quality-") as scratch:
            state = Path(scratch) / "state"
            run(state, "etl", name, "--source", str(given.data / SOURCES[name]))
            # both get the time that our whole training takes
            seconds = run(state, "train", name)
            add_line(lines, get_champion(name, state), Path(scratch), seconds)


def add_line(lines: report.MarkdownTable, champion: Champion, folder: Path, seconds: float) -> None:
    split = write_split(champion, folder)
    ours = split.measure(compute_scores(champion))
    medium, good = (
        run_autogluon(split, seconds, preset).metric for preset in ("medium_quality", "good_quality")
    )
    use_case = champion.made.use_case
    lines.add(
        use_case.name, len(split.read_truth("train")), len(split.read_truth("test")),
        champion.version.tags["candidate"], f"{seconds:.0f}", split.metric,
        f"{ours:.4f}", f"{medium:.4f}", f"{good:.4f}", f"{split.compare(ours, good):.4f}",
    )  # fmt: skip


def write_split(champion: Champion, folder: Path) -> Split:
    """Write the published fields and the target, without what neither may see: lines and leaking columns."""
    use_case = champion.made.use_case
    columns = [*champion.made.setting.schema.field_names, use_case.target.name]
    for part, frame in (("train", champion.training), ("test", champion.holdout)):
        frame.select(columns).write_parquet(folder / f"{part}.parquet")
    positive = use_case.target.labels[-1] if use_case.task is Task.BINARY else None
    return Split(
        folder=folder, target=use_case.target.name, task=use_case.task.value, positive=positive,
        is_absolute=use_case.metric == "mae",
    )  # fmt: skip


def compute_scores(champion: Champion) -> Any:
    """The champion's own answers to the test rows."""
    artifact, labels = load_artifact(champion.folder), champion.made.use_case.target.labels
    answer = artifact.predict(artifact.encoder.encode_frame(champion.holdout))
    if champion.made.use_case.task is Task.BINARY and answer.probabilities is not None:
        return answer.probabilities[:, 1]
    return [labels[int(code)] for code in answer.outcomes] if labels else answer.outcomes
