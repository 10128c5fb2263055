"""The rules of the backtest are those of production, evaluated once a day."""

from monitoring.generate import BACKTEST_RULES, build_backtest_groups, to_text
from monitoring.rules import build_groups, list_alerts


def test_the_committed_rules_are_those_that_are_generated() -> None:
    committed = {path.name: path.read_text() for path in BACKTEST_RULES.iterdir()}
    assert committed == {f"{group.name}.yaml": to_text(group) for group in build_backtest_groups()}


def test_alerts_wait_as_long_as_in_production() -> None:
    waits = {alert.name: alert.wait for alert in list_alerts(build_groups())}
    made = list_alerts(build_backtest_groups())
    assert {"PerformanceLow", "FeatureDrift", "MissingValues", "RejectedValues"} <= {
        each.name for each in made
    }
    assert all(each.wait == waits[each.name] for each in made)
