"""Model families: how each is made on the float32 matrix and turned into ONNX."""

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from lightgbm import Booster, LGBMClassifier, LGBMRegressor
from onnxmltools.convert import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as ToolsFloatTensorType
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import XGBClassifier, XGBRegressor

from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.errors import UseCaseError
from servicio_ml.features.artifact import INPUT_NAME

OPSET = 15
TOOLS_OPSET = {"": 15, "ai.onnx.ml": 3}
MISSING_LEVEL = -1.0
MISSING_NUMBER = -1e6
"""Stands for a missing number before scikit-learn's trees: below every real value, and exact in float32."""
LOGISTIC_ITERATIONS = 1000
CALIBRATION_FOLDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a family needs to know to make an estimator.

    Attributes:
        schema: Of the matrix.
        classes: Number of classes; 0 in a regression.
        seed: Of every random choice.
        threads: It may use.
    """

    schema: FeatureSchema
    classes: int
    seed: int
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of model.

    Attributes:
        make: Setting and hyperparameters to an unfitted estimator.
        convert: A fitted estimator and the matrix's width to an ONNX model.
    """

    make: Callable[[Setting, Mapping[str, Any]], Any]
    convert: Callable[[Any, int], Any]


def family(name: str) -> Family:
    """A family by name.

    Raises:
        UseCaseError: There is none of that name.
    """
    if name not in FAMILIES:
        raise UseCaseError(f"family {name!r}", f"unknown; families are {', '.join(FAMILIES)}")
    return FAMILIES[name]


def _dense(schema: FeatureSchema) -> ColumnTransformer:
    """Imputed, scaled numbers and one-hot levels, for models that measure distances or add up."""
    categories = {i for i, each in enumerate(schema.fields) if each.kind is Kind.CATEGORY}
    levels = [i for i in schema.inputs if i in categories]
    numbers = [i for i in schema.inputs if i not in categories]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    parts = [("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers)]
    if levels:
        impute = SimpleImputer(strategy="constant", fill_value=MISSING_LEVEL)
        parts.append(("levels", make_pipeline(impute, one_hot), levels))
    return ColumnTransformer(parts)


def _gap_filled(schema: FeatureSchema, tree: Any) -> Pipeline:
    """A scikit-learn tree that sees a number where one is missing: skl2onnx loses its way of gaps."""
    impute = SimpleImputer(strategy="constant", fill_value=MISSING_NUMBER)
    return make_pipeline(ColumnTransformer([("all", impute, list(schema.inputs))]), tree)


def _lightgbm(setting: Setting, params: Mapping[str, Any]) -> Any:
    kind = LGBMClassifier if setting.classes else LGBMRegressor
    return kind(
        **params, random_state=setting.seed, n_jobs=setting.threads, verbose=-1, deterministic=True,
        force_row_wise=True,
    )  # fmt: skip


def _xgboost(setting: Setting, params: Mapping[str, Any]) -> Any:
    kind = XGBClassifier if setting.classes else XGBRegressor
    return kind(**params, random_state=setting.seed, n_jobs=setting.threads, tree_method="hist")


def _random_forest(setting: Setting, params: Mapping[str, Any]) -> Any:
    kind = RandomForestClassifier if setting.classes else RandomForestRegressor
    return _gap_filled(setting.schema, kind(**params, random_state=setting.seed, n_jobs=setting.threads))


def _decision_tree(setting: Setting, params: Mapping[str, Any]) -> Any:
    kind = DecisionTreeClassifier if setting.classes else DecisionTreeRegressor
    return _gap_filled(setting.schema, kind(**params, random_state=setting.seed))


def _logistic_regression(setting: Setting, params: Mapping[str, Any]) -> Any:
    return make_pipeline(_dense(setting.schema), LogisticRegression(**params, max_iter=LOGISTIC_ITERATIONS))


def _ridge(setting: Setting, params: Mapping[str, Any]) -> Any:
    return make_pipeline(_dense(setting.schema), Ridge(**params, random_state=setting.seed))


def _knn(setting: Setting, params: Mapping[str, Any]) -> Any:
    kind = KNeighborsClassifier if setting.classes else KNeighborsRegressor
    return make_pipeline(_dense(setting.schema), kind(**params, n_jobs=setting.threads))


def _svm(setting: Setting, params: Mapping[str, Any]) -> Any:
    if not setting.classes:
        return make_pipeline(_dense(setting.schema), SVR(**params))
    svc = SVC(**params, random_state=setting.seed)
    scored = CalibratedClassifierCV(svc, method="sigmoid", cv=CALIBRATION_FOLDS, ensemble=False)
    return make_pipeline(_dense(setting.schema), scored)


def _to_onnx(estimator: Any, width: int) -> Any:
    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
    shape = [(INPUT_NAME, FloatTensorType([None, width]))]
    with warnings.catch_warnings():
        # the converter still reads attributes that scikit-learn has deprecated
        warnings.simplefilter("ignore", FutureWarning)
        return to_onnx(estimator, initial_types=shape, options=options, target_opset=TOOLS_OPSET)


def _lightgbm_to_onnx(estimator: Any, width: int) -> Any:
    shape = [(INPUT_NAME, ToolsFloatTensorType([None, width]))]
    exact = floor_thresholds(estimator)
    return convert_lightgbm(exact, initial_types=shape, zipmap=False, target_opset=OPSET)


def _xgboost_to_onnx(estimator: Any, width: int) -> Any:
    shape = [(INPUT_NAME, ToolsFloatTensorType([None, width]))]
    return convert_xgboost(estimator, initial_types=shape, target_opset=OPSET)


def floor_thresholds(estimator: Any) -> Any:
    """Replace LightGBM's float64 thresholds by the greatest float32 that is not above each.

    A float32 x is `<= t` exactly when it is `<= floor32(t)`, so no answer changes; ONNX holds float32
    thresholds, and rounding to the nearest one sends values between two neighbours the wrong way.
    """

    def floored(line: re.Match[str]) -> str:
        values = np.array(line[1].split(), dtype=np.float64)
        nearest = values.astype(np.float32)
        below = np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)
        return "threshold=" + " ".join(repr(float(value)) for value in below)

    text = re.sub(r"^threshold=(.*)$", floored, estimator.booster_.model_to_string(), flags=re.MULTILINE)
    # the sizes speak of the unchanged text
    estimator._Booster = Booster(model_str=re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE))  # noqa: SLF001  the wrapper has no setter
    return estimator


FAMILIES: dict[str, Family] = {
    "lightgbm": Family(make=_lightgbm, convert=_lightgbm_to_onnx),
    "xgboost": Family(make=_xgboost, convert=_xgboost_to_onnx),
    "random_forest": Family(make=_random_forest, convert=_to_onnx),
    "decision_tree": Family(make=_decision_tree, convert=_to_onnx),
    "logistic_regression": Family(make=_logistic_regression, convert=_to_onnx),
    "ridge": Family(make=_ridge, convert=_to_onnx),
    "knn": Family(make=_knn, convert=_to_onnx),
    "svm": Family(make=_svm, convert=_to_onnx),
}
