"""Everything that a use case says is checked when its file is read; the message names place and remedy."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from servicio_ml.domain.derived import (
    Bins,
    Cyclic,
    DatePart,
    Difference,
    Expression,
    Frequency,
    GroupMean,
    Lookup,
    Missing,
    Ratio,
    TargetMean,
)
from servicio_ml.domain.policy import DriftPolicy, LeakagePolicy, PromotionPolicy
from servicio_ml.domain.sample import Factor, Marginal, Panel, Scaled, Switch, SyntheticSample, Text
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, LearnedLevels, Parse
from servicio_ml.domain.search import Candidate, Choice, Integer, Real
from servicio_ml.domain.use_case import DateSplit, Dialect, HashedSplit, Origin, Target, Task, UseCase
from servicio_ml.errors import UseCaseError

DAY = Field(name="day", kind=Kind.DATE, column="Day", description="Day", example="2016-06-15")
SIZE = Field(name="size", kind=Kind.NUMBER, column="Size", description="Size", example=1.0)
SEATS = Field(name="seats", kind=Kind.INTEGER, column="Seats", description="Seats", example=5)
HUE = Field(
    name="hue", kind=Kind.CATEGORY, column="Hue", description="Hue", levels=("red", "blue"), example="red"
)
SOLD = Target(name="sold", column="Sold", description="Sold", labels=("No", "Yes"))
GRADE = Target(
    name="grade", column="G", description="G", labels=("low", "high"), edges=(2,), minimum=1, maximum=3
)
PRICE = Target(name="price", column="Price", description="Price", minimum=1, log=True)
FOREST = Candidate(
    name="forest", family="random_forest", space={"max_depth": Integer(low=2, high=9)},
    start={"max_depth": 4},
)  # fmt: skip
DRIFT = DriftPolicy()
PROMOTION = PromotionPolicy(metric="roc_auc", floor=0.5)
FLAT = Marginal(quantiles={0: 0, 1: 1})
PANEL = Panel(date="Day", entity="Hue", entities=("red", "blue"), last="2016-06-15")
APPLES = UseCase(
    name="apples", title="Apples", description="", task=Task.BINARY,
    schema=FeatureSchema(fields=(DAY, SIZE, SEATS, HUE)), target=SOLD, candidates=(FOREST,), metric="roc_auc",
    split=HashedSplit(), promotion=PROMOTION, origin=Origin(file="apples.csv"),
    sample=SyntheticSample(rows=9),
)  # fmt: skip
BAD: Any = None


def change(declaration: Any, **changes: Any) -> Callable[[], Any]:
    return lambda: replace(declaration, **changes)


def derive(column: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: FeatureSchema(fields=(DAY, SIZE, SEATS, HUE), derived=(column(),))


TYPES = [
    (change(SIZE, minimum="0"), "field 'size': minimum is '0'; it must be a number or None"),
    (change(SIZE, minimum=True), "field 'size': minimum is True; it must be a number or None"),
    (change(SIZE, maximum=float("nan")), "field 'size': maximum is nan; it must be a finite number"),
    (
        change(SIZE, kind="number"),
        "kind is 'number'; it must be Kind.NUMBER, Kind.INTEGER, Kind.CATEGORY, Kind.DATE, Kind.DATETIME",
    ),
    (change(SIZE, nullable="yes"), "nullable is 'yes'; it must be True or False"),
    (change(SIZE, column=" "), "column is ' '; it must be one line"),
    (change(SIZE, column=None), "column is None; it must be a text"),
    (change(SIZE, description="a\nb"), "must be one line"),
    (change(SIZE, name=5), "field 5: name is 5; it must be a text"),
    (change(SIZE, parse={"recode": {}}), "it must be Parse(…)"),
    (
        change(HUE, levels="red"),
        "field 'hue': levels is 'red'; it must be a tuple; write ('red',) with a comma",
    ),
    (change(HUE, levels=["red"]), "levels is ['red']; it must be a tuple; write (…, …) with round brackets"),
    (change(HUE, levels=(1, 2)), "field 'hue': levels[0] is 1; it must be a text"),
    (
        change(HUE, levels=("red", " blue")),
        "levels[1] is ' blue'; it must be a text without blanks around it",
    ),
    (change(HUE, levels=("red", "")), "levels[1] is ''; it must be a text without blanks around it"),
    (change(SOLD, labels="No"), "target 'sold': labels is 'No'; it must be a tuple"),
    (change(SOLD, labels=(0, 1)), "target 'sold': labels[0] is 0; it must be a text"),
    (change(SOLD, log=1), "log is 1; it must be True or False"),
    (change(GRADE, edges=2), "edges is 2; it must be a tuple; write (2,) with a comma"),
    (change(GRADE, edges=("2",)), "edges[0] is '2'; it must be a number"),
    (
        change(FOREST, space={"max_depth": (2, 9)}),
        "space['max_depth'] is (2, 9); it must be Integer(…), Real(…)",
    ),
    (change(FOREST, space=[]), "space is []; it must be a mapping"),
    (change(FOREST, tuning_rows=-1), "tuning_rows is -1; it must be at least 0"),
    (change(FOREST, tuning_rows=0.5), "tuning_rows is 0.5; it must be a whole number"),
    (change(FOREST, max_latency_seconds=0), "max_latency_seconds is 0; it must be above 0"),
    (lambda: Integer(low=BAD, high=2), "Integer: low is None; it must be a whole number"),
    (lambda: Real(low="0", high=1), "Real: low is '0'; it must be a number"),  # type: ignore[arg-type]
    (lambda: Choice(options="abc"), "options is 'abc'; it must be a tuple"),  # type: ignore[arg-type]
    (
        change(PROMOTION, slices="hue"),
        "promotion policy: slices is 'hue'; it must be a tuple; write ('hue',)",
    ),
    (change(PROMOTION, margin=2), "margin is 2; it must be at least 0 and at most 1"),
    (change(PROMOTION, max_slice_loss=-0.1), "max_slice_loss is -0.1; it must be at least 0"),
    (change(PROMOTION, min_slice_rows=0), "min_slice_rows is 0; it must be at least 1"),
    (change(PROMOTION, floor="0.8"), "floor is '0.8'; it must be a number"),
    (
        change(PROMOTION, max_calibration_error=5),
        "max_calibration_error is 5; it must be at least 0 and at most 1",
    ),
    (change(DRIFT, bins=1), "drift policy: bins is 1; it must be at least 2"),
    (change(DRIFT, practical_psi=0), "practical_psi is 0; it must be above 0"),
    (change(DRIFT, false_alarm_rate=5), "false_alarm_rate is 5; it must be above 0 and below 1"),
    (change(DRIFT, design_effect=0), "design_effect is 0; it must be at least 1"),
    (change(DRIFT, design_effect=-6), "design_effect is -6; it must be at least 1"),
    (change(DRIFT, max_mae_growth=-1), "max_mae_growth is -1; it must be at least 0"),
    (change(DRIFT, season=None), "season is None; it must be a text"),
    (lambda: HashedSplit(test_share=20), "split by hash: test_share is 20; it must be above 0 and below 1"),
    (lambda: HashedSplit(folds=1), "split by hash: folds is 1; it must be at least 2"),
    (lambda: DateSplit(field="day", folds=0), "split by date: folds is 0; it must be at least 2"),
    (lambda: DateSplit(field="day", test_share=0), "test_share is 0; it must be above 0 and below 1"),
    (
        lambda: Origin(file="data/a.csv"),
        "origin: file is 'data/a.csv'; it must be the name of a file without a folder",
    ),
    (lambda: Origin(file="a.csv", kaggle="apples"), "kaggle is 'apples'; it must be 'owner/name'"),
    (lambda: Origin(file="a.csv", uci="45"), "uci is '45'; it must be a whole number"),  # type: ignore[arg-type]
    (lambda: Dialect(name="old", header="Size"), "header is 'Size'; it must be a tuple"),  # type: ignore[arg-type]
    (lambda: Dialect(name="old", columns={"size": 3}), "dialect 'old': columns['size'] is 3"),  # type: ignore[dict-item]
    (lambda: Parse(missing="x"), "parse: missing is 'x'; it must be a tuple"),  # type: ignore[arg-type]
    (lambda: Parse(missing=(" x",)), "missing[0] is ' x'; it must be without blanks around it"),
    (lambda: Parse(missing_numbers=9), "missing_numbers is 9; it must be a tuple"),  # type: ignore[arg-type]
    (lambda: Parse(units={"kg": 0}), "units['kg'] is 0; it must be above 0"),
    (lambda: Parse(units={"kg": "1000"}), "units['kg'] is '1000'; it must be a number"),  # type: ignore[dict-item]
    (lambda: Parse(recode={1: "red"}), "a key of recode is 1; it must be a text"),  # type: ignore[dict-item]
    (lambda: Parse(recode={"1": 2}), "recode['1'] is 2; it must be a text"),  # type: ignore[dict-item]
    (
        change(APPLES, task="binary"),
        "task is 'binary'; it must be Task.BINARY, Task.MULTICLASS or Task.REGRESSION",
    ),
    (change(APPLES, leaks="drop"), "leaks is 'drop'; it must be LeakagePolicy.DROP or LeakagePolicy.FAIL"),
    (change(APPLES, title=" "), "title is ' '; it must be one line that begins with a character"),
    (change(APPLES, missing="NA"), "missing is 'NA'; it must be a tuple; write ('NA',) with a comma"),
    (change(APPLES, candidates=FOREST), "candidates is Candidate("),
    (change(APPLES, candidates=[FOREST]), "it must be a tuple; write (…, …) with round brackets"),
    (change(APPLES, schema=(SIZE,)), "it must be FeatureSchema(…)"),
    (
        change(APPLES, split=0.2),
        "split is 0.2; it must be DateSplit(…), HashedSplit(…), GroupSplit(…) or ColumnSplit(…)",
    ),
    (
        change(APPLES, target=[APPLES.target, APPLES.target]),
        "target has 2 items; a use case predicts one target, so write one for each, with the same fields",
    ),
    (change(APPLES, deduplicate="no"), "deduplicate is 'no'; it must be True or False or None"),
    (lambda: FeatureSchema(fields=[SIZE]), "schema: fields is ["),  # type: ignore[arg-type]
    (lambda: FeatureSchema(fields=(SIZE,), derived=(SIZE,)), "schema: derived[0] is Field("),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("declare", "message"), TYPES, ids=[message for _, message in TYPES])
def test_an_attribute_of_another_type_range_or_form_is_refused(
    declare: Callable[[], Any], message: str
) -> None:
    assert message in find_error(declare)


MEANINGS = [
    (
        derive(lambda: Cyclic(name="c", source="day", period=7, wave="cosine")),  # type: ignore[arg-type]
        "derived column 'c': wave is 'cosine'; it must be 'sin' or 'cos'",
    ),
    (
        derive(lambda: Cyclic(name="c", source="day", period=0, wave="sin")),
        "period is 0; it must be at least 1e-06",
    ),
    (derive(lambda: Cyclic(name="c", source="hue", period=7, wave="sin")), "'hue' is a category"),
    (
        derive(lambda: Cyclic(name="Cos", source="day", period=7, wave="sin")),
        "name is 'Cos'; it must be snake case",
    ),
    (
        derive(lambda: Difference(name="d", minuend="day", subtrahend="size")),
        "day and size are a date and a number",
    ),
    (derive(lambda: Ratio(name="r", numerator="size", denominator="hue")), "'hue' is a category"),
    (derive(lambda: Missing(name="m", source="weight")), "derived column 'm': no field weight"),
    (derive(lambda: Missing(name="prediction", source="size")), "such as derived_prediction"),
    (
        derive(lambda: Lookup(name="l", source="hue", table={"red": "1", "blue": 2})),  # type: ignore[dict-item]
        "table['red'] is '1'; it must be a number",
    ),
    (derive(lambda: Lookup(name="l", source="hue", table={"red": 1})), "its table must hold every level"),
    (derive(lambda: Expression(name="e", text="size / weight")), "derived column 'e': no field weight"),
    (derive(lambda: Expression(name="e", text="hue + size")), "'hue' is a category"),
    (derive(lambda: Expression(name="e", text="size +")), "derived column 'e': 'size +' is no expression"),
    (derive(lambda: Bins(name="b", source="size", edges=(2, 2))), "give at least one, in ascending order"),
    (derive(lambda: Bins(name="b", source="size", edges=())), "give at least one, in ascending order"),
    (derive(lambda: Bins(name="b", source="day", edges=(1,))), "'day' is a date; bins are those of a number"),
    (derive(lambda: Bins(name="b", source="hue", edges=(1,))), "'hue' is a category"),
    (
        derive(lambda: DatePart(name="p", source="size", part="day")),
        "'size' is a number; only a date has parts",
    ),
    (
        derive(lambda: DatePart(name="p", source="day", part="week")),  # type: ignore[arg-type]
        "part is 'week'; it must be 'year' or 'month' or 'day' or 'weekday' or 'day_of_year'",
    ),
    (change(HUE, levels=("red", "missing")), "a level is called 'missing', as absent values are"),
    (change(HUE, levels=("3", "3.0"), example="3"), "a level has the value of another"),
    (change(HUE, example="green"), "the example 'green' is not one of its levels"),
    (derive(lambda: TargetMean(name="t", source="size")), "'size' is a number; take a category"),
    (derive(lambda: Frequency(name="f", source="day")), "'day' is a date; take a category"),
    (derive(lambda: GroupMean(name="g", source="hue", by="hue")), "'hue' is a category; only numbers have"),
    (derive(lambda: GroupMean(name="g", source="size", by="seats")), "'seats' is a integer; take a category"),
    (
        change(
            APPLES,
            task=Task.MULTICLASS,
            metric="f1_macro",
            target=replace(SOLD, labels=("a", "b", "c")),
            promotion=PromotionPolicy(metric="f1_macro", floor=0.1),
            schema=FeatureSchema(fields=(HUE,), derived=(TargetMean(name="t", source="hue"),)),
        ),
        "derived column 't': a target of three or more labels has no mean",
    ),
    (
        change(HUE, learned_levels=LearnedLevels()),
        "learned levels come from the training rows and end with 'other'; leave levels out",
    ),
    (
        change(SIZE, learned_levels=LearnedLevels()),
        "a category has levels, and nothing else has",
    ),
    (lambda: LearnedLevels(maximum=0), "learned levels: maximum is 0; it must be at least 1"),
    (
        lambda: FeatureSchema(
            fields=(Field(name="make", kind=Kind.CATEGORY, learned_levels=LearnedLevels()),),
            derived=(Lookup(name="l", source="make", table={}),),
        ),
        "the levels of 'make' are learned, so that no table can hold them",
    ),
    (change(HUE, minimum=0), "a category has no minimum and no maximum"),
    (change(HUE, parse=Parse(pattern="(.+)", units={"kg": 2})), "units are for numbers; leave them out"),
    (change(DAY, example="15.06.2016"), "the example '15.06.2016' is no date; write YYYY-MM-DD"),
    (change(DAY, example="2015-02-29"), "the example '2015-02-29' is no date"),
    (change(DAY, maximum=5), "a date has no minimum and no maximum"),
    (change(SIZE, example="1.0"), "the example '1.0' is not a number"),
    (change(SIZE, minimum=5), "the example 1.0 is not a number of at least 5"),
    (change(SIZE, minimum=2, maximum=1), "minimum 2 > maximum 1"),
    (change(SEATS, example=5.5), "the example 5.5 is not a whole number"),
    (
        change(SEATS, maximum=2**24 + 1),
        "its bound 16777217 is beyond ±16,777,216, to which whole numbers are exact",
    ),
    (
        change(SEATS, minimum=-(2**53)),
        "make it a date, subtract an origin, count in thousands or declare Kind.NUMBER",
    ),
    (change(SIZE, minimum=1.4e9, maximum=1.6e9, example=1.5e9), "are too coarse in float32 (7 digits)"),
    (change(SIZE, minimum=1000.0, maximum=1000.01, example=1000.0), "subtract an origin in the raw file"),
    (change(SIZE, maximum=1e39), "are too coarse in float32"),
    (
        change(SIZE, name="prediction"),
        "field 'prediction': the platform has a column of that name; choose another",
    ),
    (change(SIZE, name="line"), "field 'line': the platform has a column of that name"),
    (change(SIZE, name="_size"), "field '_size': names are snake case"),
    (change(DAY, parse=Parse(fold_case=True)), "fold_case is for categories; leave it out"),
    (
        change(HUE, parse=Parse(date_format="%d.%m.%y")),
        "date_format is for dates and date-times; leave it out",
    ),
    (change(HUE, levels=("red", "RED"), parse=Parse(fold_case=True)), "levels differ in case or white space"),
    (
        change(HUE, levels=("3", "4"), example="3", parse=Parse(fold_case=True)),
        "its levels are numbers, which have no case",
    ),
    (
        lambda: Parse(date_format="%d/%m"),
        "it has 0 of %Y and %y; it takes one; write one such as '%d/%m/%Y', or 'epoch_s'",
    ),
    (lambda: Parse(date_format="epoch_us"), "date_format 'epoch_us': it has 0 of %Y and %y"),
    (lambda: Parse(date_format="%d/%m/%Y/%y"), "it has 2 of %Y and %y"),
    (lambda: Parse(date_format="%d/%m/%Y %H:%M"), "'%H' is no part of a day"),
    (lambda: Parse(date_format="%dth %b %Y"), "it has letters or digits between the parts"),
    (lambda: Parse(date_format="%Y-%d-%m"), "its texts could be days as YYYY-MM-DD, too"),
    (
        change(DAY, column=("day",)),
        "column=('day',) joins 1 columns; name at least 2, or one text",
    ),
    (change(DAY, column=("day", "day")), "column=('day', 'day') names a column twice"),
    (change(DAY, column=("day", "")), "column[1] is ''; it must be one line that begins with a character"),
    (
        change(APPLES, identifier="id", schema=FeatureSchema(fields=(replace(SIZE, name="identifier"),))),
        "rows are published with a column 'identifier'; rename the feature or target of that name",
    ),
    (
        change(APPLES, identifier="id", schema=FeatureSchema(fields=(replace(SIZE, column="identifier"),))),
        "'size' is read from a column 'identifier', which requests have as the text of 'id'; rename",
    ),
    (
        change(APPLES, identifier=SIZE.column),
        "is the identifier and is read as 'size', too; keep one of both",
    ),
    (change(APPLES, identifier=" id"), "identifier is ' id'; it must be one line that begins with a"),
    (change(DAY, ordered=True), "ordered is for a category whose levels are given; leave it out"),
    (
        change(DAY, kind=Kind.BOOLEAN, levels=("no", "yes")),
        "a boolean has the levels false and true; leave them out",
    ),
    (
        change(DAY, kind=Kind.DATETIME, example="noon"),
        "the example 'noon' is no date-time; write one such as",
    ),
    (change(DAY, zone="UTC"), "only a date-time has a time zone; leave zone out"),
    (
        change(DAY, kind=Kind.DATETIME, zone="Europe/Madird"),
        "the time zone 'Europe/Madird' is unknown here; name one of the IANA database",
    ),
    (change(DAY, kind=Kind.DATETIME, zone="/etc/passwd"), "the time zone '/etc/passwd' is unknown here"),
    (change(DAY, kind=Kind.BOOLEAN), "the example '2016-06-15' is neither True nor False"),
    (change(SOLD, name="prediction"), "target 'prediction': the platform has a column of that name"),
    (change(SOLD, name="Sold?"), "target 'Sold?': names are snake case"),
    (change(SOLD, labels=("No", "No")), "target 'sold': a label is named twice"),
    (change(SOLD, labels=("No", "missing")), "a label is called 'missing'"),
    (change(SOLD, parse=Parse(missing_numbers=(9,))), "missing_numbers are for numbers"),
    (change(GRADE, edges=(9,)), "the edge 9 is not between minimum and maximum: a class would be empty"),
    (change(GRADE, minimum=4), "minimum 4 > maximum 3"),
    (change(GRADE, log=True), "log=True is for a regression; leave it out"),
    (change(PRICE, minimum=0), "log=True needs a minimum above 0; give one, such as minimum=1"),
    (change(PRICE, minimum=None), "log=True needs a minimum above 0"),
    (
        change(FOREST, family="forest"),
        "candidate 'forest': unknown family 'forest'; families are lightgbm, xgboost",
    ),
    (change(FOREST, space={}), "start['max_depth'] has no range in space; give it one, or move it to fixed"),
    (change(FOREST, start={"max_depth": 99}), "start['max_depth'] is 99, outside of Integer(low=2, high=9"),
    (change(FOREST, start={"max_depth": True}), "start['max_depth'] is True, outside of Integer"),
    (change(FOREST, fixed={"max_depth": 3}), "max_depth is tuned in space and fixed; leave out one"),
    (change(FOREST, fixed={"max_train_rows": "all"}), "fixed['max_train_rows'] must be a number of rows"),
    (
        change(FOREST, fixed={"category_splits": "sets"}),
        "'category_splits' is a parameter of the family 'lightgbm'; leave it out",
    ),
    (
        lambda: Candidate(name="trees", family="lightgbm", fixed={"category_splits": "levels"}),
        "'category_splits' is 'levels'; it is 'sets' or 'order'",
    ),
    (
        lambda: Candidate(name="trees", family="lightgbm", space={"category_splits": Real(low=0, high=1)}),
        "'category_splits' is Real(low=0, high=1, log=False); it is 'sets' or 'order'",
    ),
    (change(FOREST, name="Forest"), "name is 'Forest'; it must be snake case"),
    (lambda: Integer(low=9, high=2), "low 9 > high 2; exchange them"),
    (lambda: Integer(low=0, high=2, log=True), "log=True needs a low above 0"),
    (lambda: Real(low=-1, high=2, log=True), "log=True needs a low above 0"),
    (lambda: Choice(options=()), "name at least one, each once"),
    (lambda: PromotionPolicy(metric="auc", floor=0.5), "unknown metric 'auc'"),
    (change(PROMOTION, floor=80), "floor is 80; roc_auc lies from 0 to 1"),
    (change(PROMOTION, slices=("hue", "hue")), "slices name a field twice"),
    (lambda: Dialect(name="old", header=("a", "a")), "its header names a column twice"),
    (
        lambda: Parse(units={"kg": 1000, "KG": 1}),
        "unit 'kg' has two factors; units compare without regard to case",
    ),
    (lambda: Parse(pattern=r"(\d++)"), "possessive"),
    (
        lambda: Parse(units={"kg": 1000}),
        'the number before the unit; give one, such as pattern=r"([+-]?[\\d.,]+)"',
    ),
    (
        derive(lambda: Cyclic(name="c", source="day", period=1e-300, wave="sin")),
        "derived column 'c': period is 1e-300; it must be at least 1e-06 and at most 1e+09",
    ),
    (
        derive(lambda: Cyclic(name="c", source="day", period=-7, wave="sin")),
        "period is -7; it must be at least",
    ),
    (
        derive(lambda: Cyclic(name="c", source="day", period=float("inf"), wave="sin")),
        "period is inf; it must be a finite number",
    ),
    (
        derive(lambda: Cyclic(name="c", source="day", period=float("nan"), wave="sin")),
        "period is nan; it must be a finite number",
    ),
    (
        derive(lambda: Lookup(name="l", source="hue", table={"red": 1e39, "blue": 2})),
        "table['red'] is 1e+39; it must be at least -3.40282e+38 and at most 3.40282e+38",
    ),
]


@pytest.mark.parametrize(("declare", "message"), MEANINGS, ids=[message for _, message in MEANINGS])
def test_a_declaration_that_contradicts_itself_is_refused(declare: Callable[[], Any], message: str) -> None:
    assert message in find_error(declare)


TOGETHER = [
    (
        {"candidates": (replace(FOREST, family="ridge", space={}, start={}),)},
        "the family 'ridge' fits no binary target",
    ),
    (
        {
            "task": Task.REGRESSION,
            "target": PRICE,
            "metric": "mae",
            "promotion": PromotionPolicy(metric="mae", floor=9),
            "candidates": (Candidate(name="lr", family="logistic_regression"),),
        },
        "'logistic_regression' fits no regression target; these do: lightgbm, xgboost",
    ),
    ({"promotion": replace(PROMOTION, slices=("size",))}, "the slice 'size' is no category"),
    ({"missing": ("NA", "red")}, "'hue': the level 'red' also means missing"),
    (
        {"schema": FeatureSchema(fields=(replace(HUE, levels=("red", "NA")),))},
        "the level 'NA' also means missing",
    ),
    (
        {"schema": FeatureSchema(fields=(replace(HUE, parse=Parse(recode={"r": "rde"})),))},
        "'hue': recode['r'] gives 'rde', which is no level",
    ),
    (
        {"target": replace(SOLD, parse=Parse(recode={"1": "yes"}))},
        "'sold': recode['1'] gives 'yes', which is no level",
    ),
    ({"target": replace(SOLD, minimum=0)}, "labels that are texts have no minimum and no maximum"),
    ({"dialects": ()}, "dialects are []; name at least one"),
    ({"dialects": (Dialect(name="old"), Dialect(name="old"))}, "each once"),
    ({"dialects": (Dialect(name="typed"),)}, "none of them 'typed'"),
    (
        {"dialects": (Dialect(name="old", header=("Day", "Size", "Hue", "Sold")),)},
        "its header lacks the columns Seats",
    ),
    (
        {"dialects": (Dialect(name="old", parse={"hue": Parse(missing_numbers=(1,))}),)},
        "dialect 'old': parse['hue']: missing_numbers are for numbers",
    ),
    (
        {"dialects": (Dialect(name="old", parse={"hue": Parse(recode={"1": "green"})}),)},
        "recode['1'] gives 'green', which is no level",
    ),
    (
        {"split": DateSplit(field="day"), "schema": FeatureSchema(fields=(replace(DAY, optional=True),))},
        "is optional",
    ),
    ({"schema": FeatureSchema(fields=())}, "models read no column"),
    ({"schema": FeatureSchema(fields=(replace(DAY, direct=False),))}, "models read no column"),
    (
        {"schema": FeatureSchema(fields=(replace(SIZE, name="size_9am"), replace(SEATS, name="size9am")))},
        "fields 'size_9am' and 'size9am' are one in GraphQL",
    ),
]


@pytest.mark.parametrize(("changes", "message"), TOGETHER, ids=[message for _, message in TOGETHER])
def test_parts_of_a_use_case_that_contradict_each_other_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    found = find_error(change(APPLES, **changes))
    assert found.startswith("use case apples: ")
    assert message in found


SAMPLES = [
    (change(SyntheticSample(rows=9), rows="9"), "sample: rows is '9'; it must be a whole number"),
    (change(SyntheticSample(rows=9), duplicates=1.5), "duplicates is 1.5; it must be at least 0 and below 1"),
    (change(SyntheticSample(rows=9), hidden=("x",)), "sample: hidden names no column x"),
    (change(SyntheticSample(rows=9), factors=(Factor(name="f", season=0.5),)), "declare a panel"),
    (
        lambda: Factor(name="f", season=2),
        "sample, factor 'f': season is 2; it must be at least -1 and at most 1",
    ),
    (lambda: Factor(name="f", peak=0), "peak is 0; it must be at least 1 and at most 366"),
    (lambda: Factor(name="f", persistence=1), "persistence is 1; it must be between -1 and 1"),
    (change(FLAT, missing=20), "sample, Marginal: missing is 20; it must be at least 0 and at most 1"),
    (change(FLAT, quantiles={0: 5, 1: 2}), "must not descend"),
    (change(FLAT, quantiles={0: 5, 50: 2}), "a key of quantiles is 50; it must be at least 0 and at most 1"),
    (change(FLAT, step=0), "step is 0; it must be above 0"),
    (change(FLAT, lag=-1), "lag is -1; it must be at least 0"),
    (change(FLAT, number_format=".1q"), "write a format of numbers, such as '.1f'"),
    (change(FLAT, loadings=(2,)), "loadings[0] is 2; it must be at least -1 and at most 1"),
    (lambda: Marginal(shares={"a": -1}), "shares['a'] is -1; it must be at least 0"),
    (lambda: Marginal(shares={"a": 0}), "its shares add up to 0"),
    (lambda: Marginal(dates=("2016-01-01",)), "dates has 1 items"),  # type: ignore[arg-type]
    (lambda: Marginal(dates=("2016-01-01", "2015-01-01")), "its first day 2016-01-01 is after its last"),
    (lambda: Marginal(dates=("2016", "2017")), "'2016' is no date; write YYYY-MM-DD"),
    (lambda: Text(templates={"{": 1}), "write {name} for a column"),
    (lambda: Text(templates={"{} kg": 1}), "has a place without a name"),
    (lambda: Text(templates={}), "at least one template"),
    (
        lambda: SyntheticSample(rows=9, columns={"t": Text(templates={"{kg} kg": 1})}),
        "column 't' needs kg declared above",
    ),
    (lambda: SyntheticSample(rows=9, columns={"t": FLAT.quantiles}), "columns['t'] is {0: 0, 1: 1}"),  # type: ignore[dict-item]
    (lambda: Scaled(source="a", factor="2"), "factor is '2'; it must be a number"),  # type: ignore[arg-type]
    (lambda: Switch(source="a", above=1, low=FLAT, high=2), "high is 2; it must be Marginal(…)"),  # type: ignore[arg-type]
    (change(PANEL, entities=()), "sample, panel: entities must be at least one"),
    (change(PANEL, last="2016"), "last is '2016'; write YYYY-MM-DD"),
    (change(PANEL, date="Hue"), "date and entity are the same column"),
    (
        lambda: SyntheticSample(rows=9, panel=PANEL, columns={"x": replace(FLAT, missing_at=("green",))}),
        "is missing at green, which is no entity of the panel",
    ),
]


@pytest.mark.parametrize(("declare", "message"), SAMPLES, ids=[message for _, message in SAMPLES])
def test_a_sample_that_says_what_cannot_be_drawn_is_refused(declare: Callable[[], Any], message: str) -> None:
    assert message in find_error(declare)


def test_what_is_right_is_taken() -> None:
    assert replace(SEATS, maximum=2**24).maximum == 2**24
    assert replace(SIZE, minimum=0, maximum=3e9).maximum == 3e9
    assert replace(HUE, levels=("1", "2"), example="1", parse=Parse(recode={"1.0": "1"})).levels == ("1", "2")
    # the recoded text is the level by its value
    coded = replace(HUE, levels=("1", "2"), example="1", parse=Parse(recode={"one": "1.0", "none": "NA"}))
    assert replace(APPLES, schema=FeatureSchema(fields=(coded,))).leaks is LeakagePolicy.DROP
    namibia = replace(HUE, levels=("ZA", "NA"), example="NA")
    assert replace(APPLES, schema=FeatureSchema(fields=(namibia,)), missing=("",)).missing == ("",)
    assert replace(PRICE, log=False, minimum=None).minimum is None


def find_error(declare: Callable[[], Any]) -> str:
    """The message, which is one line."""
    with pytest.raises(UseCaseError) as caught:
        declare()
    assert "\n" not in str(caught.value)
    return str(caught.value)
