"""One contract for the clock of the system and for the one that a test moves on."""

import time

import pytest

from services import ManualClock
from servicio_ml.domain.ports.clock import Clock

YEAR_2020, YEAR_2100 = 1_577_836_800.0, 4_102_444_800.0


@pytest.fixture(params=[time.time, ManualClock(YEAR_2020)], ids=["system", "manual"])
def clock(request: pytest.FixtureRequest) -> Clock:
    chosen: Clock = request.param
    return chosen


class TestClock:
    """The contract of the port."""

    def test_it_returns_seconds_since_1970(self, clock: Clock) -> None:
        assert isinstance(clock(), float)
        assert YEAR_2020 <= clock() < YEAR_2100

    def test_it_does_not_go_back_by_itself(self, clock: Clock) -> None:
        first = clock()
        assert clock() >= first
