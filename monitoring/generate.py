"""Write the rule files of the repository: `python -m monitoring.generate`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from monitoring.rule import AlertRule, RuleGroup
from monitoring.rules import build_groups, list_alerts, to_document

RULES = Path(__file__).parent / "prometheus" / "rules"
BACKTEST_RULES = Path(__file__).parent / "backtest" / "rules"
BACKTEST_STEP, BACKTEST_WINDOWS = "1d", ("1d", "7d", "30d")
BACKTEST_GROUPS = ("drift", "models")
HEAD = "# Generated from monitoring/*.py by `python -m monitoring.generate`; do not edit.\n"
LINE_CHARACTERS = 120


def to_text(group: RuleGroup) -> str:
    """Format the rule file of a group."""
    return HEAD + yaml.safe_dump(to_document([group]), sort_keys=False, width=LINE_CHARACTERS)


def build_backtest_groups() -> list[RuleGroup]:
    """Build the groups drift and models with one evaluation a day; alerts wait as long as the others."""
    waits = {alert.name: alert.wait for alert in list_alerts(build_groups())}
    return [
        replace(
            group,
            rules=[
                replace(rule, wait=waits[rule.name]) if isinstance(rule, AlertRule) else rule
                for rule in group.rules
            ],
        )
        for group in build_groups(step=BACKTEST_STEP, windows=BACKTEST_WINDOWS)
        if group.name in BACKTEST_GROUPS
    ]


def build_folders() -> Mapping[Path, Sequence[RuleGroup]]:
    """Map each folder to its groups of rules."""
    return {RULES: build_groups(), BACKTEST_RULES: build_backtest_groups()}


def main() -> None:
    for folder, made in build_folders().items():
        folder.mkdir(parents=True, exist_ok=True)
        for group in made:
            (folder / f"{group.name}.yaml").write_text(to_text(group))


if __name__ == "__main__":
    main()
