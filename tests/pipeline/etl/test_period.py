"""A period is a calendar month."""

from datetime import date

import pytest

from servicio_ml.errors import SettingsError
from servicio_ml.pipeline.etl.period import get_current_period, get_last_day

FIRST_SECOND_OF_2020 = 1_577_836_800.0


@pytest.mark.parametrize(
    ("period", "day"),
    [("2016-02", date(2016, 2, 29)), ("1900-02", date(1900, 2, 28)), ("2020-12", date(2020, 12, 31))],
)
def test_the_last_day_is_that_of_the_calendar(period: str, day: date) -> None:
    assert get_last_day(period) == day


@pytest.mark.parametrize(
    "text", ["2016-13", "2016-6", "2016-00", "201606", "June", "", "../x", "2016-06\n", "0001-01"]
)
def test_a_text_that_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"--period.*is no month; give it as YYYY-MM"):
        get_last_day(text)


def test_the_current_period_is_in_utc() -> None:
    assert get_current_period(FIRST_SECOND_OF_2020) == "2020-01"
    assert get_current_period(FIRST_SECOND_OF_2020 - 1) == "2019-12"
