"""A period is a calendar month."""

from datetime import date

import pytest

from servicio_ml.errors import SettingsError
from servicio_ml.pipeline.period import current_period, last_day

FIRST_SECOND_OF_2020 = 1_577_836_800.0


@pytest.mark.parametrize(
    ("period", "day"),
    [("2016-02", date(2016, 2, 29)), ("1900-02", date(1900, 2, 28)), ("2020-12", date(2020, 12, 31))],
)
def test_the_last_day_is_that_of_the_calendar(period: str, day: date) -> None:
    assert last_day(period) == day


@pytest.mark.parametrize(
    "text", ["2016-13", "2016-6", "2016-00", "201606", "June", "", "../x", "2016-06\n", "0001-01"]
)
def test_what_is_no_month_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--period.*is no month; give it as YYYY-MM"):
        last_day(text)


def test_the_current_period_is_in_utc() -> None:
    assert current_period(FIRST_SECOND_OF_2020) == "2020-01"
    assert current_period(FIRST_SECOND_OF_2020 - 1) == "2019-12"
