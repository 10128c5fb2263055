"""Pipelines of scikit-learn whose first steps read arrays: data frames cost most of the time of a row.

scikit-learn takes a data frame apart and checks it in each step anew. Here each column of Arrow becomes an
array once. Whether the scores are equal is proven by the import, on its rows.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import filterfalse
from typing import Any

import numpy as np
import pyarrow as pa

from ..tables import build_frame
from .loaded_model import make_classes, make_column

ARRAY_STEPS = {
    "SimpleImputer", "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler", "OneHotEncoder",
    "OrdinalEncoder",
}  # fmt: skip
"""Steps of scikit-learn that read an array as they read a data frame."""
DirectScore = Callable[[pa.Table], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Branch:
    """Steps in a row, of a pipeline or of one part of a ColumnTransformer.

    Attributes:
        columns: Names of the columns that the first step reads.
        steps: Fitted steps in order.
        reads_array: Whether the first step reads an array as it reads a data frame.
    """

    columns: list[str]
    steps: Sequence[Any]
    reads_array: bool

    def transform(self, table: pa.Table) -> Any:
        selected = table.select(self.columns)
        values = _build_array(selected) if self.reads_array else None
        return _apply(self.steps, build_frame(selected) if values is None else values)


def build_direct_score(estimator: Any, finish: Callable[[Any, Any], Any]) -> DirectScore | None:
    """Build the score of a pipeline from columns of Arrow; None where its first step is of no known kind.

    Args:
        estimator: A fitted estimator.
        finish: Function of the last step and what it reads to the scores.
    """
    from sklearn.pipeline import Pipeline

    names = getattr(estimator, "feature_names_in_", None)
    if type(estimator) is not Pipeline or names is None:
        return None
    *steps, final = _list_steps(estimator)
    branches = _list_branches(steps[0], [*names]) if steps else None
    if not branches:
        return None
    join, predict = _choose_join(steps[0]), _find_booster_predict(final) or partial(finish, final)
    return lambda table: predict(_apply(steps[1:], join([branch.transform(table) for branch in branches])))


def _find_booster_predict(final: Any) -> Callable[[Any], Any] | None:
    """Find the prediction of LightGBM's own model: its estimator checks each row for ten times as long."""
    if type(final).__module__ != "lightgbm.sklearn":
        return None
    booster, shape = final.booster_, make_classes if hasattr(final, "classes_") else make_column
    return lambda values: shape(booster.predict(values))


def _list_steps(step: Any) -> list[Any]:
    """List the steps of a pipeline, or the step itself; nothing where values only pass."""
    from sklearn.pipeline import Pipeline

    if type(step) is Pipeline:
        return [inner for _, each in step.steps for inner in _list_steps(each)]
    return [] if step is None or isinstance(step, str) else [step]


def _list_branches(first: Any, names: list[str]) -> list[_Branch]:
    """List the branches of the first step; none where it has no names of columns, or writes frames."""
    from sklearn.compose import ColumnTransformer

    if type(first) is not ColumnTransformer:
        return [_build_branch(names, [first])] if _is_array_step(first) else []
    return _list_parts(first)


def _list_parts(first: Any) -> list[_Branch]:
    parts = [*filterfalse(_is_dropped, first.transformers_)]
    steps = [first, *(inner for _, step, _ in parts for inner in _list_steps(step))]
    if first.transformer_weights or any(map(_is_frame_writer, steps)) or not all(map(_has_names, parts)):
        return []
    return [_build_branch([*columns], _list_steps(step)) for _, step, columns in parts if len(columns)]


def _is_dropped(part: tuple[str, Any, Any]) -> bool:
    return isinstance(part[1], str) and part[1] == "drop"


def _has_names(part: tuple[str, Any, Any]) -> bool:
    columns = part[2]
    # a single name asks for one dimension; places and masks are of the frame that it was fitted on
    return isinstance(columns, (list, np.ndarray)) and all(isinstance(each, str) for each in columns)


def _build_branch(columns: list[str], steps: list[Any]) -> _Branch:
    reads_array = bool(steps) and _is_array_step(steps[0])
    if reads_array:
        # a copy without the names of columns, which an array has not: it would warn of each row
        first = copy.copy(steps[0])
        vars(first).pop("feature_names_in_", None)
        steps = [first, *steps[1:]]
    return _Branch(columns=columns, steps=steps, reads_array=reads_array)


def _is_array_step(step: Any) -> bool:
    kind = type(step)
    return (
        kind.__module__.startswith("sklearn.") and kind.__name__ in ARRAY_STEPS and not _is_frame_writer(step)
    )


def _is_frame_writer(step: Any) -> bool:
    """Whether `set_output` has made a step write data frames."""
    return bool(getattr(step, "_sklearn_output_config", {}).get("transform", "default") != "default")


def _choose_join(first: Any) -> Callable[[list[Any]], Any]:
    if not hasattr(first, "sparse_output_") or not hasattr(first, "transformers_"):
        return lambda parts: parts[0]
    from scipy import sparse

    if first.sparse_output_:
        return lambda parts: sparse.hstack(parts).tocsr()
    return lambda parts: np.hstack([each.toarray() if sparse.issparse(each) else each for each in parts])


def _apply(steps: Sequence[Any], values: Any) -> Any:
    for step in steps:
        values = step.transform(values)
    return values


def _build_array(table: pa.Table) -> Any:
    """Build an array `[n, columns]` of numbers or of texts, as pandas does; None of other columns."""
    kinds = {column.type for column in table.columns}
    if kinds <= {pa.float64(), pa.int64()}:
        return np.column_stack([column.to_numpy() for column in table.columns])
    if kinds <= {pa.string(), pa.large_string()}:
        return _build_texts(table)
    return None


def _build_texts(table: pa.Table) -> Any:
    found = np.empty(table.shape, dtype=object)
    for place, column in enumerate(table.columns):
        texts = column.to_pylist()
        found[:, place] = [np.nan if each is None else each for each in texts] if column.null_count else texts
    return found
