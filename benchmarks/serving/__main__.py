"""What serving costs, ours against the peers: `make bench-serving`, or `python -m benchmarks.serving`.

Makes each server's environment and one rain model, once, in `var/bench`; starts every server on one processor
and loads it from another, in turns, a different row with every request. Prints Markdown tables, and writes
each measurement to a file as it comes.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.serving import batches, imported, neighbours, report, rounds
from benchmarks.serving.load import Load
from benchmarks.serving.measurements import MeasurementFile, read_medians
from benchmarks.serving.servers import ECHO, MLFLOW, PEERS, Server, build_our_server
from benchmarks.serving.stand import Stand, Up, choose_processors
from benchmarks.serving.train import prepare
from rich.console import Console

from benchmarks import environments
from servicio_ml.adapters.console import ConsoleProgress

CACHE = Path(__file__).parents[2] / "var" / "bench"
TREES = 400
BATCH_ROUNDS = 7
PERCENT = 100
TERMINATED = 128 + signal.SIGTERM
QUICK_ROUNDS, QUICK_SECONDS = 1, 1


def main() -> None:
    given = _parse_arguments()
    # servers are stopped on the way out, also when this process is asked to end
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    if given.lock:
        CACHE.mkdir(parents=True, exist_ok=True)
        environments.lock(CACHE / "constraints.txt")
        return
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is missing; on Debian and Ubuntu: apt-get install wrk util-linux")
    # read first: a wrong file is found before the measurement, and may be the one that is written
    before = read_medians(given.compare) if given.compare else {}
    server, client = choose_processors()
    machine = report.describe_machine()
    progress = ConsoleProgress(Console(stderr=True, soft_wrap=True))
    for name in sorted({environments.OURS, *(peer.environment for peer in PEERS if peer.name in given.only)}):
        progress.report(f"environment of {name}")
        _make_environment(name)
    progress.report("the model")
    models = prepare(CACHE / "models", TREES)
    with tempfile.TemporaryDirectory(prefix="servicio-ml-benchmark-") as scratch:
        stand = Stand(
            models=models, environments=CACHE / "environments", scratch=Path(scratch),
            server=server, client=client,
        )  # fmt: skip
        print(f"{machine}\n{TREES} trees, trained on {models.source}")
        print(f"{given.rounds} rounds of {given.seconds} s\n", flush=True)
        file = MeasurementFile(given.output, machine)
        _run_parts(PartRunner(stand=stand, given=given, progress=progress, file=file))
    if given.compare:
        print(report.build_comparison_table(before, read_medians(given.output)))


def _make_environment(name: str) -> None:
    try:
        environments.get_python(CACHE / "environments", name)
    except subprocess.CalledProcessError as error:
        if name == environments.OURS:
            raise
        print(
            f"the environment of {name} cannot be made, its servers will be left out: {error}",
            file=sys.stderr,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRunner:
    """What the parts share.

    Attributes:
        stand: Where servers are measured.
        given: Arguments of the command.
        progress: Receives progress.
        file: Receives each measurement as it comes.
    """

    stand: Stand
    given: argparse.Namespace
    progress: ConsoleProgress
    file: MeasurementFile

    def list_servers(self) -> Sequence[Server]:
        """List the echo, ours and the chosen peers."""
        return (ECHO, build_our_server(1), *(peer for peer in PEERS if peer.name in self.given.only))

    def measure(
        self, part: str, servers: Sequence[Server], levels: Sequence[int], load: Callable[[Up, int], Load]
    ) -> list[rounds.Measured]:
        """Measure every server of a part at its levels."""
        total = len(servers) * self.given.rounds * len(levels)
        with self.progress.open_bar(part, total=total) as advance:
            how = rounds.Rounds(
                levels=levels, count=self.given.rounds, load=load, advance=advance,
                keep=partial(self.file.add_load, part),
            )  # fmt: skip
            return rounds.measure(self.stand, servers, how)

    def load(self, up: Up, connections: int) -> Load:
        """Load a server with requests as fast as it answers."""
        return self.stand.load(
            up, connections=connections, seconds=self.given.seconds, processors=self.stand.client
        )


def _measure_requests(run: PartRunner) -> Iterator[str]:
    found = run.measure("requests", run.list_servers(), rounds.CONNECTIONS, run.load)
    yield report.build_target_table([*report.compare_targets(found), *report.measure_memory(found)])
    yield report.build_server_table(found)
    yield report.build_tail_table(found, lambda level: f"c = {level}")


def _measure_paced(run: PartRunner) -> Iterator[str]:
    rate, seconds = rounds.find_echo_rate(run.stand, run.given.seconds), run.given.seconds
    run.file.add_value("paced", "rate of the echo", rate)
    found = run.measure(
        "paced", run.list_servers(), rounds.SHARES,
        lambda up, share: run.stand.load_at_rate(up, rate * share / PERCENT, seconds),
    )  # fmt: skip
    yield report.build_tail_table(found, lambda share: f"{share} %: {rate * share / PERCENT:,.0f} req/s")


def _measure_imported(run: PartRunner) -> Iterator[str]:
    servers = imported.list_servers(run.stand.models)
    found = run.measure("imported", servers, rounds.CONNECTIONS, run.load)
    yield report.build_import_table(found, MLFLOW.name)


def _measure_neighbours(run: PartRunner) -> Iterator[str]:
    total = len(neighbours.FAULTS) * run.given.rounds
    with run.progress.open_bar("beside a neighbour", total=total) as advance:
        beside = neighbours.measure(run.stand, run.given.rounds, run.given.seconds, advance)
    for name, each in beside.items():
        for found in each.loads:
            run.file.add_load("neighbours", name, neighbours.CONNECTIONS, found)
    yield report.build_neighbour_table(beside)


def _measure_batches(run: PartRunner) -> Iterator[str]:
    rates = batches.compute_medians(batches.measure(run.stand, set(run.given.only), run.given.batch_rounds))
    yield _keep_rows(run, "batches", report.build_batch_table(rates))
    yield report.build_batch_lines(rates)


def _measure_workers(run: PartRunner) -> Iterator[str]:
    scaling = rounds.measure_scaling(run.stand, run.given.rounds, run.given.seconds)
    yield _keep_rows(run, "workers", report.build_scaling_table(scaling))


def _measure_start(run: PartRunner) -> Iterator[str]:
    yield _keep_rows(run, "start", report.start(rounds.start(run.stand)))


def _keep_rows(run: PartRunner, part: str, rows: Iterable[report.Row]) -> str:
    kept = list(rows)
    for row in kept:
        run.file.add_value(part, row.what, row.found)
    return report.build_target_table(kept)


PARTS: Mapping[str, Callable[[PartRunner], Iterator[str]]] = {
    "requests": _measure_requests,
    "paced": _measure_paced,
    "imported": _measure_imported,
    "neighbours": _measure_neighbours,
    "batches": _measure_batches,
    "workers": _measure_workers,
    "start": _measure_start,
}


def _run_parts(run: PartRunner) -> None:
    for part in run.given.parts:
        run.progress.report(part)
        for table in PARTS[part](run):
            # each as it comes: what fails later takes nothing away
            print(f"{table}\n", flush=True)


def _parse_arguments() -> argparse.Namespace:
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], prog="benchmarks.serving")
    parser.add_argument(
        "--rounds", type=int, default=5, help="of every server at every number of connections"
    )
    parser.add_argument("--seconds", type=int, default=3, help="of one round")
    parser.add_argument("--only", nargs="*", default=names, choices=names, help="these peers; none if empty")
    parser.add_argument("--parts", nargs="+", default=[*PARTS], choices=[*PARTS], help="what to measure")
    parser.add_argument(
        "--output", type=Path, default=CACHE / "serving.jsonl", help="JSON lines of what was measured"
    )
    parser.add_argument("--compare", type=Path, help="such a file: its medians are shown beside the new ones")
    parser.add_argument("--quick", action="store_true", help="one round of one second: does it work?")
    parser.add_argument(
        "--lock", action="store_true", help="resolve the peers' locks anew, and measure nothing"
    )
    given = parser.parse_args()
    given.batch_rounds = BATCH_ROUNDS
    if given.quick:
        given.rounds, given.seconds, given.batch_rounds = QUICK_ROUNDS, QUICK_SECONDS, QUICK_ROUNDS
    return given


if __name__ == "__main__":
    main()
