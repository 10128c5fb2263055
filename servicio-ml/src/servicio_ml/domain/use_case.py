"""A use case as data: where it comes from, what it predicts, how it is tuned, judged and watched."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from servicio_ml.domain.dataset import SOURCE_LINE
from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.policy import DriftPolicy, LeakPolicy, PromotionPolicy
from servicio_ml.domain.sample import Sample
from servicio_ml.domain.schema import SNAKE_CASE, FeatureSchema, Kind, Parse
from servicio_ml.domain.search import Candidate
from servicio_ml.errors import UseCaseError, listed

BINARY_LABELS = 2
MISSING = ("", "NA", "?")
"""Texts that mean missing where a use case names no others."""
RESERVED_ALIAS = re.compile(r"champion|challenger|latest|v\d+")
"""What a candidate cannot be called: the platform's own aliases and those that MLflow refuses."""


class Task(StrEnum):
    """What is predicted."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is predicted and how it is made from the raw file.

    Attributes:
        name: Snake case.
        column: Its raw column.
        description: One line for forms and documents.
        labels: The classes in order (of a binary target the positive one is last); empty in a regression.
        edges: Ascending cuts of a raw number: label i holds `edges[i-1] <= value < edges[i]`.
            Empty where the raw text is the label itself.
        unit: Of a regression's number.
        minimum: Least allowed raw number, inclusive.
        maximum: Greatest allowed raw number, inclusive.
        log: Whether the model is fitted on the natural logarithm (the artifact inverts it).
        parse: How the raw text is read.
    """

    name: str
    column: str
    description: str
    labels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    log: bool = False
    parse: Parse = field(default_factory=Parse)

    def __post_init__(self) -> None:
        if self.edges and len(self.edges) != len(self.labels) - 1:
            raise UseCaseError(
                f"target {self.name!r}", f"{len(self.edges)} edges need {len(self.edges) + 1} labels"
            )
        if list(self.edges) != sorted(set(self.edges)):
            raise UseCaseError(f"target {self.name!r}", "edges must ascend")

    @property
    def numeric(self) -> bool:
        """Whether the raw value is a number."""
        return bool(self.edges) or not self.labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One spelling of the raw file; the first whose columns are all there is taken.

    Attributes:
        name: For messages.
        header: The column names of a file that has no header line, else empty.
        columns: Field (or target) name to its column here, where it differs from `Field.column`.
        parse: Field (or target) name to its parsing here, where it differs.
    """

    name: str
    header: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    parse: Mapping[str, Parse] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateSplit:
    """Test rows are the last by date, and cross-validation expands its window by date.

    Attributes:
        field: The date field.
        test_share: Of the labelled rows.
        folds: How many validation windows follow each other.
    """

    field: str
    test_share: float = 0.2
    folds: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedSplit:
    """A row's side is a hash of its own features, so that it never changes and twins stay together.

    Attributes:
        test_share: Of the rows, about.
        folds: Of the cross-validation (stratified by class where there are classes).
    """

    test_share: float = 0.2
    folds: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the original data is published.

    Attributes:
        file: The name of the file to keep.
        kaggle: A dataset handle, `owner/name`; empty when it is not there.
        uci: An id of the UCI repository; 0 when it is not there.
        licence: As its publisher states it.
    """

    file: str
    kaggle: str = ""
    uci: int = 0
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase:
    """Everything the platform knows of one prediction problem.

    Attributes:
        name: Snake case; also the registered model's name.
        title: For people.
        description: One paragraph for people.
        task: What is predicted.
        schema: The inputs.
        target: The output.
        candidates: The models to compare, each with its search space. Of those within one standard error of
            the best, the one named first wins.
        metric: By which trials and candidates are compared (see `domain.metric`).
        split: How training and test rows part.
        promotion: When a challenger becomes champion.
        origin: Where the original data is.
        sample: How look-alike rows are made.
        drift: How the reference is binned and judged.
        leaks: What is done about features that give the target away.
        dialects: Spellings of the raw file.
        missing: Texts that mean missing in every column.
        event_date: The date field that orders rows in time; empty when there is none.
        deduplicate: Whether rows that are equal in every raw column of the use case are dropped.
    """

    name: str
    title: str
    description: str
    task: Task
    schema: FeatureSchema
    target: Target
    candidates: tuple[Candidate, ...]
    metric: str
    split: DateSplit | HashedSplit
    promotion: PromotionPolicy
    origin: Origin
    sample: Sample
    drift: DriftPolicy = field(default_factory=DriftPolicy)
    leaks: LeakPolicy = LeakPolicy.DROP
    dialects: tuple[Dialect, ...] = (Dialect(name="original"),)
    missing: tuple[str, ...] = MISSING
    event_date: str = ""
    deduplicate: bool = True

    def __post_init__(self) -> None:
        if not SNAKE_CASE.fullmatch(self.name):
            raise UseCaseError(repr(self.name), "names are snake case: a-z, 0-9 and _")
        if problem := next(self._problems(), ""):
            raise UseCaseError(self.name, problem)

    def _problems(self) -> Iterator[str]:
        labels = len(self.target.labels)
        fits = {
            Task.BINARY: labels == BINARY_LABELS,
            Task.MULTICLASS: labels > BINARY_LABELS,
            Task.REGRESSION: labels == 0,
        }
        if not fits[self.task]:
            yield f"a {self.task} target cannot have {labels} labels"
        if self.target.name in self.schema.names:
            yield f"the target {self.target.name!r} is also a feature"
        yield from self._candidate_problems()
        for metric in (self.metric, self.promotion.metric):
            if metric not in METRICS or self.task not in METRICS[metric].tasks:
                fitting = listed(each.name for each in METRICS.values() if self.task in each.tasks)
                yield f"{metric!r} is no metric of a {self.task} target; these are: {fitting}"
        yield from self._naming_problems()

    def _naming_problems(self) -> Iterator[str]:
        fields = self.schema.field_names
        dates = [self.event_date, getattr(self.split, "field", ""), self.drift.season]
        for name in (*filter(None, dates), *self.promotion.slices):
            if name not in fields:
                yield f"{name!r} is named as a date or slice; fields are {listed(fields)}"
        for each in self.schema.fields:
            if each.name in dates and each.kind is not Kind.DATE:
                yield f"{each.name!r} orders rows in time, but is no date"
        if SOURCE_LINE in {*fields, self.target.name}:
            yield f"{SOURCE_LINE!r} is what published rows call their line in the raw file; name it otherwise"
        for dialect in self.dialects:
            if strange := {*dialect.columns, *dialect.parse} - {*fields, self.target.name}:
                yield f"dialect {dialect.name!r}: no field or target {listed(sorted(strange))}"

    def _candidate_problems(self) -> Iterator[str]:
        names = [candidate.name for candidate in self.candidates]
        if not names:
            yield "at least one candidate is needed"
        if len(set(names)) != len(names):
            yield "two candidates have the same name"
        for name in names:
            if not SNAKE_CASE.fullmatch(name) or RESERVED_ALIAS.fullmatch(name):
                yield (
                    f"candidate {name!r}: its name is also its alias in the registry; "
                    "use snake case, but not champion, challenger, latest, v1, v2 …"
                )

    def candidate(self, name: str) -> Candidate:
        for each in self.candidates:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.candidates)
        raise UseCaseError(self.name, f"no candidate {name!r}; candidates are {known}")
