"""Default samples of use cases that declare none: they can be read, and a model fits them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.sample import Factor, Marginal, Panel, SyntheticSample
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import HashedSplit, Origin, Target, Task, UseCase
from servicio_ml.features.synthetic.sampler import draw_rows

FIELDS = (
    Field(name="day", kind=Kind.DATE, column="Day", description="", example="2016-06-15"),
    Field(
        name="kind", kind=Kind.CATEGORY, column="Kind", description="", levels=("sweet", "sour"),
        example="sour", parse=Parse(recode={"0": "sweet", "0.0": "sweet", "1": "sour", "1.0": "sour"}),
    ),
    Field(
        name="weight", kind=Kind.NUMBER, column="Weight", description="", minimum=50, maximum=300,
        example=150.0, nullable=True,
    ),
    Field(name="seeds", kind=Kind.INTEGER, column="Seeds", description="", example=5, minimum=0),
    Field(name="balance", kind=Kind.NUMBER, column="Balance", description="", example=-20.0),
    Field(name="extra", kind=Kind.NUMBER, column="Extra", description="", example=1.0, optional=True),
)  # fmt: skip
PRICE = Target(name="price", column="Price", description="", minimum=1, maximum=9)
USE_CASE = UseCase(
    name="apples",
    title="Apples",
    description="",
    task=Task.REGRESSION,
    schema=FeatureSchema(fields=FIELDS),
    target=PRICE,
    candidates=(Candidate(name="knn", family="knn"),),
    metric="r2",
    split=HashedSplit(),
    promotion=PromotionPolicy(metric="r2", floor=0.5),
    origin=Origin(file="apples.csv"),
    sample=SyntheticSample(rows=500),
)


def _draw_columns(use_case: UseCase, rows: int = 2000) -> Mapping[str, Sequence[str]]:
    return draw_rows(use_case, rows, np.random.default_rng(0)).columns


def test_columns_are_those_that_must_be_there() -> None:
    assert list(_draw_columns(USE_CASE)) == ["Day", "Kind", "Weight", "Seeds", "Balance", "Price"]


def test_values_are_what_the_fields_take() -> None:
    columns = _draw_columns(USE_CASE)
    weights = [float(text) for text in columns["Weight"] if text]
    assert (min(weights), max(weights)) == pytest.approx((50, 300), abs=1)
    assert columns["Weight"].count("") / 2000 == pytest.approx(0.05, abs=0.02)
    assert {int(text) for text in columns["Seeds"]} == set(range(11))
    assert set(columns["Kind"]) == {"0", "1"}
    assert min(columns["Day"]) == "2014-06-16"
    assert max(columns["Day"]) == "2016-06-15"
    balances = [float(text) for text in columns["Balance"]]
    assert (min(balances), max(balances)) == pytest.approx((-40, 0), abs=1)


@pytest.mark.parametrize("column", ["Kind", "Weight", "Seeds", "Balance"])
def test_features_are_tied_to_the_target(column: str) -> None:
    columns = _draw_columns(USE_CASE)
    known = [i for i, text in enumerate(columns[column]) if text]
    feature, price = ([float(columns[name][i]) for i in known] for name in (column, "Price"))
    assert np.corrcoef(feature, price)[0, 1] > 0.3


@pytest.mark.parametrize(
    ("target", "task", "values"),
    [
        (replace(PRICE, labels=("no", "yes"), minimum=None, maximum=None), Task.BINARY, {"no", "yes"}),
        (
            Target(
                name="price", column="Price", description="", labels=("no", "yes"),
                parse=Parse(recode={"n": "no", "y": "yes"}),
            ),
            Task.BINARY,
            {"n", "y"},
        ),
    ],
    ids=["labels", "recoded labels"],
)  # fmt: skip
def test_a_target_of_labels_takes_each(target: Target, task: Task, values: set[str]) -> None:
    use_case = replace(
        USE_CASE, task=task, target=target, metric="roc_auc",
        promotion=PromotionPolicy(metric="roc_auc", floor=0.5),
    )  # fmt: skip
    assert set(_draw_columns(use_case)["Price"]) == values


def test_a_target_without_bounds_falls_on_both_sides_of_its_edges() -> None:
    target = Target(name="price", column="Price", description="", labels=("low", "high"), edges=(3.0,))
    use_case = replace(
        USE_CASE, task=Task.BINARY, target=target, metric="roc_auc",
        promotion=PromotionPolicy(metric="roc_auc", floor=0.5),
    )  # fmt: skip
    prices = np.array([float(text) for text in _draw_columns(use_case)["Price"]])
    assert 0.1 < (prices < 3.0).mean() < 0.9


def test_what_is_declared_stays_and_the_rest_follows() -> None:
    sample = SyntheticSample(
        rows=1,
        columns={"Weight": Marginal(quantiles={0: 7, 1: 7})},
        factors=(Factor(name="ripe"),),
        panel=Panel(date="Day", entity="Kind", entities=("0", "1"), last="2016-06-15"),
    )
    columns = _draw_columns(replace(USE_CASE, sample=sample), 4)
    assert list(columns) == ["Day", "Kind", "Weight", "Seeds", "Balance", "Price"]
    assert set(columns["Weight"]) == {"7"}
