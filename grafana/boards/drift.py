"""Dashboard of a model's drift: which features have drifted, since when, and how."""

from grafana.board import MODEL_VARIABLE, BoardSection, BoardVariable, build_board
from grafana.boards.rollout import ROLLOUT_EVENTS
from grafana.charts import BarsPanel, ComparisonPanel, HeatmapPanel
from grafana.colours import BAD, GOOD, WARN
from grafana.expressions import FEATURES, MODEL, PREDICTION, WINDOW, filter_champions, select, select_champion
from grafana.panels import LinesPanel, NumberPanel, PanelQuery, QueryRole
from grafana.tables import TableColumn, TablePanel
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

FEATURE = 'feature="$feature"'
WORST = 10


def _divide_by_threshold(*matchers: str) -> str:
    """Divide the champion's stability index by its threshold, for each feature."""
    index, threshold = (
        select(record, MODEL, WINDOW, *matchers)
        for record in ("feature:psi:index", "feature:psi_threshold:index")
    )
    return f"max by (feature) ({filter_champions(f'{index} / {threshold}')})"


def _select_feature(record: str, *matchers: str) -> str:
    return f"max by (feature) ({filter_champions(select(record, MODEL, WINDOW, *matchers))})"


def _select_open(record: str, *matchers: str) -> str:
    return f"max by (feature) ({select(record, MODEL, *matchers)})"


def _select_bins(record: str) -> str:
    return f"max by (bin) ({filter_champions(select(record, MODEL, WINDOW, FEATURE))})"


RATIO_STEPS = ((None, GOOD), (1, BAD))
NOW = (
    NumberPanel(
        "Rows in the window",
        "short",
        "Rows that the champion scored. With fewer rows the thresholds are higher.",
        [PanelQuery(select_champion("model:observations:rows", MODEL, WINDOW))],
        width=6,
    ),
    NumberPanel(
        "Features drifted",
        "percentunit",
        "Share of the features whose population stability index (PSI) exceeds its threshold.",
        [PanelQuery(select_champion("model:drifted_features:ratio", MODEL, WINDOW))],
        width=6,
        steps=((None, GOOD), (thresholds.DRIFTED_SHARE, WARN)),
        alerts=["DataDrift"],
    ),
    NumberPanel(
        "Worst feature",
        "short",
        "Largest ratio of a feature's PSI to its threshold; from 1 on the feature has drifted.",
        [PanelQuery(f"topk(1, {_divide_by_threshold(FEATURES)})", "{{feature}}")],
        width=6,
        instant=True,
        steps=RATIO_STEPS,
        alerts=["FeatureDrift"],
    ),
    NumberPanel(
        "Predictions",
        "short",
        "Ratio of the predictions' PSI to its threshold; from 1 on the predictions have drifted.",
        [PanelQuery(_divide_by_threshold(PREDICTION))],
        width=6,
        steps=RATIO_STEPS,
        alerts=["PredictionDrift"],
    ),
)
EVERY = (
    HeatmapPanel(
        "PSI over threshold, by feature and time",
        "short",
        "Blue: as in training. White: at the threshold. Red: drift. The threshold accounts for the number of"
        " rows and bins, so that noise stays blue in small windows.",
        [PanelQuery(_divide_by_threshold(), "{{feature}}")],
        width=16,
        height=14,
        alerts=["FeatureDrift", "PredictionDrift"],
    ),
    BarsPanel(
        "Worst features now",
        "short",
        f"The {WORST} features with the largest ratio of PSI to threshold; from 1 on a feature has drifted.",
        [PanelQuery(f"sort_desc(topk({WORST}, {_divide_by_threshold()}))", "{{feature}}")],
        width=8,
        height=14,
        steps=RATIO_STEPS,
        alerts=["FeatureDrift"],
    ),
)
ONE = (
    LinesPanel(
        "$feature: population stability index (PSI) and threshold",
        "short",
        "Population stability index of the chosen feature; above the dashed threshold it has drifted.",
        [
            PanelQuery(_select_feature("feature:psi:index", FEATURE), "PSI"),
            PanelQuery(_select_feature("feature:psi_threshold:index", FEATURE), "threshold", QueryRole.LIMIT),
        ],
        width=8,
        alerts=["FeatureDrift"],
    ),
    ComparisonPanel(
        "$feature: window and reference",
        "percentunit",
        "Share of the window's rows in each bin. Grey: share of the training rows of the same season.",
        [
            PanelQuery(_select_bins("bin:current:ratio"), "now"),
            PanelQuery(_select_bins("bin:reference:ratio"), "expected", QueryRole.REFERENCE),
        ],
        label="bin",
        width=8,
    ),
    LinesPanel(
        "$feature: bins over time",
        "percentunit",
        "Share of the window's rows in each bin, stacked. A step shows when the distribution changed.",
        [PanelQuery(_select_bins("bin:current:ratio"), "{{bin}}")],
        width=8,
        stacked=True,
        top=1,
    ),
)
TICKETS = (
    TablePanel(
        "Features of the tickets",
        "short",
        "Features that the open tickets list, and those whose drift is acknowledged. Weight: PSI times the"
        " importance of the feature.",
        labels={"feature": "Feature"},
        sort="Weight",
        alerts=["FeatureDrift", "MissingValues"],
        columns=[
            TableColumn("Weight", _select_open("feature:drift_open:impact", FEATURES), "short"),
            TableColumn("PSI", _select_open("feature:drift_open:index", FEATURES), "short"),
            TableColumn("Missing in excess", _select_open("feature:missing_open:ratio"), "percentunit"),
            TableColumn("PSI acknowledged", _select_open("servicio_ml_acknowledged_psi"), "short"),
            TableColumn(
                "Excess acknowledged", _select_open("servicio_ml_acknowledged_missing_ratio"), "percentunit"
            ),
        ],
    ),
)
EXCESS = (
    f"{select('feature:missing:ratio', MODEL, WINDOW, FEATURES)}"
    f" - {select('feature:missing_reference:ratio', MODEL, WINDOW)}"
)
MISSING = (
    TablePanel(
        "Missing values",
        "short",
        "Share of the rows without a value, and that of the training rows of the same season. A jump points"
        " to a broken sensor or a changed client rather than to drift.",
        labels={"feature": "Feature"},
        sort="More than in training",
        alerts=["MissingValues"],
        columns=[
            TableColumn("Missing", _select_feature("feature:missing:ratio", FEATURES), "percentunit"),
            TableColumn(
                "In training", _select_feature("feature:missing_reference:ratio", FEATURES), "percentunit"
            ),
            TableColumn(
                "More than in training",
                f"max by (feature) ({filter_champions(EXCESS)})",
                "percentunit",
                steps=((None, GOOD), (thresholds.MISSING_EXCESS, BAD)),
            ),
        ],
    ),
    LinesPanel(
        "Rejected values",
        "short",
        "Values that violated the model's schema in the window, by reason. level: a category that the"
        " training rows do not have; unknown_field: a field that the model does not have.",
        [PanelQuery(f"sum by (reason) ({select('feature:rejected:count', MODEL, WINDOW)})", "{{reason}}")],
        stacked=True,
        alerts=["UnseenLevels", "RejectedValues"],
    ),
)


def build_drift_board() -> dashboard.Dashboard:
    feature = BoardVariable(
        name="feature",
        label="Feature",
        values='label_values(servicio_ml_drift_quantile{model="$model"}, feature)',
    )
    return build_board(
        "drift",
        "Drift of a model's features and predictions: which, since when, and how.",
        [
            BoardSection("Now", NOW),
            BoardSection("Tickets", TICKETS),
            BoardSection("Features", EVERY),
            BoardSection("One feature", ONE),
            BoardSection("Missing and rejected values", MISSING),
        ],
        variables=[MODEL_VARIABLE, feature],
        window=True,
        events=ROLLOUT_EVENTS,
    )
