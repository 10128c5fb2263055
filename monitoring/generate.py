"""Write the rules that are committed: `python -m monitoring.generate`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from monitoring.rule import Alert, Group
from monitoring.rules import alerts, document, groups

RULES = Path(__file__).parent / "prometheus" / "rules"
BACKTEST_RULES = Path(__file__).parent / "backtest" / "rules"
BACKTEST_STEP, BACKTEST_WINDOWS = "1d", ("1d", "7d", "30d")
BACKTEST_GROUPS = ("drift", "models")
HEAD = "# Generated from monitoring/*.py by `python -m monitoring.generate`; do not edit.\n"
LINE_CHARACTERS = 120


def text(group: Group) -> str:
    """The file of one group."""
    return HEAD + yaml.safe_dump(document([group]), sort_keys=False, width=LINE_CHARACTERS)


def backtest_groups() -> list[Group]:
    """The groups about models with one evaluation a day; their alerts wait no longer than the others do."""
    waits = {alert.name: alert.wait for alert in alerts(groups())}
    return [
        replace(
            group,
            rules=[
                replace(rule, wait=waits[rule.name]) if isinstance(rule, Alert) else rule
                for rule in group.rules
            ],
        )
        for group in groups(step=BACKTEST_STEP, windows=BACKTEST_WINDOWS)
        if group.name in BACKTEST_GROUPS
    ]


def folders() -> Mapping[Path, Sequence[Group]]:
    """What each folder holds."""
    return {RULES: groups(), BACKTEST_RULES: backtest_groups()}


def main() -> None:
    for folder, made in folders().items():
        folder.mkdir(parents=True, exist_ok=True)
        for group in made:
            (folder / f"{group.name}.yaml").write_text(text(group))


if __name__ == "__main__":
    main()
