"""What counting costs: `python -m benchmarks.counting` prints Markdown tables.

Our server, whole, and with tallies that count nothing are loaded in turns as `benchmarks.serving` does it:
each with one worker on the first processor, wrk on the second, a different row with every request. Ratios are
medians over the rounds. Then the counting alone, in this process: its processor time per row, and as a share
of what the server takes for a request.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmarks.serving.environments import OURS, python_of
from benchmarks.serving.load import Load
from benchmarks.serving.model import Models
from benchmarks.serving.report import machine
from benchmarks.serving.rounds import CONNECTIONS
from benchmarks.serving.servers import Place, Server, ours
from benchmarks.serving.stand import Stand, Up
from benchmarks.serving.train import prepare

from servicio_ml.features.output import Predictions
from servicio_ml.serving.tally import Head, Tally

CACHE = Path(__file__).parents[1] / "var" / "bench"
TREES = 400
MOST_SHARE = 0.05
"""Of the throughput that counting may cost."""
SINGLE_ROWS, REPEATS = 4096, 50
BATCHES = (1000, 10_000)
MICROSECONDS, PERCENT = 1e6, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One load of one server.

    Attributes:
        load: What wrk found.
        seconds: Processor time of the server's processes per request.
    """

    load: Load
    seconds: float


def uncounted() -> Server:
    """Ours, with tallies that count nothing."""
    whole = ours(1)

    def command(place: Place) -> list[str]:
        _, _, *words = whole.command(place)
        return ["uncounted.py", *words]

    return replace(whole, name="uncounted", title="without counting", command=command)


def main() -> None:
    given = _arguments()
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:  # noqa: PLR2004  one each
        raise SystemExit("two processors are needed: one for the server, one for wrk")
    print(f"{machine()}\n{given.rounds} rounds of {given.seconds} s\n")
    python_of(CACHE / "environments", OURS)
    models = prepare(CACHE / "models", TREES)
    with tempfile.TemporaryDirectory(prefix="servicio-ml-benchmark-") as scratch:
        stand = Stand(
            models=models, environments=CACHE / "environments", scratch=Path(scratch),
            server=str(processors[0]), client=str(processors[1]),
        )  # fmt: skip
        found = measure(stand, given.rounds, given.seconds)
    print(served(found), end="\n\n")
    print(alone(models, {connections: rounds[0] for connections, rounds in found.items()}))


def measure(stand: Stand, rounds: int, seconds: int) -> dict[int, tuple[list[Round], list[Round]]]:
    """By connections the rounds of the whole server, and of the one that does not count."""
    with ExitStack() as stack:
        ups = [stack.enter_context(stand.up(each, stand.server)) for each in (ours(1), uncounted())]
        for up in ups:
            stand.warm(up, stand.client)
        found: dict[int, tuple[list[Round], list[Round]]] = {each: ([], []) for each in CONNECTIONS}
        for connections, both in found.items():
            for turn in range(rounds):
                # each is first as often as second
                for place in (turn % 2, 1 - turn % 2):
                    both[place].append(_round(stand, ups[place], connections, seconds))
    return found


def _round(stand: Stand, up: Up, connections: int, seconds: int) -> Round:
    before = up.running.seconds()
    load = stand.load(up, connections=connections, seconds=seconds, processors=stand.client)
    return Round(load=load, seconds=(up.running.seconds() - before) / (load.rate * seconds))


def served(found: Mapping[int, tuple[list[Round], list[Round]]]) -> str:
    """Throughput with and without, and what the difference is."""
    lines = [
        "| connections | req/s, counting | not counting | costs of throughput | of processor time | ≤ 5 % |",
        "|---|---|---|---|---|---|",
    ]
    for connections, (with_it, without) in found.items():
        pairs = list(zip(with_it, without, strict=True))
        lost = 1 - statistics.median(one.load.rate / other.load.rate for one, other in pairs)
        spent = 1 - statistics.median(other.seconds / one.seconds for one, other in pairs)
        rates = [statistics.median(each.load.rate for each in rounds) for rounds in (with_it, without)]
        lines.append(
            f"| {connections} | {rates[0]:,.0f} | {rates[1]:,.0f} | {lost * PERCENT:+.1f} % |"
            f" {spent * PERCENT:+.1f} % | {'yes' if lost <= MOST_SHARE else 'no'} |"
        )
    return "\n".join(lines)


def alone(models: Models, whole: Mapping[int, list[Round]]) -> str:
    """Processor time of `Tally.add` per row, and its share of a request of one row."""
    artifact = models.artifact
    head = Head(
        model="rain_australia", version=1, run_id="", labels=artifact.output.labels,
        reference=artifact.reference,
    )  # fmt: skip
    tally = Tally(head, np.zeros(head.width))
    single = _per_row(tally, models, 1, SINGLE_ROWS)
    lines = ["| rows at a time | processor time per row, µs | of a request of one row |", "|---|---|---|"]
    shares = ", ".join(
        f"{single / statistics.median(each.seconds for each in rounds) * PERCENT:.1f} % at c = {connections}"
        for connections, rounds in whole.items()
    )
    lines.append(f"| 1 | {single * MICROSECONDS:.2f} | {shares} |")
    lines += [
        f"| {rows:,} | {_per_row(tally, models, rows, rows) * MICROSECONDS:.2f} | |" for rows in BATCHES
    ]
    return "\n".join(lines)


def _per_row(tally: Tally, models: Models, batch: int, rows: int) -> float:
    """Median seconds per row of adding so many rows by batches, everything counted at the end."""
    matrix, answers = models.matrix, models.artifact.predict(models.matrix)
    if answers.probabilities is None:
        raise TypeError
    parts = [
        (
            matrix[start : start + batch],
            Predictions(
                outcomes=answers.outcomes[start : start + batch],
                probabilities=answers.probabilities[start : start + batch],
            ),
        )
        for start in range(0, rows, batch)
    ]
    taken = []
    for _ in range(REPEATS):
        begun = time.process_time()
        for part in parts:
            tally.add(*part)
        tally.flush()
        taken.append(time.process_time() - begun)
    return statistics.median(taken) / rows


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], prog="benchmarks.counting")
    parser.add_argument("--rounds", type=int, default=11, help="of both at every number of connections")
    parser.add_argument("--seconds", type=int, default=2, help="of one round")
    return parser.parse_args()


if __name__ == "__main__":
    main()
