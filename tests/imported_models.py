"""Models of other tools, as their libraries build them, and the rows that they were fitted on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from catboost import CatBoostClassifier, CatBoostRegressor
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from servicio_ml.model_worker.conversion.input_columns import InputColumn

NUMBERS, TEXTS = ["size", "age", "rate", "rooms"], ["colour", "town"]
COLOURS, TOWNS = ("blue", "green", "red", "very dark"), tuple(sorted(f"t{i}" for i in range(30)))
LEVELS = {"colour": COLOURS, "town": TOWNS}
DECIMALS = {"size": 1, "rate": 4}
TREES = 30
BINARY, MULTICLASS, NUMBER, CODES, COUNT = "binary", "multiclass", "number", "codes", "count"


def make_rows(count: int, seed: int = 0) -> pd.DataFrame:
    """Make rows with one and four decimals, whole numbers, texts, and gaps in `age` and `colour`."""
    random = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "size": random.normal(50, 20, count).round(1),
            "age": random.integers(0, 90, count).astype(float),
            "rate": random.random(count).round(4),
            "colour": random.choice(list(COLOURS), count),
            "town": random.choice(list(TOWNS), count),
            "rooms": random.integers(1, 6, count),
        }
    )
    for name in ("age", "colour"):
        rows[name] = rows[name].mask(random.random(count) < 0.1)
    return rows


def make_targets(rows: pd.DataFrame, seed: int = 1) -> dict[str, pd.Series]:
    """Make what the models predict."""
    noise = np.random.default_rng(seed).normal(size=len(rows))
    signal = rows["size"] / 20 + (rows["colour"] == "red") * 2 + rows["rate"] * 3
    signal += noise - rows["age"].fillna(80) / 40
    grades = pd.qcut(signal, 3, labels=["a", "b", "c"])
    number = np.exp(signal / 2)
    return {
        BINARY: (signal > signal.median()).map({True: "yes", False: "no"}),
        MULTICLASS: grades.astype(str),
        NUMBER: number,
        CODES: grades.cat.codes.astype(int),
        COUNT: number.round(),
    }


def build_columns(names: list[str], *, is_category: bool = False) -> list[InputColumn]:
    """Build the columns of a matrix that has all of `make_rows`, in its order."""
    places = {name: place for place, name in enumerate(make_rows(1).columns)}
    kinds = dict.fromkeys(TEXTS, "category" if is_category else "string") | {"rooms": "int64"}
    return [
        InputColumn(
            name=name, place=places[name], type=kinds.get(name, "float64"), levels=LEVELS.get(name, ()),
            nullable=name in {"age", "colour"}, decimals=DECIMALS.get(name, 0), field=name,
        )
        for name in names
    ]  # fmt: skip


def encode_rows(rows: pd.DataFrame) -> Any:
    """Encode rows as the platform's float32 matrix."""
    coded = rows.assign(
        **{name: rows[name].map({text: code for code, text in enumerate(LEVELS[name])}) for name in TEXTS}
    )
    return coded.to_numpy(dtype=np.float32)


class AddRatio(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A transformer of a user's own, which no converter knows."""

    def fit(self, rows: Any, _truth: Any = None) -> "AddRatio":
        self.n_features_in_ = np.shape(rows)[1]
        return self

    def transform(self, rows: Any) -> Any:
        values = np.asarray(rows, dtype=float)
        return np.column_stack([values, values[:, 0] / (1 + np.nan_to_num(values[:, 1]))])


def _fill_texts(rows: pd.DataFrame) -> pd.DataFrame:
    # CatBoost takes no missing text
    return rows.fillna(dict.fromkeys(TEXTS, "missing"))


def _prepare(**options: Any) -> ColumnTransformer:
    one_hot = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    scaled = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    return ColumnTransformer([("numbers", scaled, NUMBERS), ("texts", one_hot, TEXTS)], **options)


def _prepare_codes() -> ColumnTransformer:
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    return ColumnTransformer([("numbers", "passthrough", NUMBERS), ("texts", codes, TEXTS)])


def _prepare_many_ways() -> ColumnTransformer:
    bins = KBinsDiscretizer(5, encode="onehot-dense", quantile_method="averaged_inverted_cdf")
    return ColumnTransformer(
        [
            ("bins", make_pipeline(SimpleImputer(), bins), ["size"]),
            (
                "powers",
                make_pipeline(SimpleImputer(add_indicator=True), PolynomialFeatures(2)),
                ["rate", "age"],
            ),
            ("towns", OneHotEncoder(), ["town"]),
            ("rooms", OneHotEncoder(handle_unknown="ignore"), ["rooms"]),
        ],
        sparse_threshold=0,
    )


def _scale_ranks() -> ColumnTransformer:
    return ColumnTransformer(
        [
            ("ranks", QuantileTransformer(n_quantiles=50), ["size"]),
            ("powers", PowerTransformer(), ["rate"]),
            ("range", RobustScaler(), ["rooms"]),
        ]
    )


def _name_columns() -> Any:
    named = _prepare(verbose_feature_names_out=False, sparse_threshold=0)
    named.transformers[1][1].steps[1][1].set_params(sparse_output=False)
    named.set_output(transform="pandas")
    scaled = ColumnTransformer([("scaled", MinMaxScaler(), ["size", "rate"])], remainder="passthrough")
    return make_pipeline(named, scaled, LogisticRegression())


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCase:
    """A model of another tool.

    Attributes:
        build: Function that builds it, not fitted.
        target: What it predicts, of `make_targets`.
        columns: Columns that it reads.
        is_category: Whether it reads texts as categories of pandas.
    """

    build: Callable[[], Any]
    target: str = BINARY
    columns: tuple[str, ...] = ("size", "age", "rate", "colour", "town", "rooms")
    is_category: bool = False

    def select(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Select the columns of the model, in its types."""
        chosen = rows[list(self.columns)].copy()
        if self.is_category:
            for name in TEXTS:
                chosen[name] = pd.Categorical(chosen[name], categories=list(LEVELS[name]))
        return chosen

    def fit(self, rows: pd.DataFrame) -> Any:
        """Build and fit the model, the same one each time."""
        # scikit-learn takes its random numbers from here
        np.random.seed(0)  # noqa: NPY002
        return self.build().fit(self.select(rows), make_targets(rows)[self.target])


def _build_lightgbm(**options: Any) -> Any:
    return lightgbm.LGBMClassifier(n_estimators=TREES, verbose=-1, **options)


def _build_catboost(kind: Any, **options: Any) -> Any:
    # nothing is written beside the test
    return kind(iterations=TREES, verbose=0, allow_writing_files=False, **options)


N = tuple(NUMBERS)
CONVERTIBLE: Mapping[str, ModelCase] = {
    "logistic regression": ModelCase(build=lambda: make_pipeline(_prepare(), LogisticRegression())),
    "random forest": ModelCase(
        build=lambda: make_pipeline(_prepare(), RandomForestClassifier(TREES)), target=MULTICLASS
    ),
    "gradient boosting": ModelCase(
        build=lambda: make_pipeline(_prepare(), GradientBoostingClassifier(n_estimators=TREES))
    ),
    "histogram boosting with gaps": ModelCase(
        build=lambda: make_pipeline(_prepare_codes(), HistGradientBoostingClassifier(max_iter=TREES))
    ),
    "histogram boosting of scaled numbers": ModelCase(
        build=lambda: make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=TREES)),
        columns=N, target=MULTICLASS,
    ),
    "histogram boosting, Poisson": ModelCase(
        build=lambda: make_pipeline(
            _prepare_codes(), HistGradientBoostingRegressor(loss="poisson", max_iter=TREES)
        ),
        target=NUMBER,
    ),
    "decision tree with gaps": ModelCase(build=lambda: DecisionTreeClassifier(max_depth=6), columns=N),
    "regression forest with gaps": ModelCase(
        build=lambda: RandomForestRegressor(TREES, max_depth=8), columns=N, target=NUMBER
    ),
    "extremely randomized trees": ModelCase(
        build=lambda: make_pipeline(SimpleImputer(), ExtraTreesRegressor(TREES, max_depth=10)),
        columns=N, target=NUMBER,
    ),
    "LightGBM with gaps": ModelCase(build=_build_lightgbm, columns=N),
    "LightGBM with categories": ModelCase(build=_build_lightgbm, is_category=True),
    "LightGBM in a pipeline": ModelCase(
        build=lambda: make_pipeline(_prepare_codes(), _build_lightgbm()), target=MULTICLASS
    ),
    "LightGBM of scaled numbers": ModelCase(
        build=lambda: make_pipeline(StandardScaler(), _build_lightgbm()), columns=N
    ),
    "LightGBM, Poisson": ModelCase(
        build=lambda: lightgbm.LGBMRegressor(objective="poisson", n_estimators=TREES, verbose=-1),
        columns=N, target=NUMBER,
    ),
    "XGBoost with gaps": ModelCase(
        build=lambda: xgboost.XGBRegressor(n_estimators=TREES), columns=N, target=NUMBER
    ),
    "XGBoost of three classes": ModelCase(
        build=lambda: make_pipeline(_prepare_codes(), xgboost.XGBClassifier(n_estimators=TREES)), target=CODES
    ),
    "XGBoost, Poisson": ModelCase(
        build=lambda: xgboost.XGBRegressor(objective="count:poisson", n_estimators=TREES),
        columns=N, target=COUNT,
    ),
    "CatBoost with gaps": ModelCase(build=lambda: _build_catboost(CatBoostClassifier), columns=N),
    "CatBoost of three classes": ModelCase(
        build=lambda: _build_catboost(CatBoostClassifier), columns=N, target=MULTICLASS
    ),
    "CatBoost, Poisson": ModelCase(
        build=lambda: _build_catboost(CatBoostRegressor, loss_function="Poisson"), columns=N, target=NUMBER
    ),
    "sigmoid calibration": ModelCase(
        build=lambda: CalibratedClassifierCV(make_pipeline(_prepare(), RandomForestClassifier(TREES)), cv=3)
    ),
    "isotonic calibration": ModelCase(
        build=lambda: CalibratedClassifierCV(
            make_pipeline(_prepare(), LogisticRegression()), cv=3, method="isotonic"
        )
    ),
    "isotonic calibration of trees": ModelCase(
        build=lambda: CalibratedClassifierCV(
            make_pipeline(_prepare_codes(), _build_lightgbm()), cv=3, method="isotonic"
        )
    ),
    "vote": ModelCase(
        build=lambda: VotingClassifier(
            [
                ("linear", make_pipeline(_prepare(), LogisticRegression())),
                ("trees", make_pipeline(_prepare_codes(), _build_lightgbm())),
            ],
            voting="soft", weights=[1, 2],
        )
    ),
    "stack of classifiers": ModelCase(
        build=lambda: StackingClassifier(
            [
                ("linear", make_pipeline(_prepare(), LogisticRegression())),
                ("trees", make_pipeline(_prepare_codes(), HistGradientBoostingClassifier(max_iter=TREES))),
            ],
            final_estimator=LogisticRegression(),
        )
    ),
    "stack of regressions": ModelCase(
        build=lambda: StackingRegressor(
            [
                ("linear", make_pipeline(_prepare(), Ridge())),
                ("nearest", make_pipeline(_prepare_codes(), SimpleImputer(), Ridge())),
            ],
            final_estimator=Ridge(),
        ),
        target=NUMBER,
    ),
    "neural network": ModelCase(
        build=lambda: make_pipeline(_prepare(), MLPClassifier((20, 10), max_iter=40)), target=MULTICLASS
    ),
    "support vectors": ModelCase(
        build=lambda: make_pipeline(_prepare(), CalibratedClassifierCV(SVC(), cv=3, ensemble=False))
    ),
    "nearest neighbours": ModelCase(build=lambda: make_pipeline(_prepare(), KNeighborsClassifier())),
    "mean target of texts": ModelCase(
        build=lambda: make_pipeline(
            ColumnTransformer([("numbers", SimpleImputer(), NUMBERS), ("texts", TargetEncoder(), TEXTS)]),
            Ridge(),
        ),
        target=NUMBER,
    ),
    "logarithm of the target": ModelCase(
        build=lambda: TransformedTargetRegressor(
            make_pipeline(_prepare(), Ridge()), func=np.log1p, inverse_func=np.expm1
        ),
        target=NUMBER,
    ),
    "Poisson regression": ModelCase(
        build=lambda: make_pipeline(_prepare(), PoissonRegressor()), target=NUMBER
    ),
    "grid search": ModelCase(
        build=lambda: GridSearchCV(
            make_pipeline(_prepare(), LogisticRegression()), {"logisticregression__C": [0.1, 1]}, cv=2
        )
    ),
    "bins, powers, selection, components": ModelCase(
        build=lambda: make_pipeline(_prepare_many_ways(), SelectKBest(k=20), PCA(10), LogisticRegression())
    ),
    "ranks and powers": ModelCase(build=lambda: make_pipeline(_scale_ranks(), GaussianNB())),
    "steps that know columns by name": ModelCase(build=_name_columns),
}  # fmt: skip
INCONVERTIBLE: Mapping[str, ModelCase] = {
    "transformer of the user's own": ModelCase(
        build=lambda: make_pipeline(
            ColumnTransformer([("ratio", AddRatio(), NUMBERS)]), SimpleImputer(), LogisticRegression()
        )
    ),
    "nearest rows fill gaps": ModelCase(
        build=lambda: make_pipeline(
            ColumnTransformer([("numbers", KNNImputer(), NUMBERS)]), DecisionTreeClassifier(max_depth=5)
        )
    ),
    "histogram boosting with categories": ModelCase(
        build=lambda: HistGradientBoostingClassifier(max_iter=TREES, categorical_features="from_dtype"),
        is_category=True,
    ),
    "CatBoost with categories": ModelCase(
        build=lambda: make_pipeline(
            FunctionTransformer(_fill_texts), _build_catboost(CatBoostClassifier, cat_features=TEXTS)
        )
    ),
    "XGBoost with categories": ModelCase(
        build=lambda: xgboost.XGBRegressor(n_estimators=TREES, enable_categorical=True),
        is_category=True, target=NUMBER,
    ),
}  # fmt: skip
