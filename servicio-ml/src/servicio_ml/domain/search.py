"""Candidates, their search spaces, and what they are fitted to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from servicio_ml.domain.checks.attributes import (
    InnerShare,
    Limits,
    Name,
    Natural,
    Positive,
    check_attributes,
)
from servicio_ml.domain.checks.plain_values import show
from servicio_ml.errors import UseCaseError, format_names

TASKS_OF_FAMILIES: Mapping[str, frozenset[str]] = {
    name: frozenset(tasks.split())
    for name, tasks in {
        "lightgbm": "binary multiclass regression",
        "xgboost": "binary multiclass regression",
        "random_forest": "binary multiclass regression",
        "decision_tree": "binary multiclass regression",
        "logistic_regression": "binary multiclass",
        "ridge": "regression",
        "knn": "binary multiclass regression",
        "svm": "binary multiclass regression",
        "blend": "binary multiclass regression",
    }.items()
}
"""Values of `Task` that each family of models fits; `pipeline.training.estimators` makes them."""
MONOTONE_FAMILIES = frozenset({"lightgbm", "xgboost", "random_forest", "decision_tree"})
"""Families whose score can be held to rise or fall with a column."""
UNWEIGHTED_FAMILIES = frozenset({"knn"})
"""Families whose estimators take no weights of rows."""
OBJECTIVE_FAMILIES = frozenset({"lightgbm", "xgboost", "blend"})
"""Families that fit every objective; a blend's members do."""
BLEND = "blend"
"""Family of the weighted average of the other candidates' best models; it has no parameters of its own."""
MAX_TRAIN_ROWS = "max_train_rows"
"""Parameter of every family: maximum number of rows of a fit, 0 for all."""
CATEGORY_SPLITS, LEVEL_SETS, LEVEL_ORDER = "category_splits", "sets", "order"
"""Parameter of LightGBM: whether a tree splits a category without order by any set of its levels, or by their
order, as it splits a number. Sets fit better where levels have no natural order, and take longer to score."""
PLATFORM_PARAMETERS = frozenset({MAX_TRAIN_ROWS, CATEGORY_SPLITS})
"""Parameters that the platform reads itself; no estimator gets them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    """An integer from `low` to `high`, both inclusive; `log` samples orders of magnitude evenly."""

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        check_attributes(self, "Integer")
        _check_range(self)

    def is_in_range(self, value: object) -> bool:
        """Whether a value lies in the range."""
        # `bool` is a subclass of `int` and would pass as a number
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
# learning rates and penalties act by orders of magnitude, hence `log`
class Real:
    """A number from `low` to `high`; `log` samples orders of magnitude evenly."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        check_attributes(self, "Real")
        _check_range(self)

    def is_in_range(self, value: object) -> bool:
        """Whether a value lies in the range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of a few values."""

    options: tuple[str | int | float | bool | None, ...]

    def __post_init__(self) -> None:
        check_attributes(self, "Choice")
        if not self.options or len(set(self.options)) != len(self.options):
            raise UseCaseError("Choice", f"options are {show(self.options)}; name at least one, each once")

    def is_in_range(self, value: object) -> bool:
        """Whether a value is one of the options."""
        return value in self.options


def _check_range(given: Integer | Real) -> None:
    where = type(given).__name__
    if given.low > given.high:
        raise UseCaseError(where, f"low {given.low} > high {given.high}; exchange them")
    if given.log and given.low <= 0:
        raise UseCaseError(where, f"low is {given.low}; log=True needs a low above 0")


ParameterRange = Integer | Real | Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantile:
    """Objective of a regression: the number that the target is below with probability `level`.

    Fitted to the pinball loss (Koenker and Bassett 1978, "Regression quantiles").
    """

    level: InnerShare

    def __post_init__(self) -> None:
        check_attributes(self, "Quantile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisson:
    """Objective of a regression: the mean of a count or rate, whose variance grows with it; log link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tweedie:
    """Objective of a regression: the mean of an amount that is often exactly 0; log link.

    Attributes:
        power: The variance grows with the mean to this power, between 1 (Poisson) and 2 (gamma).
    """

    power: Annotated[float, Limits(above=1, below=2)] = 1.5

    def __post_init__(self) -> None:
        check_attributes(self, "Tweedie")


Objective = Quantile | Poisson | Tweedie
Parameter = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model family with its search space.

    Attributes:
        name: Snake case; also the alias of its version in the registry.
        family: Name of an estimator, see `pipeline.training.estimators`.
        space: Range by name of each tuned parameter.
        start: Parameters of the first trial; the estimator's defaults replace absent ones.
        fixed: Parameters that are not tuned.
        monotone: 1 where the score may only rise with a column of the matrix, -1 where it may only fall.
        tuning_rows: Maximum number of rows of a trial, 0 for all; the final fit uses all rows.
        max_latency_seconds: Maximum median time to score one row; a slower candidate is not eligible.
    """

    name: Name
    family: str
    space: Mapping[str, ParameterRange] = field(default_factory=dict)
    # a known good first trial bounds the loss when a search has only a few trials
    start: Mapping[str, Parameter] = field(default_factory=dict)
    fixed: Mapping[str, Parameter] = field(default_factory=dict)
    monotone: Mapping[str, Annotated[int, Limits(minimum=-1, maximum=1)]] = field(default_factory=dict)
    # trials rank parameters, and a sample ranks them nearly as well as all rows
    tuning_rows: Natural = 0
    max_latency_seconds: Positive = 0.02

    def __post_init__(self) -> None:
        where = f"candidate {self.name!r}"
        check_attributes(self, where)
        if self.family not in TASKS_OF_FAMILIES:
            raise UseCaseError(
                where, f"unknown family {self.family!r}; families are {format_names(TASKS_OF_FAMILIES)}"
            )
        if self.family == BLEND and (self.space or self.start or self.fixed):
            raise UseCaseError(where, "a blend has no parameters; leave out space, start and fixed")
        if self.monotone and self.family not in MONOTONE_FAMILIES:
            fitting = format_names(sorted(MONOTONE_FAMILIES))
            raise UseCaseError(where, f"the family {self.family!r} takes no monotone; these do: {fitting}")
        self._check_parameters(where)

    def _check_parameters(self, where: str) -> None:
        for name, value in self.start.items():
            if name not in self.space:
                raise UseCaseError(
                    where, f"start[{name!r}] has no range in space; give it one, or move it to fixed"
                )
            if not self.space[name].is_in_range(value):
                raise UseCaseError(where, f"start[{name!r}] is {show(value)}, outside of {self.space[name]}")
        if both := set(self.space) & set(self.fixed):
            raise UseCaseError(
                where, f"{format_names(sorted(both))} is tuned in space and fixed; leave out one"
            )
        if not _is_natural(self.fixed.get(MAX_TRAIN_ROWS, 0)):
            raise UseCaseError(where, f"fixed[{MAX_TRAIN_ROWS!r}] must be a number of rows, 0 for all")
        self._check_category_splits(where)

    def _check_category_splits(self, where: str) -> None:
        given = {**self.space, **self.fixed}
        if CATEGORY_SPLITS not in given:
            return
        if self.family != "lightgbm":
            raise UseCaseError(
                where, f"{CATEGORY_SPLITS!r} is a parameter of the family 'lightgbm'; leave it out"
            )
        value = given[CATEGORY_SPLITS]
        options = value.options if isinstance(value, Choice) else (value,)
        if unknown := [each for each in options if each not in {LEVEL_SETS, LEVEL_ORDER}]:
            raise UseCaseError(
                where, f"{CATEGORY_SPLITS!r} is {show(unknown[0])}; it is {LEVEL_SETS!r} or {LEVEL_ORDER!r}"
            )


def _is_natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
