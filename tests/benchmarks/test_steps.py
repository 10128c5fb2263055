"""Times of the steps of a request."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarks.serving.load import Load
from benchmarks.steps import build_lines, read_times

APPS = Path(__file__).parents[2] / "benchmarks" / "serving" / "apps"


def test_times_of_all_workers_are_read_in_the_order_of_the_steps(tmp_path: Path) -> None:
    for worker, steps in {"7": {"00 model": [1e-6, 3e-6], "01 write": []}, "8": {"00 model": [2e-6]}}.items():
        (tmp_path / worker).mkdir()
        for name, seconds in steps.items():
            (tmp_path / worker / name).write_bytes(np.array(seconds, dtype=np.float64).tobytes())
    times = read_times(tmp_path)
    assert {name: sorted(each) for name, each in times.items()} == {"model": [1e-6, 2e-6, 3e-6], "write": []}
    found = Load(rate=1000, p50=0.001, p99=0.002, p999=0.003, maximum=0.004)
    assert [*build_lines(times, found)][2:] == [
        "| model | 3 | 2.0 | 2.0 | 3.0 | 3.0 | 3.0 |",
        "| request, by the client |  | 1,000.0 | 1,000.0 | 2,000.0 | 3,000.0 | 4,000.0 |",
    ]


@pytest.mark.slow
def test_each_step_is_a_method_that_has_a_clock() -> None:
    # in a process of its own: the clocks stay in the classes
    program = (
        "import timed\n"
        "assert all(hasattr(getattr(kind, name), '__wrapped__') for kind, name, _ in timed.STEPS)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=APPS)
