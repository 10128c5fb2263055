"""Which features of a model have moved, since when, and how."""

from grafana.board import CHOOSE_MODEL, Section, Variable, board
from grafana.charts import Bars, Heat, Pairs
from grafana.colours import BAD, GOOD, WARN
from grafana.expressions import FEATURES, MODEL, PREDICTION, WINDOW, champions, of, of_champion
from grafana.panels import Line, Lines, Number, Query
from grafana.tables import Column, Rows
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

FEATURE = 'feature="$feature"'
WORST = 10


def _ratio(*matchers: str) -> str:
    """By feature: the champion's index over its threshold, whatever its bins and rows."""
    index, threshold = (
        of(record, MODEL, WINDOW, *matchers)
        for record in ("feature:psi:index", "feature:psi_threshold:index")
    )
    return f"max by (feature) ({champions(f'{index} / {threshold}')})"


def _of_feature(record: str, *matchers: str) -> str:
    return f"max by (feature) ({champions(of(record, MODEL, WINDOW, *matchers))})"


def _by_bin(record: str) -> str:
    return f"max by (bin) ({champions(of(record, MODEL, WINDOW, FEATURE))})"


RATIO_STEPS = ((None, GOOD), (1, BAD))
NOW = (
    Number(
        "Rows in the window",
        "short",
        "Rows that the champion scored. The fewer, the higher the thresholds.",
        [Query(of_champion("model:observations:rows", MODEL, WINDOW))],
        width=6,
    ),
    Number(
        "Features drifted",
        "percentunit",
        "Share of the features whose index is above its threshold.",
        [Query(of_champion("model:drifted_features:ratio", MODEL, WINDOW))],
        width=6,
        steps=((None, GOOD), (thresholds.DRIFTED_SHARE, WARN)),
        alerts=["DataDrift"],
    ),
    Number(
        "Worst feature",
        "short",
        "Index over threshold of the feature that has moved most; from 1 on it is drift.",
        [Query(f"topk(1, {_ratio(FEATURES)})", "{{feature}}")],
        width=6,
        instant=True,
        steps=RATIO_STEPS,
        alerts=["FeatureDrift"],
    ),
    Number(
        "Predictions",
        "short",
        "Index over threshold of the answers; from 1 on they have moved.",
        [Query(_ratio(PREDICTION))],
        width=6,
        steps=RATIO_STEPS,
        alerts=["PredictionDrift"],
    ),
)
EVERY = (
    Heat(
        "Index over threshold, by feature and time",
        "short",
        "Blue: as in training. White: at the threshold. Red: drift. The threshold knows how many rows and"
        " bins there are: noise stays blue in small windows.",
        [Query(_ratio(), "{{feature}}")],
        width=16,
        height=14,
        alerts=["FeatureDrift", "PredictionDrift"],
    ),
    Bars(
        "Worst features now",
        "short",
        f"The {WORST} greatest indices over their thresholds; from 1 on it is drift.",
        [Query(f"sort_desc(topk({WORST}, {_ratio()}))", "{{feature}}")],
        width=8,
        height=14,
        steps=RATIO_STEPS,
        alerts=["FeatureDrift"],
    ),
)
ONE = (
    Lines(
        "$feature: index beside its threshold",
        "short",
        "Population stability index of the chosen feature; above the dashed threshold it has moved.",
        [
            Query(_of_feature("feature:psi:index", FEATURE), "index"),
            Query(_of_feature("feature:psi_threshold:index", FEATURE), "threshold", Line.LIMIT),
        ],
        width=8,
        alerts=["FeatureDrift"],
    ),
    Pairs(
        "$feature: now beside the reference",
        "percentunit",
        "Share of the window's rows in each bin; grey: what the training rows of the same season expect.",
        [
            Query(_by_bin("bin:current:ratio"), "now"),
            Query(_by_bin("bin:reference:ratio"), "expected", Line.REFERENCE),
        ],
        label="bin",
        width=8,
    ),
    Lines(
        "$feature: bins over time",
        "percentunit",
        "Share of the window's rows in each bin, stacked. A step tells the moment of a change.",
        [Query(_by_bin("bin:current:ratio"), "{{bin}}")],
        width=8,
        stacked=True,
        top=1,
    ),
)
EXCESS = (
    f"{of('feature:missing:ratio', MODEL, WINDOW, FEATURES)}"
    f" - {of('feature:missing_reference:ratio', MODEL, WINDOW)}"
)
MISSING = (
    Rows(
        "Missing values",
        "short",
        "Share of the rows without a value, beside that of the training rows of the same season. A jump is a"
        " broken sensor or a changed sender, not drift of the world.",
        labels={"feature": "Feature"},
        sort="More than in training",
        alerts=["MissingValues"],
        columns=[
            Column("Missing", _of_feature("feature:missing:ratio", FEATURES), "percentunit"),
            Column("In training", _of_feature("feature:missing_reference:ratio", FEATURES), "percentunit"),
            Column(
                "More than in training",
                f"max by (feature) ({champions(EXCESS)})",
                "percentunit",
                steps=((None, GOOD), (thresholds.MISSING_EXCESS, BAD)),
            ),
        ],
    ),
    Lines(
        "Values refused",
        "short",
        "Values that broke the model's contract in the window, by reason. level: a category that training"
        " never saw; unknown_field: a field that the model does not have.",
        [Query(f"sum by (reason) ({of('feature:rejected:count', MODEL, WINDOW)})", "{{reason}}")],
        stacked=True,
        alerts=["UnseenLevels", "RejectedValues"],
    ),
)


def drift() -> dashboard.Dashboard:
    feature = Variable(
        name="feature",
        label="Feature",
        values='label_values(servicio_ml_drift_quantile{model="$model"}, feature)',
    )
    return board(
        "drift",
        "Which features of a model have moved, since when, and how.",
        [
            Section("Now", NOW),
            Section("Features", EVERY),
            Section("One feature", ONE),
            Section("Missing and refused", MISSING),
        ],
        variables=[CHOOSE_MODEL, feature],
        window=True,
    )
