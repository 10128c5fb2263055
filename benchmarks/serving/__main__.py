"""What serving costs, ours against the peers: `make bench-serving`, or `python -m benchmarks.serving`.

Makes each server's environment and one rain model, once, in `var/bench`; starts every server on one processor
and loads it with wrk from another, in turns, a different row with every request. Prints Markdown tables.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.serving import batches, imported, neighbours, report, rounds
from benchmarks.serving.servers import ECHO, MLFLOW, PEERS, Server, build_our_server
from benchmarks.serving.stand import Stand
from benchmarks.serving.train import prepare
from rich.console import Console

from benchmarks import environments
from servicio_ml.adapters.console import ConsoleProgress

CACHE = Path(__file__).parents[2] / "var" / "bench"
TREES = 400
PARTS = ("requests", "imported", "neighbours", "batches", "workers", "start")
BATCH_ROUNDS = 7
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
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:  # noqa: PLR2004  one each
        raise SystemExit("two processors are needed: one for the server, one for wrk")
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
            server=str(processors[0]), client=str(processors[1]),
        )  # fmt: skip
        print(f"{machine}\n{TREES} trees, trained on {models.source}")
        print(f"{given.rounds} rounds of {given.seconds} s\n")
        _measure(stand, given, progress)


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


def _measure(stand: Stand, given: argparse.Namespace, progress: ConsoleProgress) -> None:
    servers: Sequence[Server] = (
        ECHO,
        build_our_server(1),
        *(peer for peer in PEERS if peer.name in given.only),
    )
    rows: list[report.Row] = []
    tables: list[str] = []
    if "requests" in given.parts:
        total = len(servers) * given.rounds * len(rounds.CONNECTIONS)
        with progress.open_bar("requests of one row", total=total) as advance:
            found = rounds.measure(stand, servers, given.rounds, given.seconds, advance)
        rows += report.compare_targets(found)
        rows += report.measure_memory(found)
        tables.append(report.build_server_table(found))
    if "imported" in given.parts:
        progress.report("the import of the pipeline")
        servers = imported.list_servers(stand.models)
        total = len(servers) * given.rounds * len(rounds.CONNECTIONS)
        with progress.open_bar("one pipeline, imported", total=total) as advance:
            found = rounds.measure(stand, servers, given.rounds, given.seconds, advance)
        tables.append(report.build_import_table(found, MLFLOW.name))
    if "neighbours" in given.parts:
        progress.report("a model with a neighbour")
        total = len(neighbours.FAULTS) * given.rounds
        with progress.open_bar("beside a neighbour", total=total) as advance:
            beside = neighbours.measure(stand, given.rounds, given.seconds, advance)
        tables.append(report.build_neighbour_table(beside))
    if "batches" in given.parts:
        progress.report("batches")
        rates = batches.compute_medians(batches.measure(stand, set(given.only), given.batch_rounds))
        rows += report.build_batch_table(rates)
        tables.append(report.build_batch_lines(rates))
    if "workers" in given.parts:
        progress.report("two workers and one")
        rows += report.build_scaling_table(rounds.measure_scaling(stand, given.rounds, given.seconds))
    if "start" in given.parts:
        progress.report("start")
        rows += report.start(rounds.start(stand))
    print("\n\n".join([*([report.build_target_table(rows)] if rows else []), *tables]))


def _parse_arguments() -> argparse.Namespace:
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], prog="benchmarks.serving")
    parser.add_argument(
        "--rounds", type=int, default=5, help="of every server at every number of connections"
    )
    parser.add_argument("--seconds", type=int, default=3, help="of one round")
    parser.add_argument("--only", nargs="*", default=names, choices=names, help="these peers; none if empty")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="what to measure")
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
