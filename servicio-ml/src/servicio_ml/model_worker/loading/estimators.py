"""Estimators with scikit-learn's interface."""

from functools import partial
from typing import Any

from ..errors import ModelFileError
from .boosted_files import read_pandas_categories
from .direct_steps import build_direct_score
from .loaded_model import LoadedModel, find_task, list_classes, make_column


def describe_estimator(estimator: Any) -> LoadedModel:
    """Describe an estimator with scikit-learn's interface.

    Raises:
        ModelFileError: The estimator predicts no probabilities, several targets, or nothing at all.
    """
    if not hasattr(estimator, "predict"):
        raise ModelFileError(f"a {type(estimator).__name__} has no `predict`")
    columns = tuple(map(str, getattr(estimator, "feature_names_in_", ())))
    columns = columns or tuple(map(str, getattr(estimator, "feature_name_", ())))
    classes = _read_classes(estimator)
    if classes and not hasattr(estimator, "predict_proba"):
        raise ModelFileError(
            f"a {type(estimator).__name__} has no `predict_proba`; wrap it in CalibratedClassifierCV"
        )
    predict = _predict_classes if classes else _predict_number
    return LoadedModel(
        task=find_task(classes),
        classes=classes, columns=columns, native=estimator, score=partial(predict, estimator),
        categories=_find_categories(estimator, columns), direct=build_direct_score(estimator, predict),
    )  # fmt: skip


def _predict_classes(estimator: Any, rows: Any) -> Any:
    return estimator.predict_proba(rows)


def _predict_number(estimator: Any, rows: Any) -> Any:
    return make_column(estimator.predict(rows))


def _read_classes(estimator: Any) -> tuple[Any, ...]:
    """Read the classes of a classifier; empty for a regression.

    Raises:
        ModelFileError: The estimator is neither, or predicts several targets.
    """
    classes = getattr(estimator, "classes_", None)
    if isinstance(classes, list):
        raise ModelFileError("it predicts several targets; import one model for each")
    if classes is not None and len(classes):
        return list_classes(classes)
    if not _is_regressor(estimator):
        raise ModelFileError(f"a {type(estimator).__name__} is neither a classifier nor a regressor")
    return ()


def _is_regressor(estimator: Any) -> bool:
    if getattr(estimator, "_estimator_type", "") == "regressor":
        return True
    from sklearn.base import is_regressor

    return bool(is_regressor(estimator))


def _find_categories(estimator: Any, columns: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Find the columns that an estimator reads as categories of pandas."""
    library = type(estimator).__module__.split(".")[0]
    if library == "lightgbm":
        return read_pandas_categories(estimator.booster_.model_to_string(), columns)
    if library == "xgboost":
        kinds = estimator.get_booster().feature_types or ()
        return {name: () for name, kind in zip(columns, kinds, strict=False) if kind == "c"}
    coded = getattr(estimator, "is_categorical_", None)
    return (
        {}
        if coded is None
        else {name: () for name, is_coded in zip(columns, coded, strict=False) if is_coded}
    )
