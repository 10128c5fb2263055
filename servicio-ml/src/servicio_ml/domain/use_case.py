"""A use case as data: origin, schema, target, candidates, split, promotion and drift policy."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated

from servicio_ml.domain.checks.attributes import (
    SNAKE_CASE,
    SNAKE_CASE_RULE,
    Caption,
    InnerShare,
    Label,
    Limits,
    Line,
    Natural,
    OptionalLine,
    Positive,
    Share,
    Stripped,
    TextForm,
    Title,
    Unit,
    check_attributes,
)
from servicio_ml.domain.checks.targets import describe_many_targets, find_target_problems
from servicio_ml.domain.checks.use_case import find_blend_problems, find_problems
from servicio_ml.domain.defaults.attributes import build_title, fill_captions, fill_default
from servicio_ml.domain.fields.columns import Columns
from servicio_ml.domain.fields.segment import Segment
from servicio_ml.domain.policy import DriftPolicy, LeakagePolicy, PromotionPolicy
from servicio_ml.domain.sample import SyntheticSample
from servicio_ml.domain.schema import FeatureSchema, Parse
from servicio_ml.domain.search import Candidate, Objective, Quantile
from servicio_ml.errors import UseCaseError

MISSING = ("", "NA", "?")
"""Default texts that mean missing."""
# one fold validates nothing, and many only repeat the fits
Folds = Annotated[int, Limits(minimum=2, maximum=100)]
FileName = Annotated[
    str, TextForm(pattern=re.compile(r"[^/\\\s][^/\\]*"), rule="the name of a file without a folder")
]
KaggleHandle = Annotated[str, TextForm(pattern=re.compile(r"|[^/\s]+/[^/\s]+"), rule="'owner/name'")]


class Task(StrEnum):
    """Type of prediction."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Predicted variable and its construction from the raw file.

    Attributes:
        name: Name in snake case.
        column: Name in the raw file; the target's own name when not given.
        description: Label for forms and documents, one line; the column when not given.
        labels: Classes in order, the positive one of a binary target last; empty in a regression.
        edges: Ascending cuts of a raw number: label i holds `edges[i-1] <= value < edges[i]`; empty when the
            raw text is the label.
        unit: Unit of a regression's number.
        minimum: Minimum of the raw number, inclusive.
        maximum: Maximum of the raw number, inclusive.
        log: True when the model is fitted to the natural logarithm (the artifact inverts it).
        parse: Rules for the raw text.
    """

    name: str
    column: Line = ""
    description: Caption = ""
    labels: tuple[Label, ...] = ()
    edges: tuple[float, ...] = ()
    unit: Unit = ""
    minimum: float | None = None
    maximum: float | None = None
    log: bool = False
    parse: Parse = field(default_factory=Parse)

    def __post_init__(self) -> None:
        where = f"target {self.name!r}"
        fill_captions(self)
        check_attributes(self, where)
        if problem := next(find_target_problems(self), ""):
            raise UseCaseError(where, problem)

    @property
    def numeric(self) -> bool:
        """True when the raw value is a number."""
        return bool(self.edges) or not self.labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One format of the raw file; the first dialect whose columns are all present is used.

    Attributes:
        name: Name for messages.
        header: Column names of a file without a header line; empty for a file with one.
        columns: Raw column, or several, by name of field or target, where they differ from `Field.column`.
        parse: Rules by name of field or target, where they differ.
        decimal: Decimal mark of numbers, `.` or `,`; the other one may group thousands. Empty: a point, and
            in a file with semicolons a number that either mark could be in is refused.
    """

    name: Line
    header: tuple[str, ...] = ()
    columns: Mapping[str, Columns] = field(default_factory=dict)
    parse: Mapping[str, Parse] = field(default_factory=dict)
    decimal: str = ""

    def __post_init__(self) -> None:
        check_attributes(self, f"dialect {self.name!r}")
        if self.decimal not in {"", ".", ","}:
            problem = f"decimal mark {self.decimal!r} is neither '.' nor ','"
            raise UseCaseError(f"dialect {self.name!r}", problem)
        if len(set(self.header)) != len(self.header):
            raise UseCaseError(f"dialect {self.name!r}", "its header names a column twice")


@dataclass(frozen=True, slots=True, kw_only=True)
class DateSplit:
    """Split by date: the last rows are test rows, and cross-validation expands its training window.

    Attributes:
        field: Name of the date field.
        test_share: Share of the labelled rows for the test.
        folds: Number of consecutive validation windows.
    """

    field: str
    test_share: InnerShare = 0.2
    folds: Folds = 3

    def __post_init__(self) -> None:
        check_attributes(self, "split by date")


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedSplit:
    """Split by a hash of the features: stable over time, and equal rows are on the same side.

    Attributes:
        test_share: Approximate share of the rows for the test.
        folds: Number of folds of the cross-validation (stratified by class for a classifier).
    """

    test_share: InnerShare = 0.2
    folds: Folds = 5

    def __post_init__(self) -> None:
        check_attributes(self, "split by hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSplit:
    """Split by a hash of a group (a customer, a patient): all rows of a group are on the same side for ever.

    Attributes:
        field: Name of the field that names the group; every row has one.
        test_share: Approximate share of the groups for the test.
        folds: Number of folds of the cross-validation; all rows of a group are in one fold.
    """

    field: str
    test_share: InnerShare = 0.2
    folds: Folds = 5

    def __post_init__(self) -> None:
        check_attributes(self, "split by group")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSplit:
    """Split that the file gives: rows with a certain level of a category are test rows.

    Attributes:
        field: Name of the category field; it is not published, so that models and requests do not have it.
        test: Level of the test rows; all others are training rows, and a text that is no level goes to
            quarantine.
        folds: Number of folds of the cross-validation (stratified by class for a classifier).
    """

    field: str
    test: Label = "test"
    folds: Folds = 5

    def __post_init__(self) -> None:
        check_attributes(self, "split by column")


Split = DateSplit | HashedSplit | GroupSplit | ColumnSplit


def _build_segment(given: str | Segment) -> Segment:
    return given if isinstance(given, Segment) else Segment(field=given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Publisher of the original data.

    Attributes:
        file: Name of the file to keep.
        kaggle: Dataset handle on Kaggle, `owner/name`; empty without one.
        uci: Identifier in the UCI repository; 0 without one.
        licence: Licence as stated by the publisher.
    """

    file: FileName
    kaggle: KaggleHandle = ""
    uci: Natural = 0
    licence: Caption = ""

    def __post_init__(self) -> None:
        check_attributes(self, "origin")

    @property
    def page(self) -> str:
        """Address of the publisher's page; empty without one."""
        if self.kaggle:
            return f"https://www.kaggle.com/datasets/{self.kaggle}"
        return f"https://archive.ics.uci.edu/dataset/{self.uci}" if self.uci else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCase:
    """Definition of one prediction problem.

    Attributes:
        name: Name of the use case and of its registered model, in snake case.
        title: Title for people; made from the name when not given.
        description: One paragraph for people.
        task: Type of prediction.
        schema: Inputs.
        target: Output.
        candidates: Models to compare, each with its search space. The first of those within one standard
            error of the best wins.
        metric: Metric that compares trials and candidates (see `domain.metric`).
        split: Rule that separates training and test rows.
        promotion: Conditions under which a challenger becomes champion.
        origin: Publisher of the original data.
        sample: Description of synthetic rows.
        class_weights: Weight of each label's rows in a fit: `balanced` for n / (classes * rows of the class),
            or a number by label; empty for equal weights. Metrics do not know them.
        sample_weight: Number field with the weight of each row in fits, calibration and metrics; it is no
            feature. Empty for equal weights.
        objective: What the models of a regression are fitted to: `Quantile`, `Poisson` or `Tweedie`; None for
            the mean by squared errors. All candidates have the same, since it says what an answer means.
        interval_group: Category or boolean field for each of whose levels intervals and label sets are
            calibrated separately, so that they cover the truth of each as often; empty for all rows together.
        segments: Fields by whose levels performance is watched, or `Segment`s where a number has ranges or a
            field many levels.
        protected: Fields, such as sex, between whose levels (or ranges of a `Segment`) a model of two labels
            shall not differ: their rates are measured at promotion and in production.
        drift: Construction of the reference and thresholds.
        leaks: Action on features that predict the target by a single threshold.
        dialects: Formats of the raw file.
        missing: Texts that mean missing in every column.
        identifier: Raw column whose text names the row, of at most 200 characters: it is published beside the
            fields and copied to scores, and is no feature. Texts may repeat or be missing. Empty without one.
        event_date: Date field that orders rows in time; empty without one.
        deduplicate: True to drop rows that are equal in every column of the use case, by value where it has
            neither a pattern nor a recoding, False to keep them. None drops them too, but refuses a file
            where such rows differ in a column that is not read.
        max_quarantined_share: Maximum share (0-1) of the labelled rows in quarantine; with more, nothing is
            published.
    """

    name: str
    task: Task
    schema: FeatureSchema
    target: Target
    candidates: tuple[Candidate, ...]
    metric: str
    promotion: PromotionPolicy
    origin: Origin
    title: Title = ""
    description: str = ""
    split: Split = field(default_factory=HashedSplit)
    class_weights: str | Mapping[Label, Positive] = ""
    sample_weight: str = ""
    objective: Objective | None = None
    interval_group: str = ""
    segments: tuple[str | Segment, ...] = ()
    protected: tuple[str | Segment, ...] = ()
    sample: SyntheticSample = field(default_factory=lambda: SyntheticSample(rows=2000))
    drift: DriftPolicy = field(default_factory=DriftPolicy)
    leaks: LeakagePolicy = LeakagePolicy.DROP
    dialects: tuple[Dialect, ...] = (Dialect(name="original"),)
    missing: tuple[Stripped, ...] = MISSING
    identifier: OptionalLine = ""
    event_date: str = ""
    deduplicate: bool | None = None
    max_quarantined_share: Share = 0.2

    def __post_init__(self) -> None:
        where = repr(self.name)
        if isinstance(self.target, list | tuple):
            raise UseCaseError(where, describe_many_targets(self.target))
        fill_default(self, "title", build_title(self.name))
        check_attributes(self, where)
        if not SNAKE_CASE.fullmatch(self.name):
            raise UseCaseError(where, f"names are {SNAKE_CASE_RULE}")
        if problem := next(find_problems(self), ""):
            raise UseCaseError(self.name, problem)

    @property
    def split_date(self) -> str:
        """Date field of a split by date; empty with another split."""
        return self.split.field if isinstance(self.split, DateSplit) else ""

    @property
    def split_group(self) -> str:
        """Field of the groups of a split by group; empty with another split."""
        return self.split.field if isinstance(self.split, GroupSplit) else ""

    @property
    def split_column(self) -> str:
        """Field that says which rows are test rows, which is not published; empty with another split."""
        return self.split.field if isinstance(self.split, ColumnSplit) else ""

    @property
    def non_features(self) -> dict[str, str]:
        """Reason by name of each field that is read from raw files, but is no feature."""
        reasons = {
            self.split_column: "it says which rows are test rows",
            self.sample_weight: "it weighs the rows",
        }
        return {name: reason for name, reason in reasons.items() if name}

    @property
    def watched_segments(self) -> tuple[Segment, ...]:
        """Segments, then the protected attributes that are no segment already."""
        protected = {each.field: each for each in self.protected_segments}
        others = [each for each in map(_build_segment, self.segments) if each.field not in protected]
        return (*others, *protected.values())

    @property
    def protected_segments(self) -> tuple[Segment, ...]:
        """Protected attributes, whose rows are counted by predicted and actual class, too."""
        return tuple(replace(_build_segment(each), cells=True) for each in self.protected)

    @property
    def quantile(self) -> float | None:
        """Level of the quantile that models answer with; None where they answer with something else."""
        return self.objective.level if isinstance(self.objective, Quantile) else None

    def get_candidates(self, names: Sequence[str] | None) -> tuple[Candidate, ...]:
        """Return the candidates of the given names; all of them when none is given.

        Raises:
            UseCaseError: There is none of that name, or a blend without others.
        """
        found = tuple(self.get_candidate(name) for name in names) if names else self.candidates
        if problem := next(find_blend_problems(found), ""):
            raise UseCaseError(self.name, problem)
        return found

    def get_candidate(self, name: str) -> Candidate:
        for each in self.candidates:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.candidates)
        raise UseCaseError(self.name, f"no candidate {name!r}; candidates are {known}")
