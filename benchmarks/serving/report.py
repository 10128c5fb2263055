"""The tables: what was found against the targets, then every server."""

import os
import platform
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.batches import RAW
from benchmarks.serving.load import Load
from benchmarks.serving.rounds import CONNECTIONS, Measured, Scaling
from benchmarks.serving.servers import Kind

BYTES_PER_MEGABYTE = 1e6
MILLISECONDS = 1e3
TAIL_CONNECTIONS = 8
LEAST: Mapping[Kind, Mapping[int, float]] = {
    Kind.CEILING: {1: 0.7, 8: 0.9, 32: 1.4},
    Kind.PIPELINE: {1: 25, 8: 15, 32: 15},
    Kind.FAST: {1: 3, 8: 4.5, 32: 7},
}
"""Least ratio of our requests per second to theirs, by connections."""
COMPARED = {
    Kind.CEILING: "bare FastAPI echo",
    Kind.PIPELINE: "best peer on the scikit-learn pipeline",
    Kind.FAST: "best peer with a fast model inside",
}
LEAST_RECORDS, LEAST_COLUMNS = 40_000, 50_000
LEAST_ARROW, LEAST_SCALING, MOST_TAIL = 0.9, 1.8, 2
MOST_START_SECONDS, MOST_MEGABYTES = 3, 180
Rounds = Mapping[int, Load]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A target with what was found."""

    what: str
    found: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def reached(self) -> bool:
        if self.least is not None:
            return self.found >= self.least
        return self.most is not None and self.found <= self.most

    def cells(self) -> Iterator[str]:
        bound = f"≥ {self.least:,g}" if self.least is not None else f"≤ {self.most:,g}"
        yield from (self.what, f"{bound} {self.unit}".strip())
        yield from (f"{_short(self.found)} {self.unit}".strip(), "yes" if self.reached else "no")


def ratio(mine: Rounds, theirs: Rounds, of: Callable[[Load], float]) -> float:
    """Median of the ratios of rounds that both have; NaN where there is none."""
    paired = [of(mine[turn]) / of(theirs[turn]) for turn in sorted(mine.keys() & theirs.keys())]
    return statistics.median(paired) if paired else float("nan")


def compared(found: Sequence[Measured]) -> Iterator[Row]:
    """Our rate against the ceiling's and the best peers'."""
    mine = _ours(found)
    for kind, least in LEAST.items():
        rivals = [each for each in found if each.server.kind is kind]
        for connections in CONNECTIONS:
            ratios = {
                each.server.title: ratio(mine.loads[connections], each.loads[connections], _rate)
                for each in rivals
                if each.loads[connections]
            }
            if ratios:
                best = min(ratios, key=lambda title: ratios[title])
                named = "" if kind is Kind.CEILING else f" ({best})"
                what = f"÷ {COMPARED[kind]}{named}, c = {connections}"
                yield Row(what=what, found=ratios[best], least=least[connections])
        if kind is Kind.CEILING and rivals:
            tail, other = (each.loads[TAIL_CONNECTIONS] for each in (mine, rivals[0]))
            what = f"p99 ÷ that of the echo, c = {TAIL_CONNECTIONS}"
            yield Row(what=what, found=ratio(tail, other, _p99), most=MOST_TAIL)


def memory(found: Sequence[Measured]) -> Iterator[Row]:
    """Of our one worker; its parent is counted with all servers' processes in the other table."""
    megabytes = _ours(found).memory[-1].greatest / BYTES_PER_MEGABYTE
    yield Row(what="worker's memory (PSS) after load", found=megabytes, unit="MB", most=MOST_MEGABYTES)


def start(seconds: float) -> Iterator[Row]:
    yield Row(what="start to first answer", found=seconds, unit="s", most=MOST_START_SECONDS)


def batches(rates: Mapping[str, float]) -> Iterator[Row]:
    """Many rows a request."""
    unit = "rows/s"
    yield Row(what="10,000 rows, JSON records", found=rates["JSON records"], unit=unit, least=LEAST_RECORDS)
    yield Row(what="10,000 rows, JSON columns", found=rates["JSON columns"], unit=unit, least=LEAST_COLUMNS)
    what = f"10,000 rows, Arrow ÷ {RAW}"
    yield Row(what=what, found=rates["Arrow"] / rates[RAW], least=LEAST_ARROW)


def scaling(found: Scaling) -> Iterator[Row]:
    """Workers: what was measured, and what remains when wrk's own share is left out."""
    what = "two workers ÷ one, c = 32, wrk on the same two processors"
    yield Row(what=what, found=found.rate, least=LEAST_SCALING)
    what = "the same without wrk's share: 2 × requests per processor second, two ÷ one"
    yield Row(what=what, found=2 * found.efficiency, least=LEAST_SCALING)


def targets(rows: Sequence[Row]) -> str:
    """Markdown of what was aimed at."""
    return _table(("what", "target", "found", "reached"), [tuple(row.cells()) for row in rows])


def servers(found: Sequence[Measured]) -> str:
    """Markdown of every server: medians."""
    head = (
        "server", *(f"req/s, c = {each}" for each in CONNECTIONS),
        *(f"p99, c = {each}, ms" for each in CONNECTIONS), "first answer, s", "memory, MB",
    )  # fmt: skip
    rows = []
    for each in found:
        rates = [_median(each.loads[count], _rate) for count in CONNECTIONS]
        tails = [_median(each.loads[count], _p99) * MILLISECONDS for count in CONNECTIONS]
        memory = each.memory[-1].total / BYTES_PER_MEGABYTE
        rows.append((each.server.title, *map(_short, (*rates, *tails, each.seconds, memory))))
    return _table(head, rows)


def many(rates: Mapping[str, float]) -> str:
    """Markdown of the rates of batches."""
    return _table(("10,000 rows a request", "rows/s"), [(name, _short(rate)) for name, rate in rates.items()])


def machine() -> str:
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


def _ours(found: Sequence[Measured]) -> Measured:
    return next(each for each in found if each.server.kind is Kind.OURS)


def _rate(load: Load) -> float:
    return load.rate


def _p99(load: Load) -> float:
    return load.p99


def _median(rounds: Rounds, of: Callable[[Load], float]) -> float:
    return statistics.median(map(of, rounds.values())) if rounds else float("nan")


def _short(value: float) -> str:
    """Three digits, thousands apart."""
    return f"{float(f'{value:.3g}'):,.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"  # noqa: PLR2004  digits


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
