"""The server exports when the steps of its models last ended well, whatever the lake does."""

import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from servicio_ml.errors import StoreError
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.step_times import REFRESH_SECONDS, StepTimesCollector

METRIC = "servicio_ml_pipeline_success_timestamp_seconds"
WAIT_SECONDS = 10


class Lake:
    """A lake whose times, answers and clock the test sets."""

    def __init__(self) -> None:
        self.times: dict[str, Mapping[str, float]] = {"small": {"etl": 5.0, "train": 7.0}}
        self.now, self.fails, self.reads = 1000.0, False, 0
        self.answers = threading.Event()
        self.answers.set()

    def read_times(self, use_case: str) -> Mapping[str, float]:
        self.reads += 1
        assert self.answers.wait(WAIT_SECONDS)
        if self.fails:
            raise StoreError("s3://lake", use_case, "gone")
        return self.times[use_case]


@pytest.fixture
def lake() -> Lake:
    return Lake()


@pytest.fixture
def collector(lake: Lake) -> StepTimesCollector:
    models: Any = SimpleNamespace(statuses={"small": None})
    return StepTimesCollector(cast("LoadedModels", models), lake.read_times, lambda: lake.now)


def _scrape(collector: StepTimesCollector) -> dict[str, float]:
    """Scrape twice: what the first scrape asks for is there at the second."""
    registry = CollectorRegistry()
    registry.register(collector)
    list(registry.collect())
    if collector._thread is not None:
        collector._thread.join(WAIT_SECONDS)
    [family] = registry.collect()
    return {each.labels["step"]: each.value for each in family.samples}


def test_the_times_are_exported(collector: StepTimesCollector, lake: Lake) -> None:
    assert _scrape(collector) == {"etl": 5.0, "train": 7.0}
    lake.times["small"] = {"etl": 6.0}
    lake.now += REFRESH_SECONDS - 1
    assert _scrape(collector) == {"etl": 5.0, "train": 7.0}
    assert lake.reads == 1
    lake.now += 1
    assert _scrape(collector) == {"etl": 6.0}


def test_a_lake_that_fails_leaves_what_is_known(
    collector: StepTimesCollector, lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    _scrape(collector)
    lake.fails = True
    lake.now += REFRESH_SECONDS
    assert _scrape(collector) == {"etl": 5.0, "train": 7.0}
    assert "cannot read when the steps of small last ended well" in caplog.text


def test_a_lake_that_does_not_answer_holds_up_no_scrape(collector: StepTimesCollector, lake: Lake) -> None:
    lake.answers.clear()
    assert next(iter(collector.collect())).samples == []
    assert next(iter(collector.collect())).samples == []
    assert lake.reads <= 1
    lake.answers.set()
    assert _scrape(collector) == {"etl": 5.0, "train": 7.0}
