"""What each step of a single prediction costs: `python -m benchmarks.steps` prints a Markdown table.

Our server, everything on, with a clock around each step, is loaded over one connection as
`benchmarks.serving` does it. The times of a step are without those of the steps within it. What a request
takes beyond all steps is the kernel, the event loop and the client; clocks add about a microsecond a step.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmarks.environments import OURS, get_python
from benchmarks.serving.load import Load
from benchmarks.serving.report import describe_machine
from benchmarks.serving.servers import Place, Server, build_our_server, run_by_app
from benchmarks.serving.stand import Stand, choose_processors
from benchmarks.serving.train import prepare

CACHE = Path(__file__).parents[1] / "var" / "bench"
TREES = 400
MICROSECONDS = 1e6
QUANTILES = (0.5, 0.99, 0.999, 1.0)
Times = dict[str, "np.ndarray[tuple[int], np.dtype[np.float64]]"]


def build_timed_server(steps: Path) -> Server:
    """Ours, with a clock around each step, whose times its worker writes to a folder."""
    whole = run_by_app(build_our_server(1), "timed.py")

    def build_settings(place: Place) -> dict[str, str]:
        return {**whole.settings(place), "BENCHMARK_STEPS": str(steps)}

    return replace(whole, name="timed", title="with clocks", settings=build_settings)


def main() -> None:
    given = _parse_arguments()
    server, client = choose_processors()
    print(f"{describe_machine()}\n{given.connections} connections, {given.seconds} s\n")
    get_python(CACHE / "environments", OURS)
    models = prepare(CACHE / "models", TREES)
    with tempfile.TemporaryDirectory(prefix="servicio-ml-benchmark-") as scratch:
        steps = Path(scratch) / "steps"
        steps.mkdir()
        stand = Stand(
            models=models, environments=CACHE / "environments", scratch=Path(scratch),
            server=server, client=client,
        )  # fmt: skip
        with stand.start(build_timed_server(steps), stand.server) as up:
            # warmed up with as many connections: the steps of these requests count too
            for seconds in (1, given.seconds):
                load = stand.load(up, connections=given.connections, seconds=seconds, processors=stand.client)
        print("\n".join(build_lines(read_times(steps), load)))


def read_times(folder: Path) -> Times:
    """Read the seconds of each step, of all workers, in the order of the steps."""
    found: dict[str, list[bytes]] = {}
    for file in sorted(folder.glob("*/*"), key=lambda each: each.name):
        found.setdefault(file.name.partition(" ")[2], []).append(file.read_bytes())
    return {name: np.frombuffer(b"".join(parts)) for name, parts in found.items()}


def build_lines(times: Times, load: Load) -> Iterator[str]:
    """Build a line for each step, with its share of the longest times."""
    yield "| step | times | mean, µs | p50 | p99 | p99.9 | maximum |"
    yield "|---|---|---|---|---|---|---|"
    for name, seconds in times.items():
        if len(seconds):
            yield _format_line(name, f"{len(seconds):,}", [seconds.mean(), *np.quantile(seconds, QUANTILES)])
    whole = [1 / load.rate, load.p50, load.p99, load.p999, load.maximum]
    yield _format_line("request, by the client", "", whole)


def _format_line(name: str, count: str, seconds: Sequence[float]) -> str:
    cells = [f"{each * MICROSECONDS:,.1f}" for each in seconds]
    return f"| {' | '.join([name, count, *cells])} |"


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], prog="benchmarks.steps")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
