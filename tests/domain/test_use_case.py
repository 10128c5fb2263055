"""A use case that makes no sense is refused when its file is read, and the message says why."""

from dataclasses import replace
from typing import Any

import pytest

import small_use_case
from servicio_ml.domain.derived import Difference
from servicio_ml.domain.fairness.limits import FairnessLimits
from servicio_ml.domain.fields.segment import Segment
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.sample import SyntheticSample
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import (
    ColumnSplit,
    DateSplit,
    Dialect,
    GroupSplit,
    HashedSplit,
    Origin,
    Target,
    Task,
    UseCase,
)
from servicio_ml.errors import UseCaseError
from servicio_ml.use_cases.catalogue import load_catalogue

DATE = Field(name="day", kind=Kind.DATE, column="Day", description="Day", example="2016-06-15")
WEIGHT = Field(name="weight", kind=Kind.NUMBER, column="Weight", description="Weight", example=1.0)
SOLD = Target(name="sold", column="Sold", description="Sold", labels=("No", "Yes"))
PRICE = Target(name="price", column="Price", description="Price")
USE_CASE = UseCase(
    name="apples",
    title="Apples",
    description="Whether an apple is sold.",
    task=Task.BINARY,
    schema=FeatureSchema(fields=(DATE, WEIGHT)),
    target=SOLD,
    candidates=(Candidate(name="lightgbm", family="lightgbm"),),
    metric="roc_auc",
    split=HashedSplit(),
    promotion=PromotionPolicy(metric="roc_auc", floor=0.5),
    origin=Origin(file="apples.csv"),
    sample=SyntheticSample(rows=10),
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"name": "Red apples"}, "use case 'Red apples': names are snake case", id="name"),
        pytest.param({"target": PRICE}, "a binary target cannot have 0 labels", id="binary without labels"),
        pytest.param({"task": Task.MULTICLASS}, "a multiclass target cannot have 2 labels", id="two classes"),
        pytest.param(
            {"task": Task.REGRESSION}, "a regression target cannot have 2 labels", id="labelled number"
        ),
        pytest.param({"event_date": "weight"}, "'weight' orders rows in time, but is no date", id="no date"),
        pytest.param(
            {"split": DateSplit(field="weight")}, "'weight' orders rows in time, but is no date", id="split"
        ),
        pytest.param(
            {"max_quarantined_share": 20},
            "max_quarantined_share is 20; it must be at least 0 and at most 1",
            id="share of the quarantine in percent",
        ),
        pytest.param({"candidates": ()}, "at least one candidate", id="no candidate"),
        pytest.param(
            {"target": replace(SOLD, name="weight")}, "'weight' is also a feature", id="target a feature"
        ),
        pytest.param(
            {"candidates": USE_CASE.candidates * 2}, "two candidates have the same name", id="candidate twice"
        ),
        pytest.param(
            {"candidates": (Candidate(name="champion", family="svm"),)},
            "candidate 'champion'",
            id="reserved alias",
        ),
        pytest.param(
            {"candidates": (Candidate(name="v12", family="svm"),)}, "candidate 'v12'", id="version alias"
        ),
        pytest.param(
            {"metric": "auc"}, "'auc' is no metric of a binary target; .*roc_auc", id="unknown metric"
        ),
        pytest.param({"metric": "mae"}, "'mae' is no metric of a binary target", id="metric of another task"),
        pytest.param(
            {"promotion": PromotionPolicy(metric="r2", floor=0)},
            "'r2' is no metric",
            id="metric of the promotion",
        ),
        pytest.param(
            {"split": DateSplit(field="date")}, "'date' is named .*; fields are day, weight", id="split date"
        ),
        pytest.param(
            {"split": GroupSplit(field="tree")},
            "the split names the field 'tree'; fields are day, weight",
            id="split group",
        ),
        pytest.param(
            {"split": ColumnSplit(field="weight")},
            "'weight' says which rows are test rows, but is no cat",
            id="split column",
        ),
        pytest.param({"event_date": "date"}, "'date' is named as a date or slice", id="event date"),
        pytest.param(
            {"interval_group": "hue"},
            "interval_group 'hue' is no field; fields are day, weight",
            id="no group",
        ),
        pytest.param(
            {"interval_group": "weight"}, "interval_group 'weight' has no levels", id="number as group"
        ),
        pytest.param(
            {"segments": ("hue",)}, "segment 'hue' is no field; fields are day, weight", id="no segment"
        ),
        pytest.param(
            {"segments": ("weight",)},
            r"segment 'weight' is a number; give its ranges: Segment\(field='weight', edges=",
            id="number as segment",
        ),
        pytest.param(
            {"segments": ("day",)}, "segment 'day' is a date; name a category", id="date as segment"
        ),
        pytest.param(
            {"segments": (Segment(field="weight", edges=(1, 2)),) * 2},
            "segments name a field twice: weight, weight",
            id="segment twice",
        ),
        pytest.param(
            {"segments": ("number",), "identifier": "number"},
            "segment 'number' is the identifier",
            id="identifier as segment",
        ),
        pytest.param(
            {"segments": (Segment(field="weight", edges=tuple(range(1, 90)), cells=True),)},
            "segments have 455 values .*; at most 250 are counted",
            id="many segments",
        ),
        pytest.param(
            {"protected": ("hue",)}, "segment 'hue' is no field; fields are day, weight", id="no attribute"
        ),
        pytest.param(
            {
                "promotion": PromotionPolicy(
                    metric="f1", floor=0, fairness=FairnessLimits(max_tpr_difference=0.1)
                )
            },
            "promotion has fairness limits, and protected= names no field",
            id="limits of nothing",
        ),
        pytest.param(
            {
                "protected": (Segment(field="weight", edges=(1, 2)),),
                "promotion": PromotionPolicy(metric="f1", floor=0, fairness=FairnessLimits()),
            },
            r"promotion has fairness=FairnessLimits\(…\) without any limit",
            id="no limit",
        ),
        pytest.param(
            {"promotion": PromotionPolicy(metric="f1", floor=0, slices=("colour",))},
            "'colour' is named",
            id="slice",
        ),
        pytest.param(
            {"dialects": (Dialect(name="old", columns={"wieght": "W"}),)},
            "dialect 'old': no field or target wieght",
            id="dialect",
        ),
    ],
)
def test_a_wrong_use_case_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UseCaseError, match=message):
        replace(USE_CASE, **changes)


def _weigh(*others: Field, derived: tuple[Difference, ...] = (), **changes: Any) -> dict[str, Any]:
    """Changes by which the weight of an apple, changed as well, weighs its row."""
    weight = replace(WEIGHT, **{"minimum": 0.001, **changes})
    return {
        "schema": FeatureSchema(fields=(DATE, weight, *others), derived=derived), "sample_weight": "weight"
    }  # fmt: skip


COST = Field(name="cost", kind=Kind.NUMBER)
LESS = Difference(name="less", minuend="cost", subtrahend="weight")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_weight": "mass"}, "sample_weight names the field 'mass'; fields are day, weight"),
        ({"sample_weight": "day"}, "'day' weighs the rows, but is no number"),
        (_weigh(nullable=True), "'weight' weighs the rows, but may be missing; set nullable=False and opt"),
        (_weigh(optional=True), "'weight' weighs the rows, but may be missing"),
        (_weigh(minimum=None), "'weight' weighs the rows; give it a minimum above 0, such as minimum=0.001"),
        (_weigh(minimum=0), "'weight' weighs the rows; give it a minimum above 0"),
        (_weigh() | {"split": GroupSplit(field="weight")}, "no feature; it cannot be the group of the split"),
        (_weigh(COST, derived=(LESS,)), "'weight' weighs the rows and is no feature; derive no column from"),
        (
            _weigh(replace(COST, column="Weight")),
            "the column 'Weight' is read as 'cost' and as the weight 'weight'; keep one",
        ),
        (
            _weigh() | {"dialects": (Dialect(name="old", columns={"sold": "Weight"}),)},
            "the column 'Weight' is read as 'sold' and as the weight 'weight'; keep one",
        ),
        (
            _weigh() | {"candidates": (Candidate(name="rising", family="xgboost", monotone={"weight": 1}),)},
            "monotone names 'weight', which models do not read; they read day",
        ),
        (_weigh() | {"candidates": (Candidate(name="near", family="knn"),)}, "its family 'knn' takes no we"),
        (
            {"schema": FeatureSchema(fields=(replace(WEIGHT, minimum=1),)), "sample_weight": "weight"},
            "models read no column",
        ),
    ],
)
def test_a_wrong_weight_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UseCaseError, match=message):
        replace(USE_CASE, **changes)
    assert replace(USE_CASE, **_weigh(COST)).non_features == {"weight": "it weighs the rows"}


def test_a_dialect_may_rename_the_target() -> None:
    dialect = Dialect(name="old", columns={"sold": "Gone", "weight": "Grams"})
    assert replace(USE_CASE, dialects=(dialect,)).dialects == (dialect,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"edges": (0.3, 0.6)}, "2 edges need 3 labels", id="number of edges"),
        pytest.param({"labels": ("a", "b", "c"), "edges": (0.6, 0.3)}, "edges must ascend", id="descending"),
        pytest.param({"labels": ("a", "b", "c"), "edges": (0.3, 0.3)}, "edges must ascend", id="equal"),
    ],
)
def test_a_wrong_target_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UseCaseError, match=f"target 'sold': {message}"):
        replace(SOLD, **changes)


@pytest.mark.parametrize(
    ("target", "numeric"),
    [
        pytest.param(SOLD, False, id="labels as text"),
        pytest.param(replace(SOLD, edges=(0.5,)), True, id="labels by edges"),
        pytest.param(PRICE, True, id="number"),
    ],
)
def test_a_target_knows_whether_its_raw_value_is_a_number(target: Target, *, numeric: bool) -> None:
    assert target.numeric is numeric


def test_candidates_are_found_by_name() -> None:
    assert USE_CASE.get_candidate("lightgbm") is USE_CASE.candidates[0]
    with pytest.raises(UseCaseError, match="use case apples: no candidate 'svm'; candidates are lightgbm"):
        USE_CASE.get_candidate("svm")


@pytest.mark.parametrize("name", load_catalogue())
def test_a_shipped_candidate_starts_inside_its_space(name: str) -> None:
    outside = [
        (candidate.name, parameter, value)
        for candidate in load_catalogue()[name].candidates
        for parameter, value in candidate.start.items()
        if not _is_inside(candidate.space[parameter], value)
    ]
    assert outside == []


def _is_inside(space: Any, value: Any) -> bool:
    return value in space.options if hasattr(space, "options") else space.low <= value <= space.high


def test_a_protected_attribute_is_a_segment_with_cells() -> None:
    weight = Segment(field="weight", edges=(1, 2))
    protected = replace(USE_CASE, protected=(weight,))
    assert protected.watched_segments == (replace(weight, cells=True),)
    # named as a segment, too, it is one
    assert replace(protected, segments=(weight,)).watched_segments == (replace(weight, cells=True),)


def test_other_tasks_have_no_protected_attributes() -> None:
    for task, kind in ((Task.MULTICLASS, "multiclass"), (Task.REGRESSION, "regression")):
        with pytest.raises(UseCaseError, match=f"protected names colour: .* and this is {kind}"):
            small_use_case.build_use_case(task, protected=("colour",))
