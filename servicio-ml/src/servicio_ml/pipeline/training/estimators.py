"""Model families: how each is made on the float32 matrix and turned into ONNX."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lightgbm import Booster
from onnxmltools.convert import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as ToolsFloatTensorType
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR

from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.domain.search import Objective
from servicio_ml.errors import UseCaseError
from servicio_ml.features.runtimes.scorer import INPUT_NAME
from servicio_ml.pipeline.training.parameters import ESTIMATOR_CLASSES, build_objective

# one opset for all converters, within what onnxmltools can write
OPSET = 15
TOOLS_OPSET = {"": 15, "ai.onnx.ml": 3}
MISSING_LEVEL = -1.0
# far below every real value, so that one split separates missing from present
MISSING_NUMBER = -1e6
"""Stands for a missing number before scikit-learn's trees: below every real value, and exact in float32."""
# the default of 100 may not converge
LOGISTIC_ITERATIONS = 1000
CALIBRATION_FOLDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorSettings:
    """What a family needs to know to make an estimator.

    Attributes:
        schema: Feature schema of the training matrix.
        classes: Number of classes; 0 in a regression.
        seed: Seed of every random choice.
        threads: Maximum number of threads.
        objective: What a regression is fitted to; None for squared errors.
        monotone: Sign by name of each column that the score may only rise (1) or fall (-1) with.
    """

    schema: FeatureSchema
    classes: int
    seed: int
    threads: int
    objective: Objective | None = None
    monotone: Mapping[str, int] = field(default_factory=dict)

    def build_constraints(self, argument: str, columns: Sequence[int]) -> dict[str, list[int]]:
        """Build the argument of an estimator with the sign of each of its columns; empty without any."""
        signs = [self.monotone.get(self.schema.names[place], 0) for place in columns]
        return {argument: signs} if any(signs) else {}

    def list_unordered_categories(self) -> list[int]:
        """List the columns of the model that are categories without an order."""
        fields = self.schema.fields
        unordered = {i for i, each in enumerate(fields) if each.kind is Kind.CATEGORY and not each.ordered}
        return [i for i in self.schema.inputs if i in unordered]


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorFamily:
    """A kind of model.

    Attributes:
        make: Setting and hyperparameters to an unfitted estimator.
        convert: A fitted estimator and the matrix's width to an ONNX model.
    """

    make: Callable[[EstimatorSettings, Mapping[str, Any]], Any]
    convert: Callable[[Any, int], Any]


def get_family(name: str) -> EstimatorFamily:
    """A family by name.

    Raises:
        UseCaseError: There is none of that name.
    """
    if name not in ESTIMATOR_FAMILIES:
        raise UseCaseError(f"family {name!r}", f"unknown; families are {', '.join(ESTIMATOR_FAMILIES)}")
    return ESTIMATOR_FAMILIES[name]


def _build_dense_preprocessing(setting: EstimatorSettings) -> ColumnTransformer:
    """Imputed, scaled numbers and one-hot levels that do not ascend, for models of distances and of sums."""
    levels = setting.list_unordered_categories()
    numbers = [i for i in setting.schema.inputs if i not in levels]
    # a level may be absent from a fold's rows and appear when validating
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    transformers = [("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers)]
    if levels:
        impute = SimpleImputer(strategy="constant", fill_value=MISSING_LEVEL)
        transformers.append(("levels", make_pipeline(impute, one_hot), levels))
    return ColumnTransformer(transformers)


def _build_gap_filled_tree(schema: FeatureSchema, tree: Any) -> Pipeline:
    """A scikit-learn tree that sees a number where one is missing: skl2onnx loses its way of gaps."""
    impute = SimpleImputer(strategy="constant", fill_value=MISSING_NUMBER)
    return make_pipeline(ColumnTransformer([("all", impute, list(schema.inputs))]), tree)


def _build_lightgbm(setting: EstimatorSettings, params: Mapping[str, Any]) -> Any:
    kind = ESTIMATOR_CLASSES["lightgbm"].choose(classes=setting.classes)
    signs = setting.build_constraints("monotone_constraints", range(len(setting.schema.names)))
    objective = build_objective("lightgbm", setting.objective)
    return kind(
        **params, **signs, **objective, random_state=setting.seed, n_jobs=setting.threads, verbose=-1,
        deterministic=True, force_row_wise=True,
    )  # fmt: skip


def _build_xgboost(setting: EstimatorSettings, params: Mapping[str, Any]) -> Any:
    kind = ESTIMATOR_CLASSES["xgboost"].choose(classes=setting.classes)
    signs = setting.build_constraints("monotone_constraints", range(len(setting.schema.names)))
    # XGBoost reads the signs from a text
    written = {name: f"({','.join(map(str, each))})" for name, each in signs.items()}
    objective = build_objective("xgboost", setting.objective)
    return kind(
        **params, **written, **objective, random_state=setting.seed, n_jobs=setting.threads,
        tree_method="hist",
    )  # fmt: skip


def _build_random_forest(setting: EstimatorSettings, params: Mapping[str, Any]) -> Any:
    kind = ESTIMATOR_CLASSES["random_forest"].choose(classes=setting.classes)
    signs = setting.build_constraints("monotonic_cst", setting.schema.inputs)
    tree = kind(**params, **signs, random_state=setting.seed, n_jobs=setting.threads)
    return _build_gap_filled_tree(setting.schema, tree)


def _build_decision_tree(setting: EstimatorSettings, params: Mapping[str, Any]) -> Any:
    kind = ESTIMATOR_CLASSES["decision_tree"].choose(classes=setting.classes)
    signs = setting.build_constraints("monotonic_cst", setting.schema.inputs)
    return _build_gap_filled_tree(setting.schema, kind(**params, **signs, random_state=setting.seed))


def _build_logistic_regression(setting: EstimatorSettings, params: Mapping[str, Any]) -> Any:
    return make_pipeline(
        _build_dense_preprocessing(setting), LogisticRegression(**params, max_iter=LOGISTIC_ITERATIONS)
    )


def _build_ridge(setting: EstimatorSettings, params: Mapping[str, Any]) -> Any:
    return make_pipeline(_build_dense_preprocessing(setting), Ridge(**params, random_state=setting.seed))


def _build_knn(setting: EstimatorSettings, params: Mapping[str, Any]) -> Any:
    kind = ESTIMATOR_CLASSES["knn"].choose(classes=setting.classes)
    return make_pipeline(_build_dense_preprocessing(setting), kind(**params, n_jobs=setting.threads))


def _build_svm(setting: EstimatorSettings, params: Mapping[str, Any]) -> Any:
    if not setting.classes:
        return make_pipeline(_build_dense_preprocessing(setting), SVR(**params))
    # Platt scaling by cross-validation: an SVC has no probabilities of its own
    svc = SVC(**params, random_state=setting.seed)
    calibrated = CalibratedClassifierCV(svc, method="sigmoid", cv=CALIBRATION_FOLDS, ensemble=False)
    return make_pipeline(_build_dense_preprocessing(setting), calibrated)


def _convert_to_onnx(estimator: Any, width: int) -> Any:
    # without zipmap the output is one tensor and not a list of dictionaries
    options = {"zipmap": False} if hasattr(estimator, "predict_proba") else None
    shape = [(INPUT_NAME, FloatTensorType([None, width]))]
    with warnings.catch_warnings():
        # the converter still reads attributes that scikit-learn has deprecated
        warnings.simplefilter("ignore", FutureWarning)
        return to_onnx(estimator, initial_types=shape, options=options, target_opset=TOOLS_OPSET)


def _convert_lightgbm_to_onnx(estimator: Any, width: int) -> Any:
    shape = [(INPUT_NAME, ToolsFloatTensorType([None, width]))]
    exact = floor_thresholds(estimator)
    return convert_lightgbm(exact, initial_types=shape, zipmap=False, target_opset=OPSET)


def _convert_xgboost_to_onnx(estimator: Any, width: int) -> Any:
    shape = [(INPUT_NAME, ToolsFloatTensorType([None, width]))]
    return convert_xgboost(estimator, initial_types=shape, target_opset=OPSET)


def floor_thresholds(estimator: Any) -> Any:
    """Replace LightGBM's float64 thresholds by the largest float32 that is not above each.

    A float32 x is `<= t` exactly when it is `<= floor32(t)`, so no answer changes; ONNX holds float32
    thresholds, and rounding to the nearest one sends values between two neighbours the wrong way.
    """

    def floor_line(line: re.Match[str]) -> str:
        values = np.array(line[1].split(), dtype=np.float64)
        # rounds to the nearest, which may lie above the threshold
        nearest = values.astype(np.float32)
        below = np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)
        return "threshold=" + " ".join(repr(float(value)) for value in below)

    text = re.sub(r"^threshold=(.*)$", floor_line, estimator.booster_.model_to_string(), flags=re.MULTILINE)
    # the sizes speak of the unchanged text
    estimator._Booster = Booster(model_str=re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE))  # noqa: SLF001  the wrapper has no setter
    return estimator


ESTIMATOR_FAMILIES: dict[str, EstimatorFamily] = {
    "lightgbm": EstimatorFamily(make=_build_lightgbm, convert=_convert_lightgbm_to_onnx),
    "xgboost": EstimatorFamily(make=_build_xgboost, convert=_convert_xgboost_to_onnx),
    "random_forest": EstimatorFamily(make=_build_random_forest, convert=_convert_to_onnx),
    "decision_tree": EstimatorFamily(make=_build_decision_tree, convert=_convert_to_onnx),
    "logistic_regression": EstimatorFamily(make=_build_logistic_regression, convert=_convert_to_onnx),
    "ridge": EstimatorFamily(make=_build_ridge, convert=_convert_to_onnx),
    "knn": EstimatorFamily(make=_build_knn, convert=_convert_to_onnx),
    "svm": EstimatorFamily(make=_build_svm, convert=_convert_to_onnx),
}
