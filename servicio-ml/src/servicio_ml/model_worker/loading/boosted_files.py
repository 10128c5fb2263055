"""Model files of the libraries of boosted trees."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelFileError
from .loaded_model import (
    BINARY,
    MULTICLASS,
    REGRESSION,
    TWO,
    LoadedModel,
    find_task,
    list_classes,
    make_classes,
    make_column,
)

LIGHTGBM_TASKS = {
    "binary": BINARY,
    **dict.fromkeys(("multiclass", "multiclassova"), MULTICLASS),
    **dict.fromkeys(
        (
            "regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie",
            "cross_entropy",
        ),
        REGRESSION,
    ),
}  # fmt: skip
XGBOOST_TASKS = {
    "binary:logistic": BINARY,
    "multi:softprob": MULTICLASS,
    **dict.fromkeys(
        (
            "reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror",
            "reg:quantileerror", "reg:gamma", "reg:tweedie", "count:poisson",
        ),
        REGRESSION,
    ),
}  # fmt: skip
"""Task by objective; other objectives rank, or give labels or raw margins."""


def load_lightgbm(path: Path) -> LoadedModel:
    """Load a text file of LightGBM."""
    from lightgbm import Booster

    text = path.read_text()
    booster = Booster(model_str=text)
    columns = tuple(booster.feature_name())
    return _build_model(
        booster, LIGHTGBM_TASKS, _find_line(text, "objective").partition(" ")[0], booster.predict,
        classes=booster.num_model_per_iteration(), columns=columns,
        categories=read_pandas_categories(text, columns),
    )  # fmt: skip


def load_xgboost(path: Path) -> LoadedModel:
    """Load a JSON or UBJSON file of XGBoost."""
    from xgboost import Booster, DMatrix

    booster = Booster(model_file=str(path))
    learner = json.loads(booster.save_config())["learner"]
    columns, kinds = tuple(booster.feature_names or ()), booster.feature_types or ()
    return _build_model(
        booster, XGBOOST_TASKS, learner["objective"]["name"],
        lambda frame: booster.predict(DMatrix(frame, enable_categorical=True)),
        classes=int(learner["learner_model_param"]["num_class"]), columns=columns,
        categories={name: () for name, kind in zip(columns, kinds, strict=False) if kind == "c"},
    )  # fmt: skip


def _build_model(
    native: Any,
    tasks: Mapping[str, str],
    objective: str,
    predict: Callable[[Any], Any],
    *,
    classes: int,
    columns: tuple[str, ...],
    categories: Mapping[str, tuple[str, ...]],
) -> LoadedModel:
    """Build a model that knows its classes by numbers.

    Raises:
        ModelFileError: The objective has neither probabilities nor a number.
    """
    if objective not in tasks:
        raise ModelFileError(
            f"the objective {objective or 'of its own'!r} has neither probabilities of classes nor a number"
        )
    task = tasks[objective]
    make = make_column if task == REGRESSION else make_classes
    counts = {BINARY: TWO, MULTICLASS: classes, REGRESSION: 0}
    return LoadedModel(
        task=task, classes=tuple(range(counts[task])), columns=columns, native=native, categories=categories,
        score=lambda frame: make(predict(frame)),
    )  # fmt: skip


def _find_line(text: str, name: str) -> str:
    found = re.search(rf"^{name}=(.*)$", text, flags=re.MULTILINE)
    return found[1] if found else ""


def read_pandas_categories(text: str, columns: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Read the texts of pandas' categories, which the file has in the order of their columns."""
    found = re.search(r"^pandas_categorical:(.*)$", text, flags=re.MULTILINE)
    lists = json.loads(found[1]) if found else None
    if not lists:
        return {}
    infos = _find_line(text, "feature_infos").split()
    # the range of a number is in brackets, the codes of a category are joined by colons
    coded = [name for name, info in zip(columns, infos, strict=True) if not info.startswith("[")]
    if len(coded) != len(lists):
        return {}
    return {name: tuple(map(str, each)) for name, each in zip(coded, lists, strict=True)}


def load_catboost(path: Path) -> LoadedModel:
    from catboost import CatBoost

    model = CatBoost()
    model.load_model(str(path))
    loss = str(model.get_all_params().get("loss_function", ""))
    columns, classes = tuple(model.feature_names_), tuple(model.classes_)
    if loss in {"Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"}:
        labels = list_classes(classes)
        return LoadedModel(
            task=find_task(labels), classes=labels, columns=columns, native=model,
            score=lambda frame: model.predict(frame, prediction_type="Probability"),
        )  # fmt: skip
    name = loss.partition(":")[0]
    if name.startswith(("Query", "Yeti", "Pair", "Stochastic", "Multi")):
        raise ModelFileError(f"the loss {loss!r} is neither of classes nor of one number")
    answer = "Exponent" if name in {"Poisson", "Tweedie"} else "RawFormulaVal"
    return LoadedModel(
        task=REGRESSION, classes=(), columns=columns, native=model,
        score=lambda frame: make_column(model.predict(frame, prediction_type=answer)),
    )  # fmt: skip
