"""One contract for the metrics history in memory and for the one in Prometheus."""

from collections.abc import Iterator

import pytest

from fakes.metrics_history import MemoryMetricsHistory
from promtool import find_program
from servicio_ml import bootstrap
from servicio_ml.domain.ports.metrics_history import NAME_LABEL, MetricSeries, MetricsHistory, TimeSpan
from servicio_ml.errors import ProgramError

DAY = 86_400.0
START = 17_000 * DAY
"""In 2016: older than what a Prometheus keeps by default."""
SPAN = TimeSpan(start=START, end=START + 9 * DAY, step=DAY)


@pytest.fixture(params=["memory", pytest.param("prometheus", marks=pytest.mark.slow)])
def history(request: pytest.FixtureRequest) -> Iterator[MetricsHistory]:
    if request.param == "memory":
        yield MemoryMetricsHistory()
        return
    find_program("prometheus")
    find_program("promtool")
    with bootstrap.open_metrics_history() as opened:
        yield opened


def build_series(model: str, *, name: str = "rows_total", step: int = 1, first: int = 0) -> MetricSeries:
    """A sample every `step` days, valued by the number of its day."""
    days = range(first, 10, step)
    labels = {NAME_LABEL: name, "model": model}
    return MetricSeries(
        labels=labels, times=[START + day * DAY for day in days], values=[float(day) for day in days]
    )


class TestMetricsHistory:
    """The contract of the port."""

    def test_what_is_added_is_found_at_its_times(self, history: MetricsHistory) -> None:
        history.add([build_series("rain")])
        [found] = history.query_range("rows_total", SPAN)
        assert found == build_series("rain")

    def test_times_without_a_value_are_left_out(self, history: MetricsHistory) -> None:
        history.add([build_series("rain", step=3, first=1)])
        [found] = history.query_range("rows_total", SPAN)
        assert list(found.values) == [1.0, 4.0, 7.0]
        assert list(found.times) == [START + day * DAY for day in (1, 4, 7)]

    def test_a_query_selects_by_name_and_labels(self, history: MetricsHistory) -> None:
        history.add([build_series("rain"), build_series("cars"), build_series("rain", name="errors_total")])
        [found] = history.query_range('rows_total{model="cars"}', SPAN)
        assert found.labels == {NAME_LABEL: "rows_total", "model": "cars"}
        both = history.query_range("rows_total", SPAN)
        assert sorted(each.labels["model"] for each in both) == ["cars", "rain"]
        assert history.query_range("never_heard_of", SPAN) == []

    def test_later_series_are_found_beside_earlier_ones(self, history: MetricsHistory) -> None:
        history.add([build_series("rain")])
        assert len(history.query_range("rows_total", SPAN)) == 1
        history.add([build_series("cars")])
        assert len(history.query_range("rows_total", SPAN)) == 2

    def test_nothing_added_nothing_found(self, history: MetricsHistory) -> None:
        history.add([])
        assert history.query_range("rows_total", SPAN) == []

    def test_a_span_may_be_one_time(self, history: MetricsHistory) -> None:
        history.add([build_series("rain")])
        [found] = history.query_range("rows_total", TimeSpan(start=START + DAY, end=START + DAY, step=DAY))
        assert (list(found.times), list(found.values)) == ([START + DAY], [1.0])

    def test_a_wrong_query_is_an_error(self, history: MetricsHistory) -> None:
        with pytest.raises(ProgramError, match="parse error"):
            history.query_range("sum(", SPAN)
