"""A history in Prometheus: what is written, found again, and left behind."""

import io
import math
import os
import tempfile
from pathlib import Path

import pytest

from promtool import find_program
from servicio_ml.adapters.openmetrics import format_metric, write_openmetrics
from servicio_ml.adapters.prometheus import open_prometheus_history
from servicio_ml.domain.ports.metrics_history import NAME_LABEL, MetricSeries, TimeSpan
from servicio_ml.errors import ProgramError

DAY = 86_400.0
LONG_AGO = 17_000 * DAY
"""In 2016."""


def test_text_as_promtool_reads_it() -> None:
    text = io.StringIO()
    values = [0.5, math.nan, math.inf, -math.inf, 1e-20]
    series = MetricSeries(
        labels={NAME_LABEL: "a:b", "bin": "1 to 2"}, times=[1.0, 2.0, 3.0, 4.0, 5.0], values=values
    )
    assert write_openmetrics([series], text) == 5
    head = 'a:b{bin="1 to 2"}'
    assert text.getvalue().splitlines() == [
        *(f"{head} {value}" for value in ("0.5 1.0", "NaN 2.0", "+Inf 3.0", "-Inf 4.0", "1e-20 5.0")),
        "# EOF",
    ]


def test_labels_are_escaped() -> None:
    assert format_metric({NAME_LABEL: "a", "b": 'x"\\\n'}) == 'a{b="x\\"\\\\\\n"}'


@pytest.mark.parametrize("name", ["prometheus", "promtool"])
def test_a_program_that_is_not_there_is_reported_with_its_package(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in {"prometheus", "promtool"} - {name}:
        (tmp_path / other).write_text("#!/bin/sh\n")
        (tmp_path / other).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(ProgramError, match=f"program {name}: .* Debian package prometheus"),
        open_prometheus_history(),
    ):
        pass


@pytest.mark.slow
class TestRealPrograms:
    """With promtool and Prometheus themselves."""

    @pytest.fixture(autouse=True)
    def programs(self) -> None:
        find_program("prometheus")
        find_program("promtool")

    def test_what_was_added_is_found_by_later_queries(self) -> None:
        times = [LONG_AGO + i * DAY for i in range(400)]
        span = TimeSpan(start=times[0], end=times[-1], step=DAY)
        text = 'q"\\\n°'
        with open_prometheus_history() as history:
            history.add(
                [
                    MetricSeries(
                        labels={NAME_LABEL: "rows", "t": text},
                        times=times,
                        values=[float(i) for i in range(400)],
                    )
                ]
            )
            [first] = history.query_range("rows + 1", span)
            assert first.labels == {"t": text}
            assert list(first.times) == times
            history.add(
                [
                    MetricSeries(
                        labels={**first.labels, NAME_LABEL: "rows:more"},
                        times=first.times,
                        values=first.values,
                    )
                ]
            )
            [second] = history.query_range("rows:more - on (t) rows", span)
        assert set(second.values) == {1.0}
        assert len(second.values) == 400

    def test_nothing_is_left_when_it_is_interrupted(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        pids = []

        def run_interrupted() -> None:
            with open_prometheus_history() as history:
                history.query_range("vector(1)", TimeSpan(start=LONG_AGO, end=LONG_AGO, step=DAY))
                assert history._process is not None
                pids.append(history._process.pid)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_interrupted()
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(ProcessLookupError):
            os.kill(pids[0], 0)

    def test_a_wrong_query_and_wrong_samples_are_reported(self) -> None:
        with open_prometheus_history() as history:
            with pytest.raises(ProgramError, match=r"program prometheus: .*parse error.* \(in sum\(\)"):
                history.query_range("sum(", TimeSpan(start=LONG_AGO, end=LONG_AGO, step=DAY))
            with pytest.raises(ProgramError, match="program promtool: "):
                history.add([MetricSeries(labels={NAME_LABEL: "no name"}, times=[1.0], values=[1.0])])
