import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from benchmarks.environments import LOCKS, PEERS
from benchmarks.serving.load import Load, MeasurementError, parse_output, run, run_paced, write_bodies
from benchmarks.serving.measurements import MeasurementFile, read_medians
from benchmarks.serving.model import Models
from benchmarks.serving.neighbours import Beside, compute_tail_ratio
from benchmarks.serving.processes import Memory, Running, find_free_port, post, start, wait_for_first_answer
from benchmarks.serving.report import (
    Row,
    build_comparison_table,
    build_import_table,
    build_neighbour_table,
    build_target_table,
    compare_targets,
    compute_ratio,
)
from benchmarks.serving.rounds import CONNECTIONS, Measured, Rounds, leave_out, measure
from benchmarks.serving.servers import ECHO, MLFLOW, Server, ServerKind, build_our_server
from benchmarks.serving.servers import PEERS as SERVERS
from benchmarks.serving.stand import Stand, Up

ANSWERED = (
    '{"requests": 600, "microseconds": 2000000, "refused": 0, "broken": 0,'
    ' "p50": 900, "p99": 4000, "p999": 5000, "maximum": 6000}'
)

YES = """
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Yes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    answered = 0

    def do_POST(self):
        Yes.answered += 1
        if Yes.answered == {pause_at}:
            threading.Event().wait({pause})
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"yes")

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", {port}), Yes).serve_forever()
"""


def load(rate: float, p99: float = 0.001) -> Load:
    return Load(rate=rate, p50=p99 / 2, p99=p99, p999=2 * p99, maximum=3 * p99)


def build_measured(server: Server, rates: Mapping[int, float]) -> Measured:
    loads = {count: {turn: load(rate) for turn, rate in rates.items()} for count in CONNECTIONS}
    return Measured(server=server, seconds=1, loads=loads, memory=[Memory(total=2, largest_child=1)])


def test_the_scripts_line_is_read() -> None:
    assert parse_output(f"Running 2s test\n  1 threads\n{ANSWERED}\n") == Load(
        rate=300, p50=0.0009, p99=0.004, p999=0.005, maximum=0.006
    )


@pytest.mark.parametrize(
    ("found", "made"),
    [('"refused": 0', '"refused": 1'), ('"broken": 0', '"broken": 1'), ("600,", "0,")],
    ids=["an error's status", "a broken connection", "no answer at all"],
)
def test_a_run_with_failures_does_not_count(found: str, made: str) -> None:
    with pytest.raises(MeasurementError):
        parse_output(ANSWERED.replace(found, made))


def test_ratios_are_of_the_same_round() -> None:
    mine, theirs = {0: load(10), 1: load(40), 2: load(90)}, {1: load(20), 2: load(30), 3: load(1)}
    assert compute_ratio(mine, theirs, lambda each: each.rate) == pytest.approx(2.5)  # of 2 and 3


def test_the_best_peer_of_a_kind_is_compared() -> None:
    slow, fast = [peer for peer in SERVERS if peer.kind is ServerKind.FAST][:2]
    rates = {build_our_server(1): 900, ECHO: 1000, slow: 100, fast: 300}
    found = [build_measured(server, {0: rate}) for server, rate in rates.items()]
    rows = {row.what: row for row in compare_targets(found)}
    assert rows["÷ bare FastAPI echo, c = 8"].found == pytest.approx(0.9)
    assert rows[f"÷ best peer with a fast model inside ({fast.title}), c = 1"].found == pytest.approx(3)
    assert not any("pipeline" in what for what in rows)


def test_a_peer_that_failed_everywhere_is_not_compared() -> None:
    peer = next(peer for peer in SERVERS if peer.kind is ServerKind.FAST)
    found = [
        build_measured(build_our_server(1), {0: 900}),
        build_measured(ECHO, {0: 1000}),
        build_measured(peer, {}),
    ]
    assert not any("fast model" in row.what for row in compare_targets(found))


@pytest.mark.parametrize(
    ("row", "cells"),
    [
        (Row(what="a", found=1234.5, unit="s", minimum=1000), "| a | ≥ 1,000 s | 1,230 s | yes |"),
        (Row(what="a", found=2.5, maximum=2), "| a | ≤ 2 | 2.50 | no |"),
        (Row(what="a", found=float("nan"), minimum=2), "| a | ≥ 2 | nan | no |"),
        (Row(what="a", found=float("nan"), maximum=2), "| a | ≤ 2 | nan | no |"),
    ],
    ids=["reached", "too much", "nothing found, at least", "nothing found, at most"],
)
def test_a_target_is_a_line_of_the_table(row: Row, cells: str) -> None:
    assert build_target_table([row]).splitlines()[2] == cells


@pytest.mark.slow
def test_a_server_is_weighed_and_stopped_with_its_children(tmp_path: Path) -> None:
    port = find_free_port()
    (tmp_path / "yes.py").write_text(YES.format(port=port, pause_at=0, pause=0))
    command = ["sh", "-c", f"{sys.executable} {tmp_path}/yes.py & wait"]
    with start(command, port, {}, "0", tmp_path / "log") as running:
        assert wait_for_first_answer(running, "/", b"{}", "application/json") > 0
        running.hold()
        assert running.measure_seconds() > 0
        memory = running.measure_memory()
        # the shell is no worker
        assert memory.total / 2 < memory.largest_child < memory.total
        running.resume()
        assert post(port, "/", b"{}", "application/json") == (200, b"yes")
    with pytest.raises(ConnectionError):  # refused, or reset while the killed one goes
        post(port, "/", b"{}", "application/json")


@pytest.mark.slow
def test_a_server_that_ends_is_not_waited_for(tmp_path: Path) -> None:
    port = find_free_port()
    with (
        start(["false"], port, {}, "0", tmp_path / "log") as running,
        pytest.raises(TimeoutError, match="no answer"),
    ):
        wait_for_first_answer(running, "/", b"{}", "application/json")


@pytest.mark.parametrize("name", PEERS)
def test_a_peers_lock_is_hashed_and_holds_what_it_asks_for(name: str) -> None:
    blocks = re.split(r"\n(?=\S)", (LOCKS / f"{name}.txt").read_text().strip())
    assert all("==" in block and "--hash=sha256:" in block for block in blocks)
    locked = {block.partition("==")[0] for block in blocks}
    wanted = {re.split(r"[<>=]", line)[0] for line in (LOCKS / f"{name}.in").read_text().split()}
    assert wanted <= locked


@pytest.mark.slow
def test_help_needs_no_peer() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving", "--help"],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "mlserver-lightgbm-batching" in done.stdout


def test_an_imported_model_is_compared_with_the_peer() -> None:
    mine = replace(build_our_server(1), name="imported", kind=ServerKind.IMPORTED)
    found = [build_measured(MLFLOW, {0: 100, 1: 50}), build_measured(mine, {0: 300, 1: 200})]
    assert build_import_table(found, MLFLOW.name).splitlines()[-1].split("|")[5:8] == [" 3.50 "] * 3


def test_without_the_peer_the_rest_is_still_shown() -> None:
    found = [build_measured(build_our_server(1), {0: 300})]
    assert build_import_table(found, MLFLOW.name).splitlines()[-1].split("|")[2:6] == [
        *[" 300 "] * 3, " nan "
    ]  # fmt: skip


def test_a_peer_that_fails_is_named_and_ours_is_not_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    leave_out(MLFLOW, MeasurementError("no answer"))
    assert "MLflow's scoring server is left out: no answer" in capsys.readouterr().err
    with pytest.raises(MeasurementError):
        leave_out(replace(MLFLOW, kind=ServerKind.IMPORTED), MeasurementError("no answer"))


def test_latency_beside_a_neighbour_is_compared_in_each_round() -> None:
    found = {"idle": Beside(loads=[load(9, 0.001), load(9, 0.1)]), "busy": Beside(loads=[load(9, 0.002)] * 2)}
    assert compute_tail_ratio(found["idle"].loads, found["busy"].loads) == pytest.approx((2 + 0.02) / 2)
    assert build_neighbour_table(found).splitlines()[-1] == "| busy | 1.00 | 2.00 | 1.01 | 0 |"


@pytest.mark.slow
def test_a_pause_counts_for_each_request_that_was_due_in_it(tmp_path: Path) -> None:
    port, pause = find_free_port(), 0.5
    (tmp_path / "yes.py").write_text(YES.format(port=port, pause_at=50, pause=pause))
    bodies = write_bodies(tmp_path / "bodies", [b"{}"])
    with start([sys.executable, f"{tmp_path}/yes.py"], port, {}, "0", tmp_path / "log") as running:
        wait_for_first_answer(running, "/", b"{}", "application/json")
        found = run_paced(
            port, "/", bodies, connections=1, rate=100, seconds=2, processors=f"0-{os.cpu_count()}"
        )
    # one of 200 requests met it, and a quarter of them was due meanwhile
    assert found.maximum > pause
    assert found.p99 > 0.8 * pause
    assert found.rate == 100


@pytest.mark.slow
def test_a_server_that_cannot_be_reached_is_a_failed_measurement(tmp_path: Path) -> None:
    bodies = write_bodies(tmp_path / "bodies", [b"{}"])
    for client in (partial(run_paced, rate=10), run):
        with pytest.raises(MeasurementError, match=r"refused|unable to connect"):
            client(find_free_port(), "/", bodies, connections=1, seconds=1, processors="0")


def test_measurements_outlive_the_run_and_are_compared(tmp_path: Path) -> None:
    for name, rate in (("old", 100), ("new", 150)):
        file = MeasurementFile(tmp_path / name, "a machine")
        for factor in (1, 2, 3):
            file.add_load("requests", "echo", 8, load(rate * factor))
        file.add_value("start", "start to first answer", 2.0)
    before, after = (read_medians(tmp_path / name) for name in ("old", "new"))
    assert before["requests", "echo", 8]["rate"] == 200
    lines = build_comparison_table(before, after).splitlines()
    assert "| requests | echo | 8 | rate | 200 | 300 | 1.50 |" in lines
    assert "| start | start to first answer | 0 | value | 2.00 | 2.00 | 1.00 |" in lines


def test_a_damaged_file_of_measurements_is_refused(tmp_path: Path) -> None:
    (tmp_path / "old").write_text('{"machine": "a"}\n| a table |\n')
    with pytest.raises(ValueError, match=r"old, line 2 is no measurement: '. a table"):
        read_medians(tmp_path / "old")


class _DyingStand(Stand):
    """A stand whose peers die in the second round."""

    @contextmanager
    def start(self, server: Server, processors: str) -> Iterator[Up]:  # noqa: ARG002
        running = cast(
            "Running", SimpleNamespace(ended=False, measure_memory=lambda: Memory(total=2, largest_child=1))
        )
        yield Up(server=server, running=running, seconds=1, bodies=Path())

    def warm(self, up: Up, processors: str) -> None:
        pass


def test_a_peer_that_dies_takes_no_other_measurement_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    stand = _DyingStand(
        models=cast("Models", None), environments=Path(), scratch=Path(), server="0", client="1"
    )
    kept: list[tuple[str, int]] = []

    def load_or_die(up: Up, _: int) -> Load:
        if up.server is MLFLOW and len(kept) > 2:
            raise MeasurementError("unable to connect")
        return load(10)

    how = Rounds(
        levels=(1, 8), count=2, load=load_or_die, advance=lambda *_: None,
        keep=lambda name, level, _: kept.append((name, level)),
    )  # fmt: skip
    mine = build_our_server(1)
    found = {each.server.name: each for each in measure(stand, [ECHO, mine, MLFLOW], how)}
    assert [len(each) for each in found[mine.name].loads.values()] == [2, 2]
    assert [len(each) for each in found[MLFLOW.name].loads.values()] == [1, 0]
    assert len(kept) == 4 + 4 + 1
    assert "MLflow's scoring server is left out: unable to connect" in capsys.readouterr().err
