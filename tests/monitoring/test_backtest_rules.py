"""The rules of the backtest are those of production, evaluated once a day."""

from monitoring.generate import BACKTEST_RULES, backtest_groups, text
from monitoring.rules import alerts, groups


def test_the_committed_rules_are_those_that_are_generated() -> None:
    committed = {path.name: path.read_text() for path in BACKTEST_RULES.iterdir()}
    assert committed == {f"{group.name}.yaml": text(group) for group in backtest_groups()}


def test_alerts_wait_as_long_as_in_production() -> None:
    waits = {alert.name: alert.wait for alert in alerts(groups())}
    made = alerts(backtest_groups())
    assert {"PerformanceLow", "FeatureDrift", "MissingValues", "RejectedValues"} <= {
        each.name for each in made
    }
    assert all(each.wait == waits[each.name] for each in made)
