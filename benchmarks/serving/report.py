"""The tables: what was found against the targets, then every server."""

import os
import platform
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.batches import RAW
from benchmarks.serving.load import Load
from benchmarks.serving.measurements import Medians
from benchmarks.serving.neighbours import Beside, compute_tail_ratio
from benchmarks.serving.rounds import CONNECTIONS, Measured, Scaling
from benchmarks.serving.servers import ServerKind

BYTES_PER_MEGABYTE = 1e6
MILLISECONDS = 1e3
TAIL_CONNECTIONS = 8
MINIMUM: Mapping[ServerKind, Mapping[int, float]] = {
    ServerKind.CEILING: {1: 0.75, 8: 1.5, 32: 1.9},
    ServerKind.PIPELINE: {1: 20, 8: 18, 32: 18},
    ServerKind.FAST: {1: 2.3, 8: 5.5, 32: 7},
}
"""Least ratio of our requests per second to theirs, by connections."""
MAX_TAILS: Mapping[int, float] = {1: 2, 8: 1.5, 32: 2}
"""Greatest ratio of our 99th percentile to that of the echo, by connections."""
COMPARED = {
    ServerKind.CEILING: "bare FastAPI echo",
    ServerKind.PIPELINE: "best peer on the scikit-learn pipeline",
    ServerKind.FAST: "best peer with a fast model inside",
}
MIN_RECORDS, MIN_COLUMNS = 40_000, 50_000
MIN_ARROW, MIN_SCALING = 0.95, 1.8
MAX_START_SECONDS, MAX_MEGABYTES, MAX_RARE_MILLISECONDS = 3, 150, 5
Rounds = Mapping[int, Load]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A target with what was found."""

    what: str
    found: float
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None

    @property
    def reached(self) -> bool:
        if self.minimum is not None:
            return self.found >= self.minimum
        return self.maximum is not None and self.found <= self.maximum

    def format_cells(self) -> Iterator[str]:
        bound = f"≥ {self.minimum:,g}" if self.minimum is not None else f"≤ {self.maximum:,g}"
        yield from (self.what, f"{bound} {self.unit}".strip())
        yield from (f"{_format_short(self.found)} {self.unit}".strip(), "yes" if self.reached else "no")


def compute_ratio(mine: Rounds, theirs: Rounds, of: Callable[[Load], float]) -> float:
    """Median of the ratios of rounds that both have; NaN where there is none."""
    paired = [of(mine[turn]) / of(theirs[turn]) for turn in sorted(mine.keys() & theirs.keys())]
    return statistics.median(paired) if paired else float("nan")


def compare_targets(found: Sequence[Measured]) -> Iterator[Row]:
    """Our rate against the ceiling's and the best peers'."""
    mine = _select_ours(found)
    for kind in MINIMUM:
        rivals = [each for each in found if each.server.kind is kind]
        for connections in CONNECTIONS:
            yield from _compare_rates(mine, rivals, kind, connections)
        if kind is ServerKind.CEILING and rivals:
            yield from _compare_tails(mine, rivals[0])


def _compare_tails(mine: Measured, echo: Measured) -> Iterator[Row]:
    for connections, limit in MAX_TAILS.items():
        tail, other = (each.loads[connections] for each in (mine, echo))
        what = f"p99 ÷ that of the echo, c = {connections}"
        yield Row(what=what, found=compute_ratio(tail, other, _get_p99), maximum=limit)
    rare = _compute_median(mine.loads[1], _get_p999) * MILLISECONDS
    yield Row(what="p99.9, c = 1", found=rare, unit="ms", maximum=MAX_RARE_MILLISECONDS)


def _compare_rates(
    mine: Measured, rivals: Sequence[Measured], kind: ServerKind, connections: int
) -> Iterator[Row]:
    """Our rate against the best of one kind; no row where none of them was measured."""
    ratios = {
        each.server.title: compute_ratio(mine.loads[connections], each.loads[connections], _compute_rate)
        for each in rivals
        if each.loads[connections]
    }
    if ratios:
        best = min(ratios, key=lambda title: ratios[title])
        named = "" if kind is ServerKind.CEILING else f" ({best})"
        what = f"÷ {COMPARED[kind]}{named}, c = {connections}"
        yield Row(what=what, found=ratios[best], minimum=MINIMUM[kind][connections])


def measure_memory(found: Sequence[Measured]) -> Iterator[Row]:
    """Measure the memory of our one worker; the other table counts its parent with all servers' processes."""
    megabytes = _select_ours(found).memory[-1].largest_child / BYTES_PER_MEGABYTE
    yield Row(what="worker's memory (PSS) after load", found=megabytes, unit="MB", maximum=MAX_MEGABYTES)


def start(seconds: float) -> Iterator[Row]:
    yield Row(what="start to first answer", found=seconds, unit="s", maximum=MAX_START_SECONDS)


def build_batch_table(rates: Mapping[str, float]) -> Iterator[Row]:
    """Many rows a request."""
    unit = "rows/s"
    yield Row(what="10,000 rows, JSON records", found=rates["JSON records"], unit=unit, minimum=MIN_RECORDS)
    yield Row(what="10,000 rows, JSON columns", found=rates["JSON columns"], unit=unit, minimum=MIN_COLUMNS)
    what = f"10,000 rows, Arrow ÷ {RAW}"
    yield Row(what=what, found=rates["Arrow"] / rates[RAW], minimum=MIN_ARROW)


def build_scaling_table(found: Scaling) -> Iterator[Row]:
    """Workers: what was measured, and what remains when wrk's own share is left out."""
    what = "two workers ÷ one, c = 32, wrk on the same two processors"
    yield Row(what=what, found=found.rate, minimum=MIN_SCALING)
    what = "the same without wrk's share: 2 × requests per processor second, two ÷ one"
    yield Row(what=what, found=2 * found.efficiency, minimum=MIN_SCALING)


def build_target_table(rows: Sequence[Row]) -> str:
    """Markdown of what was aimed at."""
    return _format_table(("what", "target", "found", "reached"), [tuple(row.format_cells()) for row in rows])


def build_server_table(found: Sequence[Measured]) -> str:
    """Markdown of every server: medians."""
    head = ("server", *(f"req/s, c = {each}" for each in CONNECTIONS), "first answer, s", "memory, MB")
    rows = []
    for each in found:
        rates = [_compute_median(each.loads[count], _compute_rate) for count in CONNECTIONS]
        memory = each.memory[-1].total / BYTES_PER_MEGABYTE
        rows.append((each.server.title, *map(_format_short, (*rates, each.seconds, memory))))
    return _format_table(head, rows)


def build_tail_table(found: Sequence[Measured], describe: Callable[[int], str]) -> str:
    """Markdown of the latencies of every server at every level: medians of the rounds, in milliseconds.

    Args:
        found: What was measured.
        describe: Describes a level.
    """
    head = ("server", "load", *TAILS)
    rows = [
        (
            each.server.title,
            describe(level),
            *(_format_short(_compute_median(loads, of) * MILLISECONDS) for of in TAILS.values()),
        )
        for each in found
        for level, loads in each.loads.items()
    ]
    return _format_table(head, rows)


def build_comparison_table(before: Medians, after: Medians) -> str:
    """Markdown of what two files of measurements have in common: old, new and new ÷ old."""
    rows = [
        (*map(str, key), name, *map(_format_short, (old, new, new / old if old else float("nan"))))
        for key in before.keys() & after.keys()
        for name in before[key].keys() & after[key].keys()
        for old, new in [(before[key][name], after[key][name])]
    ]
    return _format_table(("part", "server", "level", "measure", "old", "new", "new ÷ old"), sorted(rows))


def build_import_table(found: Sequence[Measured], peer: str) -> str:
    """Markdown of one pipeline in each server: medians, and medians of the ratios to the peer of a name."""
    head = (
        "server", *(f"req/s, c = {each}" for each in CONNECTIONS),
        *(f"÷ {peer}, c = {each}" for each in CONNECTIONS), f"p99, c = {TAIL_CONNECTIONS}, ms",
    )  # fmt: skip
    theirs = next((each.loads for each in found if each.server.name == peer), {})
    rows = []
    for each in found:
        rates = [_compute_median(each.loads[count], _compute_rate) for count in CONNECTIONS]
        ratios = [
            compute_ratio(each.loads[count], theirs.get(count, {}), _compute_rate) for count in CONNECTIONS
        ]
        tail = _compute_median(each.loads[TAIL_CONNECTIONS], _get_p99) * MILLISECONDS
        rows.append((each.server.title, *map(_format_short, (*rates, *ratios, tail))))
    return _format_table(head, rows)


def build_neighbour_table(found: Mapping[str, Beside]) -> str:
    """Markdown of the latency beside each fault: medians of the rounds."""
    idle = next(iter(found.values()))
    rows = []
    for name, each in found.items():
        p50, p99 = (statistics.median(map(of, each.loads)) * MILLISECONDS for of in (_get_p50, _get_p99))
        cells = (p50, p99, compute_tail_ratio(idle.loads, each.loads))
        rows.append((name, *map(_format_short, cells), f"{len(each.answered):,}"))
    head = ("neighbour", "p50, ms", "p99, ms", "p99 ÷ idle", "answers looked up in the log")
    return _format_table(head, rows)


def build_batch_lines(rates: Mapping[str, float]) -> str:
    """Markdown of the rates of batches."""
    return _format_table(
        ("10,000 rows a request", "rows/s"), [(name, _format_short(rate)) for name, rate in rates.items()]
    )


def describe_machine() -> str:
    """Processors, system and load of the machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
    busy = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} × {model}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}; load average at the start {busy:.2f}"
    )


def _select_ours(found: Sequence[Measured]) -> Measured:
    return next(each for each in found if each.server.kind is ServerKind.OURS)


def _compute_rate(load: Load) -> float:
    return load.rate


def _get_p50(load: Load) -> float:
    return load.p50


def _get_p99(load: Load) -> float:
    return load.p99


def _get_p999(load: Load) -> float:
    return load.p999


def _get_maximum(load: Load) -> float:
    return load.maximum


TAILS: Mapping[str, Callable[[Load], float]] = {
    "p50, ms": _get_p50, "p99, ms": _get_p99, "p99.9, ms": _get_p999, "maximum, ms": _get_maximum,
}  # fmt: skip


def _compute_median(rounds: Rounds, of: Callable[[Load], float]) -> float:
    return statistics.median(map(of, rounds.values())) if rounds else float("nan")


def _format_short(value: float) -> str:
    """Three digits, thousands apart."""
    return f"{float(f'{value:.3g}'):,.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"  # noqa: PLR2004  digits


def _format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
