"""Drafts of public tables, beside a tuned LightGBM and AutoGluon on the same rows."""

import argparse
import subprocess
import tempfile
from pathlib import Path

from benchmarks.quality import report
from benchmarks.quality.ours import draft_and_measure
from benchmarks.quality.peers.run import run_autogluon, run_lightgbm
from benchmarks.quality.split import METRICS, Split
from benchmarks.quality.tables import TABLES, PublicTable, split_table, write_tables

COLUMNS = (
    "table", "training rows", "columns", "lines", "seconds", "decision", "candidate", "rejected test rows",
    "metric", "ours", "tuned LightGBM", "AutoGluon medium", "ours ÷ LightGBM",
)  # fmt: skip


def compare_tables(given: argparse.Namespace) -> None:
    lines = report.MarkdownTable(given.output, *COLUMNS)
    with tempfile.TemporaryDirectory(prefix="quality-") as scratch:
        write_tables(Path(scratch))
        for table in TABLES:
            if not given.names or table.name in given.names:
                folder = Path(scratch) / table.name
                folder.mkdir()
                split = split_table(table, Path(scratch) / table.file, folder)
                add_line(lines, table, split, given.seconds)


def add_line(lines: report.MarkdownTable, table: PublicTable, split: Split, seconds: float) -> None:
    rows, columns = split.read_inputs("train").shape
    try:
        ours = draft_and_measure(table.name, split)
    except subprocess.CalledProcessError as error:
        lines.add(table.name, rows, columns, f"failed: {error}")
        return
    tuned, other = run_lightgbm(split, seconds), run_autogluon(split, seconds, "medium_quality")
    lines.add(
        table.name, rows, columns, ours.lines, f"{ours.seconds:.0f}", ours.decision, ours.candidate,
        ours.rejected, METRICS[table.task], f"{ours.metric:.4f}", f"{tuned.metric:.4f}",
        f"{other.metric:.4f}", f"{ours.metric / tuned.metric:.3f}",
    )  # fmt: skip
