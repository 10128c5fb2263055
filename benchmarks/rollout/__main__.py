"""Rollouts in simulation: false rollbacks, bad challengers that are found, good ones that arrive.

    python -m benchmarks.rollout --data FOLDER [USE_CASE …]

Two versions answer held-out rows of a use case. Each run is one rollout by the default ramp: rows come in
batches, a fifth of them are scored by both versions, labels come a day later, and after each batch the real
rules judge and decide. Champion and challenger of equal versions are drawn by chance for each run. Lines are
written into a Markdown file as they come.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from benchmarks.quality.report import MarkdownTable
from benchmarks.rollout.contenders import Array, Contenders, build_contenders
from benchmarks.rollout.runs import Outcome, Setting, build_columns, run_rollout
from benchmarks.rollout.scenarios import BAD, EQUAL, list_scenarios

from servicio_ml.domain.rollout.rollout import RolloutState

USE_CASES = ("rain_australia", "employee_burn_rate", "vehicle_price")
PROCESSES, RUNS_PER_TASK = 2, 50
COLUMNS = (
    "use case", "rows", "challenger", "runs", "rolled back", "undecided", "100 %", "back from 100 %",
    "median hours", "median rows", "found by",
)  # fmt: skip


def run_some(setting: Setting, first: int, last: int) -> list[Outcome]:
    columns = [build_columns(*pair) for pair in setting.pairs]
    return [run_rollout(setting, columns, run) for run in range(first, last)]


def run_all(executor: ProcessPoolExecutor, setting: Setting, runs: int) -> list[Outcome]:
    """Simulate the runs of a setting in all processes."""
    starts = range(0, runs, RUNS_PER_TASK)
    tasks = [executor.submit(run_some, setting, each, min(each + RUNS_PER_TASK, runs)) for each in starts]
    return [outcome for task in tasks for outcome in task.result()]


def describe_outcomes(outcomes: Sequence[Outcome], *, is_good: bool) -> list[str]:
    """Write the cells of a scenario; times are those of good ends, or of rollbacks for bad challengers."""
    ends = (RolloutState.ROLLED_BACK, RolloutState.ABORTED, RolloutState.FINISHED)
    back, undecided, arrived = ([each for each in outcomes if each.state is end] for end in ends)
    switched = [each for each in back if each.has_switched]
    shares = [f"{len(each) / len(outcomes):.1%}" for each in (back, undecided, arrived, switched)]
    return [f"{len(outcomes):,}", *shares, *describe_times(arrived if is_good else back), list_breaches(back)]


def describe_times(outcomes: Sequence[Outcome]) -> tuple[str, str]:
    """Write the median hours and rows; – without any."""
    if not outcomes:
        return "–", "–"
    hours, rows = np.median([(each.hours, each.rows) for each in outcomes], axis=0)
    return f"{hours:,.0f}", f"{rows:,.0f}"


def list_breaches(outcomes: Sequence[Outcome]) -> str:
    """List the guardrails in breach, the most frequent first."""
    counts = Counter(name for each in outcomes for name in each.breaches)
    return ", ".join(name for name, _ in counts.most_common()) or "–"


def measure_use_case(table: MarkdownTable, contenders: Contenders, given: argparse.Namespace) -> None:
    with ProcessPoolExecutor(PROCESSES) as executor:
        for scenario in list_scenarios(contenders):
            if given.only in f"{scenario.name}, {scenario.stream}":
                runs = given.runs if scenario.kind == EQUAL else given.others
                outcomes = run_all(executor, scenario.setting, runs)
                table.add(
                    contenders.use_case.name, scenario.stream, scenario.name,
                    *describe_outcomes(outcomes, is_good=scenario.kind != BAD),
                )  # fmt: skip


def measure_effects(contenders: Contenders) -> Array:
    """Measure the design effect of the paired differences of losses, by blocks of 1, 7 and 30 days."""
    first, second = contenders.halves
    differences = first.losses - second.losses * first.losses.mean() / second.losses.mean()
    effects = []
    for days in (1, 7, 30):
        blocks = np.unique(contenders.days // days, return_inverse=True)[1]
        effects.append((np.bincount(blocks, differences) ** 2).sum() / (differences**2).sum())
    return np.array(effects)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], prog="benchmarks.rollout")
    parser.add_argument("names", nargs="*", help="use cases; all when none is named")
    parser.add_argument("--data", type=Path, required=True, help="folder with the original files")
    parser.add_argument("--runs", type=int, default=2000, help="runs of equal challengers")
    parser.add_argument("--others", type=int, default=300, help="runs of each other challenger")
    parser.add_argument("--only", default="", help="part of the name of a challenger or a stream")
    parser.add_argument("--output", type=Path, default=Path("rollout.md"), help="file to write")
    given = parser.parse_intermixed_args()
    table = MarkdownTable(given.output, *COLUMNS)
    for name in given.names or USE_CASES:
        contenders = build_contenders(name, given.data)
        if len(contenders.days):
            shown = ", ".join(f"{each:.2f}" for each in measure_effects(contenders))
            print(f"design effect of paired losses in blocks of 1, 7, 30 days: {shown}", flush=True)
        measure_use_case(table, contenders, given)


if __name__ == "__main__":
    main()
