"""What counting costs: `python -m benchmarks.counting` prints Markdown tables; `--alone` without the servers.

Our server, whole, and with bin counts that count nothing are loaded in turns as `benchmarks.serving` does it:
each with one worker on the first processor, wrk on the second, a different row with every request. Ratios are
medians over the rounds. Then the counting alone, in this process: its processor time per row, and as a share
of what the server takes for a request.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from benchmarks.environments import OURS, get_python
from benchmarks.serving.load import Load
from benchmarks.serving.model import Models
from benchmarks.serving.report import describe_machine
from benchmarks.serving.rounds import CONNECTIONS
from benchmarks.serving.servers import Server, build_our_server, run_by_app
from benchmarks.serving.stand import Stand, Up, choose_processors
from benchmarks.serving.train import prepare

from servicio_ml.features.output import Predictions
from servicio_ml.serving.models.bin_counts import BinCounts, BinCountsHeader

CACHE = Path(__file__).parents[1] / "var" / "bench"
TREES = 400
MAX_SHARE = 0.05
"""Maximum share of the throughput that counting may cost (0–1)."""
SINGLE_ROWS, REPEATS = 4096, 50
BATCHES = (1000, 10_000)
SCORED_ROWS = (1, 32, 256)
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


def disable_counting() -> Server:
    """Ours, with bin counts that count nothing."""
    whole = run_by_app(build_our_server(1), "uncounted.py")
    return replace(whole, name="uncounted", title="without counting")


def main() -> None:
    given = _parse_arguments()
    if given.alone:
        models = prepare(CACHE / "models", TREES)
        print(measure_alone(models, {}), measure_scores(models), sep="\n\n")
        return
    server, client = choose_processors()
    print(f"{describe_machine()}\n{given.rounds} rounds of {given.seconds} s\n")
    get_python(CACHE / "environments", OURS)
    models = prepare(CACHE / "models", TREES)
    with tempfile.TemporaryDirectory(prefix="servicio-ml-benchmark-") as scratch:
        stand = Stand(
            models=models, environments=CACHE / "environments", scratch=Path(scratch),
            server=server, client=client,
        )  # fmt: skip
        found = measure(stand, given.rounds, given.seconds)
    print(serve(found), end="\n\n")
    print(measure_alone(models, {connections: rounds[0] for connections, rounds in found.items()}))


def measure(stand: Stand, rounds: int, seconds: int) -> dict[int, tuple[list[Round], list[Round]]]:
    """By connections the rounds of the whole server, and of the one that does not count."""
    with ExitStack() as stack:
        ups = [
            stack.enter_context(stand.start(each, stand.server))
            for each in (build_our_server(1), disable_counting())
        ]
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
    before = up.running.measure_seconds()
    load = stand.load(up, connections=connections, seconds=seconds, processors=stand.client)
    return Round(load=load, seconds=(up.running.measure_seconds() - before) / (load.rate * seconds))


def serve(found: Mapping[int, tuple[list[Round], list[Round]]]) -> str:
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
            f" {spent * PERCENT:+.1f} % | {'yes' if lost <= MAX_SHARE else 'no'} |"
        )
    return "\n".join(lines)


def measure_alone(models: Models, whole: Mapping[int, list[Round]]) -> str:
    """Processor time of `BinCounts.add` per row, and its share of a request of one row."""
    artifact = models.artifact
    head = BinCountsHeader(
        model="rain_australia", version=1, run_id="", labels=artifact.output.labels,
        reference=artifact.reference,
        outlier_share=None if artifact.outliers is None else artifact.outliers.expected_share,
    )  # fmt: skip
    counts = BinCounts(head, np.zeros(head.size), outliers=artifact.outliers)
    single = _measure_per_row(counts, models, 1, SINGLE_ROWS)
    lines = ["| rows at a time | processor time per row, µs | of a request of one row |", "|---|---|---|"]
    shares = ", ".join(
        f"{single / statistics.median(each.seconds for each in rounds) * PERCENT:.1f} % at c = {connections}"
        for connections, rounds in whole.items()
    )
    lines.append(f"| 1 | {single * MICROSECONDS:.2f} | {shares} |")
    lines += [
        f"| {rows:,} | {_measure_per_row(counts, models, rows, rows) * MICROSECONDS:.2f} | |"
        for rows in BATCHES
    ]
    return "\n".join(lines)


def measure_scores(models: Models) -> str:
    """Time of an outlier score per row, by the number of rows of a call."""
    outliers, matrix = models.artifact.outliers, models.matrix
    if outliers is None:
        raise TypeError
    lines = ["| rows of a call | outlier score per row, µs |", "|---|---|"]
    for rows in SCORED_ROWS:
        taken = []
        for start in range(0, SINGLE_ROWS, rows):
            part = np.ascontiguousarray(matrix[start : start + rows])
            started = time.perf_counter()
            outliers.compute_scores(part)
            taken.append(time.perf_counter() - started)
        lines.append(f"| {rows} | {statistics.median(taken) / rows * MICROSECONDS:.2f} |")
    return "\n".join(lines)


def _measure_per_row(counts: BinCounts, models: Models, batch: int, rows: int) -> float:
    """Median seconds per row of adding this number of rows by batches, everything counted at the end."""
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
        started = time.process_time()
        for part in parts:
            counts.add(*part)
        counts.flush()
        taken.append(time.process_time() - started)
    return statistics.median(taken) / rows


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], prog="benchmarks.counting")
    parser.add_argument("--rounds", type=int, default=11, help="of both at every number of connections")
    parser.add_argument("--seconds", type=int, default=2, help="of one round")
    parser.add_argument("--alone", action="store_true", help="measure in this process only")
    return parser.parse_args()


if __name__ == "__main__":
    main()
