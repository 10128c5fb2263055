"""Rules over the past: what is evaluated, in which order, and when an alert fires."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from servicio_ml.domain.ports.metrics_history import NAME_LABEL, MetricSeries, TimeSpan
from servicio_ml.errors import SettingsError
from servicio_ml.pipeline.backtest.rule_files import AlertingRule, RuleSet, read_rules
from servicio_ml.pipeline.backtest.rules import (
    evaluate_rules,
    find_held_times,
    get_previous_day,
    order_in_layers,
)

DAY = 86_400.0
SPAN = TimeSpan(start=DAY, end=4 * DAY, step=DAY)


def _record(name: str, query: str, **labels: str) -> AlertingRule:
    return AlertingRule(name=name, query=query, labels=labels)


class Answers:
    """A history that answers each query from a table and keeps what it is given."""

    def __init__(self, table: dict[str, list[MetricSeries]]) -> None:
        self.table, self.asked, self.added = table, list[str](), list[MetricSeries]()

    def add(self, series: Iterable[MetricSeries]) -> None:
        self.added += series

    def query_range(self, query: str, span: TimeSpan) -> list[MetricSeries]:
        assert span == SPAN
        self.asked.append(query)
        return self.table.get(query, [])


def _build_series(*times: float, **labels: str) -> MetricSeries:
    return MetricSeries(labels=labels, times=times, values=[1.0] * len(times))


class TestLayers:
    """Each record is evaluated after those that it reads."""

    def _list_names(self, *records: AlertingRule) -> list[list[str]]:
        return [
            [rule.name for rule in layer] for layer in order_in_layers(records, frozenset({"rows_total"}))
        ]

    def test_the_order_is_that_of_what_is_read(self) -> None:
        found = self._list_names(
            _record("c:share", 'a:rows{window="1d"} / on (model) b:rows'),
            _record("b:rows", "sum (a:rows)"),
            _record("a:rows", "rows_total - rows_total offset 1d"),
        )
        assert found == [["a:rows"], ["b:rows"], ["c:share"]]

    def test_a_record_of_several_rules_is_read_when_it_is_whole(self) -> None:
        found = self._list_names(
            _record("b:rows", "sum (a:rows)"),
            _record("a:rows", "rows_total"),
            _record("a:rows", "c:rows"),
            _record("c:rows", "rows_total"),
        )
        assert found == [["a:rows", "c:rows"], ["a:rows"], ["b:rows"]]

    def test_what_reads_no_known_series_is_left_out(self) -> None:
        assert self._list_names(_record("a:up", "sum (up)"), _record("b:up", 'a:up{of="rows_total"}')) == []

    def test_a_record_may_read_its_own_past(self) -> None:
        assert self._list_names(_record("a:rows", "rows_total or last_over_time(a:rows[1d])")) == [["a:rows"]]

    def test_a_circle_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="these records read each other: a:rows, b:rows"):
            self._list_names(_record("a:rows", "b:rows + rows_total"), _record("b:rows", "a:rows"))


@pytest.mark.parametrize(
    ("days", "seconds", "fired"),
    [
        ([], 0, []),
        ([1, 2, 4], 0, [1, 2, 4]),
        ([1, 2, 4], 900, [1, 2, 4]),
        ([1, 2, 4], DAY, [2]),
        ([1, 2, 3, 5, 6, 7, 8], 3 * DAY, [8]),
    ],
    ids=["never", "at once", "longer than an instant", "longer than a day", "a gap starts anew"],
)
def test_an_alert_fires_when_it_has_held_for_long_enough(
    days: list[int], seconds: float, fired: list[int]
) -> None:
    assert find_held_times([day * DAY for day in days], seconds, DAY) == [day * DAY for day in fired]


class TestReplay:
    """Records are kept under their names, and alerts fire with all their labels."""

    RULES = RuleSet(
        records=[
            _record("b:rows", "sum (a:rows)", window="7d"),
            _record("a:rows", "sum (rows_total)", window="1d"),
        ],
        alerts=[
            AlertingRule(name="Few", query="a:rows < 3", labels={"severity": "page"}, seconds=DAY),
            AlertingRule(name="Down", query="up == 0", labels={"severity": "page"}),
        ],
    )

    def test_each_record_is_there_before_the_next_is_asked_for(self) -> None:
        history = Answers({"sum (rows_total)": [_build_series(DAY, model="m")]})
        evaluate_rules(self.RULES, history, frozenset({"rows_total"}), SPAN)
        assert history.asked == ["sum (rows_total)", "sum (a:rows)", "a:rows < 3"]
        assert [each.labels for each in history.added] == [
            {"model": "m", "window": "1d", NAME_LABEL: "a:rows"}
        ]

    def test_an_alert_says_when_it_fired_and_when_it_began(self) -> None:
        found = _build_series(DAY, 2 * DAY, 3 * DAY, **{NAME_LABEL: "a:rows", "model": "m"})
        [firing] = evaluate_rules(
            self.RULES, Answers({"a:rows < 3": [found]}), frozenset({"rows_total"}), SPAN
        )
        assert firing.alert == "Few"
        assert firing.labels == {"model": "m", "severity": "page"}
        assert (firing.times, firing.starts) == ([2 * DAY, 3 * DAY], [2 * DAY])
        assert firing.to_json()["first"] == "1970-01-02"

    def test_one_that_did_not_hold_for_long_enough_is_not_reported(self) -> None:
        history = Answers({"a:rows < 3": [_build_series(DAY, 3 * DAY)]})
        assert evaluate_rules(self.RULES, history, frozenset({"rows_total"}), SPAN) == []


def test_a_midnight_belongs_to_the_day_before() -> None:
    assert get_previous_day(DAY).isoformat() == "1970-01-01"


class TestReading:
    """Rules come from a folder, as Prometheus has them."""

    def test_rules_of_all_files(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text(
            "groups: [{name: a, rules: [{record: 'a:rows', expr: rows, labels: {window: 1d}},"
            " {alert: Few, expr: 'a:rows < 3', for: 1h30m, labels: {severity: page}}]}]"
        )
        (tmp_path / "b.yml").write_text("groups: [{name: b, rules: [{alert: None, expr: '1'}]}]")
        found = read_rules(tmp_path)
        assert found.records == [_record("a:rows", "rows", window="1d")]
        assert [(rule.name, rule.seconds) for rule in found.alerts] == [("Few", 5400), ("None", 0)]

    def test_an_empty_folder_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="holds no rules; give the folder monitoring/backtest/rules"):
            read_rules(tmp_path)

    @pytest.mark.parametrize("text", ["groups: [", "[]", "other: 1"], ids=["no YAML", "a list", "no groups"])
    def test_what_is_no_rule_file_is_refused(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text(text)
        with pytest.raises(SettingsError, match=r"a\.yaml is no rule file"):
            read_rules(tmp_path)
