"""Drafts of public tables, beside a tuned LightGBM and AutoGluon on the same rows."""

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.quality import report
from benchmarks.quality.ours import DraftResult, draft_and_measure
from benchmarks.quality.peers.run import run_autogluon, run_lightgbm
from benchmarks.quality.split import METRICS, Split
from benchmarks.quality.tables import TABLES, PublicTable, split_table, write_tables

COLUMNS = (
    "table", "splits", "training rows", "columns", "lines", "seconds", "decision", "candidate",
    "rejected test rows",
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
                splits = split_table(table, Path(scratch) / table.file, folder)
                add_line(lines, table, splits, given.seconds)


def add_line(
    lines: report.MarkdownTable, table: PublicTable, splits: Sequence[Split], seconds: float
) -> None:
    """Measure a table on its splits and add the means."""
    rows, columns = splits[0].read_inputs("train").shape
    try:
        ours = [draft_and_measure(table.name, split) for split in splits]
    except subprocess.CalledProcessError as error:
        lines.add(table.name, len(splits), rows, columns, f"failed: {error}")
        return
    tuned = fmean(run_lightgbm(split, seconds).metric for split in splits)
    other = fmean(run_autogluon(split, seconds, "medium_quality").metric for split in splits)
    lines.add(
        table.name, len(splits), rows, columns, *summarize_drafts(ours), METRICS[table.task],
        *compare_means(fmean(each.metric for each in ours), tuned, other),
    )  # fmt: skip


def summarize_drafts(drafts: Sequence[DraftResult]) -> tuple[object, ...]:
    """Summarize lines, seconds, decisions, candidates and rejected rows of the drafts of a table."""
    return (
        max(each.lines for each in drafts), f"{fmean(each.seconds for each in drafts):.0f}",
        "/".join(sorted({each.decision for each in drafts})),
        "/".join(sorted({each.candidate for each in drafts})), sum(each.rejected for each in drafts),
    )  # fmt: skip


def compare_means(ours: float, tuned: float, other: float) -> tuple[str, ...]:
    return f"{ours:.4f}", f"{tuned:.4f}", f"{other:.4f}", f"{ours / tuned:.3f}"
