import pytest
from grafana.preview.units import format_value

from grafana.preview import variables


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('up{model="$model"}', 'up{model="rain"}'),
        ('up{model=~"${model}"}', 'up{model=~"rain"}'),
        ("rate(up[$__rate_interval])", "rate(up[5m])"),
        ('label_replace(up, "class", "${1}xx", "status", "$2")', None),
    ],
    ids=["name", "braces", "interval", "groups of a regular expression"],
)
def test_variables_are_replaced(text: str, expected: str | None) -> None:
    assert variables.replace_variables(text, {"model": "rain", **variables.PLACEHOLDERS}) == (
        expected or text
    )


def test_a_variable_without_a_value_is_reported() -> None:
    with pytest.raises(KeyError, match="window"):
        variables.replace_variables("up[$window]", {})


def test_of_several_values_any_matches() -> None:
    assert variables.format_choice(["a.b", "c"], multi=True) == r"(a\.b|c)"
    assert variables.format_choice(["a.b", "c"], multi=False) == "a.b"


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.1234, "percentunit", "12.3 %"),
        (0.0042, "s", "4.2 ms"),
        (7200, "s", "2 h"),
        (0, "s", "0"),
        (3 * 1024**2, "bytes", "3 MiB"),
        (1500, "short", "1.5 k"),
        (12.34, "reqps", "12.3 req/s"),
        (-0.05, "percentunit", "-5 %"),
    ],
)
def test_values_are_written_with_their_unit(value: float, unit: str, expected: str) -> None:
    assert format_value(value, unit) == expected
