"""Messages name the thing, its value and what to do."""

import re

import pytest

from servicio_ml import errors
from servicio_ml.errors import (
    ColumnsError,
    EncodingError,
    NoSuchModelError,
    NotPublishedError,
    ServicioError,
    UnknownUseCaseError,
    format_names,
)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], "none"),
        (["a", 2], "a, 2"),
        (range(12), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"),
        (range(14), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 (+2 more)"),
    ],
    ids=["none", "two", "as many as are shown", "more than are shown"],
)
def test_a_list_in_a_message_stays_short(names: list[object], text: str) -> None:
    assert format_names(names) == text


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            UnknownUseCaseError("rain", ["rain_australia", "heart_disease"]),
            (
                "unknown use case 'rain': did you mean rain_australia? "
                "known are heart_disease, rain_australia; "
                "your own go into the folder named by SERVICIO_ML_USE_CASES_DIR"
            ),
        ),
        (
            UnknownUseCaseError("xyz", ["rain_australia"]),
            (
                "unknown use case 'xyz': known are rain_australia; "
                "your own go into the folder named by SERVICIO_ML_USE_CASES_DIR"
            ),
        ),
        (
            ColumnsError("w.csv", ["RainTomorrow", "Date"], ["date_of_day", "Rain_Tomorrow"]),
            (
                "w.csv: missing column 'Date', 'RainTomorrow'; found date_of_day, Rain_Tomorrow; "
                "'RainTomorrow' may be called 'Rain_Tomorrow' there; "
                "rename the columns of the file or add a dialect to the use case"
            ),
        ),
        (
            EncodingError("rain_today", "Maybe", "one of No, Yes"),
            "field 'rain_today': 'Maybe' is not allowed; it takes one of No, Yes",
        ),
        (
            NotPublishedError("var/lake", "rain/2016-06", "run servicio-ml etl rain"),
            "lake var/lake, rain/2016-06: nothing is published there; run servicio-ml etl rain",
        ),
        (
            NoSuchModelError("rain", "champion", "train it"),
            "model 'rain' has no champion; train it",
        ),
    ],
    ids=["close use case", "far use case", "columns", "value", "lake", "registry"],
)
def test_a_message_says_what_to_do(error: ServicioError, message: str) -> None:
    assert str(error) == message


def test_an_encoding_error_keeps_its_parts() -> None:
    error = EncodingError("seats", 50, "a whole number from 1 to 20")
    assert (error.field, error.value, error.allowed) == ("seats", 50, "a whole number from 1 to 20")


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn = set(re.findall(r"── (\w+)", errors.__doc__ or ""))
    defined = {
        name
        for name, each in vars(errors).items()
        if isinstance(each, type) and issubclass(each, ServicioError)
    }
    assert drawn | {"ServicioError"} == defined


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "null"), (True, "true"), (False, "false"), (0, "0"), ("a", "'a'")]
)
def test_a_value_is_shown_in_the_words_of_json(value: object, shown: str) -> None:
    fault = errors.FieldError(row=2, field="size", value=value, allowed="a number", reason="type")
    assert str(fault) == f"row 2, field 'size': {shown} is not allowed; it takes a number"
    message = f"field 'size': {shown} is not allowed; it takes a number"
    assert str(EncodingError("size", value, "a number")) == message
