"""Rules on series that a test makes up, evaluated by promtool."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitoring.rule import RuleGroup
from monitoring.rules import to_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a query is to give.

    Attributes:
        query: PromQL.
        at: Time since the first samples.
        samples: By their labels, written as Prometheus does.
    """

    query: str
    at: str
    samples: Mapping[str, float]

    def to_document(self) -> dict[str, Any]:
        samples = [{"labels": labels, "value": value} for labels, value in self.samples.items()]
        return {"expr": self.query, "eval_time": self.at, "exp_samples": samples}


def find_program(name: str = "promtool", package: str = "prometheus") -> str:
    """Its path. Without it the test is skipped."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}; install the Debian package {package}")
    return found


def format_series(name: str = "", /, **values: str) -> str:
    """A series with these labels, those without a value left out."""
    return name + "{" + ", ".join(f'{key}="{value}"' for key, value in values.items() if value) + "}"


def run(
    groups: Sequence[RuleGroup], series: Mapping[str, str], expected: Sequence[Expected], folder: Path, *,
    interval: str = "",
) -> str:  # fmt: skip
    """What promtool finds wrong; nothing when all is as expected.

    Args:
        groups: All evaluated at the interval of the first.
        series: Values of each series, in promtool's notation, from the time 0.
        expected: Queries and what they are to give.
        folder: Holds the files.
        interval: Between the values; that of the groups when empty.
    """
    step = groups[0].interval
    rules, test = folder / "rules.yaml", folder / "test.yaml"
    rules.write_text(yaml.safe_dump(to_document(groups)))
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    queries = [each.to_document() for each in expected]
    case = {"interval": interval or step, "input_series": inputs, "promql_expr_test": queries}
    test.write_text(
        yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": step, "tests": [case]})
    )
    found = subprocess.run(
        [find_program(), "test", "rules", str(test)], capture_output=True, text=True, check=False
    )
    return "" if found.returncode == 0 else found.stdout + found.stderr
