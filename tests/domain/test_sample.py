"""A sample that cannot be drawn is refused when it is declared, and the message says why."""

from collections.abc import Mapping
from typing import Any

import pytest

from servicio_ml.domain.sample import Factor, Marginal, NextDay, Panel, Scaled, Switch, SyntheticSample
from servicio_ml.errors import UseCaseError

COIN = Marginal(shares={"heads": 1, "tails": 1})
LENGTH = Marginal(quantiles={0: 0, 1: 10})


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        pytest.param({}, "either quantiles or shares or dates", id="nothing"),
        pytest.param(
            {"shares": {"a": 1}, "quantiles": {0: 0, 1: 1}}, "either quantiles or shares", id="two of them"
        ),
        pytest.param({"quantiles": {0.1: 0, 1: 1}}, r"from 0 to 1, not over \[0.1, 1\]", id="from 0.1"),
        pytest.param({"quantiles": {0: 0, 0.5: 1}}, r"from 0 to 1, not over \[0, 0.5\]", id="to 0.5"),
        pytest.param(
            {"shares": {"a": 1}, "loadings": (0.8, 0.7)}, r"\(0.8, 0.7\) add up to more than 1", id="loadings"
        ),
    ],
)
def test_a_marginal_that_makes_no_sense_is_refused(attributes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UseCaseError, match=message):
        Marginal(**attributes)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        pytest.param({"rows": 0}, "rows is 0; it must be at least 1", id="no rows"),
        pytest.param(
            {"duplicates": 1.0},
            "duplicates is 1.0; it must be at least 0 and below 1",
            id="copies of nothing",
        ),
        pytest.param(
            {"columns": {"half": Scaled(source="length", factor=0.5), "length": LENGTH}},
            "column 'half' needs length declared above it",
            id="source below",
        ),
        pytest.param(
            {"columns": {"big": Switch(source="size", above=1, high=COIN, low=COIN)}},
            "column 'big' needs size",
            id="no source",
        ),
        pytest.param(
            {"columns": {"a": Marginal(shares={"x": 1}, missing_with="b")}},
            "column 'a' needs b",
            id="missing with nothing",
        ),
        pytest.param(
            {"columns": {"a": Marginal(quantiles={0: 0, 1: 1}, at_least="c", at_most="b")}},
            "column 'a' needs b, c",
            id="no limits",
        ),
        pytest.param(
            {
                "columns": {"a": Marginal(shares={"x": 1}, loadings=(0.1, 0.2))},
                "factors": (Factor(name="f"),),
            },
            "column 'a' has more loadings than there are factors",
            id="loading of nothing",
        ),
        pytest.param(
            {"columns": {"a": COIN, "b": NextDay(source="a")}},
            "column 'b' needs days or entities",
            id="next day without days",
        ),
        pytest.param(
            {"columns": {"a": Marginal(shares={"x": 1}, lag=1)}},
            "column 'a' needs days",
            id="lag without days",
        ),
        pytest.param(
            {"columns": {"a": Marginal(shares={"x": 1}, missing_at=("e",))}},
            "column 'a' needs days or entities",
            id="entity without entities",
        ),
    ],
)
def test_a_sample_that_cannot_be_drawn_is_refused(attributes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UseCaseError, match=message):
        SyntheticSample(**{"rows": 10, **attributes})


def test_with_a_panel_columns_speak_of_days() -> None:
    panel = Panel(date="day", entity="tree", entities=("a", "b"), last="2016-06-30")
    lagged = Marginal(shares={"x": 1}, lag=1, missing_at=("a",))
    assert (
        SyntheticSample(rows=1, columns={"a": lagged, "b": NextDay(source="a")}, panel=panel).columns["a"]
        is lagged
    )
