"""Synthetic rows follow their sample: distributions, correlations, missing values, days and templates."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.sample import (
    Factor,
    Marginal,
    NextDay,
    Panel,
    SampleColumn,
    Scaled,
    Switch,
    SyntheticSample,
    Text,
)
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import HashedSplit, Origin, Target, Task, UseCase
from servicio_ml.features.synthetic.sampler import draw_rows


def _draw_table(
    columns: Mapping[str, SampleColumn], rows: int = 1000, seed: int = 0, **attributes: Any
) -> Mapping[str, Sequence[str]]:
    """Rows of a use case that reads the first of these columns and no other."""
    first = next(iter(columns))
    use_case = UseCase(
        name="trees",
        title="Trees",
        description="",
        task=Task.REGRESSION,
        schema=FeatureSchema(
            fields=(Field(name="first", kind=Kind.NUMBER, column=first, description="", example=1.0),)
        ),
        target=Target(name="age", column=first, description=""),
        candidates=(Candidate(name="knn", family="knn"),),
        metric="r2",
        split=HashedSplit(),
        promotion=PromotionPolicy(metric="r2", floor=0.5),
        origin=Origin(file="trees.csv"),
        sample=SyntheticSample(rows=rows, columns=columns, **attributes),
    )
    return draw_rows(use_case, rows, np.random.default_rng(seed)).columns


def _parse_numbers(texts: Sequence[str], missing: str = "NA") -> npt.NDArray[np.float64]:
    return np.array([np.nan if text == missing else float(text) for text in texts])


@given(
    loading=st.floats(-1, 1),
    rows=st.integers(100, 400),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=30, deadline=None)
def test_distributions_are_met_whatever_the_loadings(loading: float, rows: int, seed: int) -> None:
    columns: dict[str, SampleColumn] = {
        "size": Marginal(quantiles={0: 0, 0.5: 10, 1: 100}, loadings=(loading,), step=0.001),
        "kind": Marginal(shares={"rare": 1, "common": 3}, loadings=(loading,)),
    }
    table = _draw_table(columns, rows, seed, factors=(Factor(name="f"),))
    assert np.median(_parse_numbers(table["size"])) == pytest.approx(10, abs=100 / rows)
    assert Counter(table["kind"])["rare"] == pytest.approx(rows / 4, abs=1)


@pytest.mark.parametrize("loading", [-0.9, 0.0, 0.6])
def test_loadings_tie_columns_to_each_other(loading: float) -> None:
    columns: dict[str, SampleColumn] = {
        "a": Marginal(quantiles={0: 0, 1: 1}, loadings=(0.9,), step=0.0001),
        "b": Marginal(quantiles={0: 0, 1: 1}, loadings=(loading,), step=0.0001),
    }
    table = _draw_table(columns, 5000, factors=(Factor(name="f"),))
    tie = np.corrcoef(_parse_numbers(table["a"]), _parse_numbers(table["b"]))[0, 1]
    assert tie == pytest.approx(0.9 * loading, abs=0.05)


def test_a_column_is_missing_with_another() -> None:
    columns: dict[str, SampleColumn] = {
        "gust": Marginal(shares={"N": 1}, missing=0.2),
        "speed": Marginal(quantiles={0: 0, 1: 9}, missing_with="gust"),
        "calm": Marginal(quantiles={0: 0, 1: 9}, missing_with="gust", missing=0.5),
    }
    table = _draw_table(columns, missing="?")
    gone = {name: {row for row, text in enumerate(column) if text == "?"} for name, column in table.items()}
    assert gone["gust"] == gone["speed"] < gone["calm"]
    assert len(gone["gust"]) == pytest.approx(200, abs=60)


def test_limits_by_another_column_hold() -> None:
    columns: dict[str, SampleColumn] = {
        "low": Marginal(quantiles={0: 0, 1: 10}),
        "high": Marginal(quantiles={0: 0, 1: 10}, at_least="low"),
        "mid": Marginal(quantiles={0: 0, 1: 10}, at_least="low", at_most="high"),
    }
    table = {name: _parse_numbers(column) for name, column in _draw_table(columns).items()}
    assert (table["low"] <= table["mid"]).all()
    assert (table["mid"] <= table["high"]).all()
    assert (table["low"] < table["high"]).any()


def test_a_switch_follows_its_source_and_takes_missing_for_low() -> None:
    columns: dict[str, SampleColumn] = {
        "size": Marginal(quantiles={0: 0, 1: 10}, missing=0.1),
        "big": Switch(source="size", above=4, high=Marginal(shares={"Y": 1}), low=Marginal(shares={"N": 1})),
    }
    table = _draw_table(columns, missing="?")
    expected = ["Y" if size != "?" and float(size) > 4 else "N" for size in table["size"]]
    assert table["big"] == expected
    assert {"Y", "N"} == set(expected)


def test_texts_are_composed_of_hidden_columns_and_the_row() -> None:
    columns: dict[str, SampleColumn] = {
        "size": Marginal(quantiles={0: 1, 1: 9}),
        "inches": Scaled(source="size", factor=0.5),
        "label": Text(templates={"{size:.0f} cm = {inches:.1f}": 1, "{row[5]}": 1}),
    }
    table = _draw_table(columns, 10, hidden=("size", "inches"))
    assert list(table) == ["label"]
    lengths = [text for text in table["label"] if "cm" in text]
    assert all(float(text.split()[0]) == 2 * float(text.split()[-1]) for text in lengths)
    assert {text for text in table["label"] if "cm" not in text} <= set("0123456789")
    assert len(lengths) == 5


def test_a_number_is_rounded_to_its_step_and_written_in_its_form() -> None:
    columns: dict[str, SampleColumn] = {
        "size": Marginal(quantiles={0: -0.2, 1: 0.6}, step=0.2, number_format="")
    }
    assert set(_draw_table(columns)["size"]) == {"-0.2", "0.0", "0.2", "0.4", "0.6"}


def test_dates_lie_between_the_first_and_the_last() -> None:
    columns: dict[str, SampleColumn] = {"day": Marginal(dates=("2008-02-27", "2008-03-01"))}
    assert set(_draw_table(columns)["day"]) == {"2008-02-27", "2008-02-28", "2008-02-29", "2008-03-01"}


def test_copies_are_equal_in_every_column() -> None:
    columns = {name: Marginal(quantiles={0: 0, 1: 1}, step=1e-9) for name in ("a", "b")}
    table = _draw_table(columns, 200, duplicates=0.25)
    rows = [*zip(table["a"], table["b"], strict=True)]
    assert len(rows) - len(set(rows)) == 50
    assert rows[:150] != [*dict.fromkeys(rows)], "the copies stand among the others"


def test_days_are_consecutive_and_the_shorter_entities_start_later() -> None:
    panel = Panel(date="day", entity="tree", entities=("elm", "oak"), last="2016-03-01")
    columns: dict[str, SampleColumn] = {"size": Marginal(quantiles={0: 0, 1: 9})}
    table = _draw_table(columns, 5, panel=panel)
    assert list(table) == ["day", "tree", "size"]
    assert [*zip(table["tree"], table["day"], strict=True)] == [
        ("elm", "2016-02-28"), ("elm", "2016-02-29"), ("elm", "2016-03-01"),
        ("oak", "2016-02-29"), ("oak", "2016-03-01"),
    ]  # fmt: skip


def test_a_lagged_column_shows_the_day_before() -> None:
    panel = Panel(date="day", entity="tree", entities=("elm",), last="2016-03-01")
    columns: dict[str, SampleColumn] = {
        "now": Marginal(quantiles={0: 0, 1: 1}, loadings=(1.0,), step=1e-6),
        "late": Marginal(quantiles={0: 0, 1: 1}, loadings=(1.0,), step=1e-6, lag=1),
    }
    table = _draw_table(columns, 500, panel=panel, factors=(Factor(name="f"),))
    now, late = (_parse_numbers(table[name]) for name in ("now", "late"))
    assert np.corrcoef(now[:-1], late[1:])[0, 1] > 0.99
    assert abs(np.corrcoef(now, late)[0, 1]) < 0.2


def test_factors_have_levels_seasons_and_memory() -> None:
    panel = Panel(date="day", entity="tree", entities=("elm", "oak"), last="2016-12-31")
    factors = (
        Factor(name="level", levels={"oak": 1.5}),
        Factor(name="season", season=1.0, peak=15),
        Factor(name="memory", persistence=0.9),
    )
    columns: dict[str, SampleColumn] = {
        name: Marginal(quantiles={0: 0, 1: 1}, step=1e-6, loadings=tuple(float(i == j) for j in range(3)))
        for i, name in enumerate(("level", "season", "memory"))
    }
    table = _draw_table(columns, 1460, panel=panel, factors=factors)
    level, season, memory = (_parse_numbers(table[name]) for name in ("level", "season", "memory"))
    oak = np.array([tree == "oak" for tree in table["tree"]])
    assert level[oak].mean() - level[~oak].mean() > 0.3
    month = np.array([day[5:7] for day in table["day"]])
    assert season[month == "01"].min() > season[month == "07"].max()
    assert np.corrcoef(memory[:729], memory[1:730])[0, 1] == pytest.approx(0.9, abs=0.1)
    assert abs(np.corrcoef(level[:729], level[1:730])[0, 1]) < 0.2


def test_the_next_day_is_that_of_the_same_entity() -> None:
    panel = Panel(date="day", entity="tree", entities=("elm", "oak"), last="2016-03-01")
    columns: dict[str, SampleColumn] = {
        "size": Marginal(quantiles={0: 0, 1: 1}, step=1e-6),
        "next": NextDay(source="size"),
    }
    table = _draw_table(columns, 100, panel=panel)
    assert table["next"][:49] == table["size"][1:50]
    assert table["next"][50:99] == table["size"][51:]
    assert table["next"][49] not in table["size"]
