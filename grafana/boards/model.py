"""Dashboard of one model: its performance, labels, traffic, predictions and versions."""

from grafana.board import MODEL_VARIABLE, BoardEvent, BoardSection, BoardVariable, build_board
from grafana.boards.rollout import ROLLOUT, ROLLOUT_EVENTS
from grafana.charts import ComparisonPanel
from grafana.colours import BAD, GOOD, WARN
from grafana.expressions import (
    MILLISECONDS,
    MODEL,
    PREDICTION,
    PROTOCOL_COLOURS,
    STALE_SECONDS,
    VERSION,
    WINDOW,
    compute_margin,
    filter_champions,
    select,
    select_champion,
    sum_or_zero,
)
from grafana.panels import YES_NO, LinesPanel, NumberPanel, PanelQuery, QueryRole, mark_below
from grafana.tables import TableColumn, TablePanel
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

LOADED = select("servicio_ml_champion_loaded_timestamp_seconds", MODEL)
EVENTS = (
    BoardEvent(
        name="Champion loaded",
        expr=f"min by (model, version) ({LOADED}) * {MILLISECONDS}",
        title="Champion: version {{version}}",
        by_value=True,
    ),
    BoardEvent(
        name="Page",
        expr=select("ALERTS", 'alertstate="firing"', 'severity="page"', MODEL),
        title="{{alertname}}",
        colour=BAD,
    ),
    *ROLLOUT_EVENTS,
)
"""Events: champions and rollouts with their time as the value, so that marks are exact at any zoom; pages."""
AGE = f"time() - max({select('servicio_ml_champion_registered_timestamp_seconds', MODEL)})"
NOW = (
    NumberPanel(
        "Ready",
        "none",
        "Whether the champion reproduces its golden rows on every server.",
        [PanelQuery(f"min({select('servicio_ml_model_ready', MODEL)})")],
        width=3,
        steps=mark_below(1),
        value_names=YES_NO,
        alerts=["ModelNotReady"],
    ),
    NumberPanel(
        "Champion's version",
        "none",
        "Highest version that serves as the champion.",
        [PanelQuery(f"max by (version) ({select('servicio_ml_model_info', MODEL)})", "{{version}}")],
        width=3,
        only_name=True,
    ),
    NumberPanel(
        "Champion's age",
        "s",
        "Time since the champion was registered.",
        [PanelQuery(AGE)],
        width=3,
        steps=((None, GOOD), (STALE_SECONDS, WARN)),
        alerts=["ChampionStale"],
    ),
    NumberPanel(
        "Rows in the window",
        "short",
        "Rows that the champion scored.",
        [PanelQuery(select_champion("model:observations:rows", MODEL, WINDOW))],
        width=3,
    ),
    NumberPanel(
        "Margin, realised",
        "percentunit",
        "Margin of the champion to its limit by the labels of the window: for accuracy or F1 a difference,"
        " for a mean absolute error a share of the limit. Below 0 an alert pages. No data: no labels yet.",
        [PanelQuery(compute_margin("realised", MODEL, WINDOW))],
        steps=mark_below(0),
        alerts=["PerformanceLow"],
    ),
    NumberPanel(
        "Labelled",
        "percentunit",
        "Share of the window's rows with ground truth.",
        [PanelQuery(select_champion("model:label_coverage:ratio", MODEL, WINDOW))],
        alerts=["LabelCoverageLow"],
    ),
    NumberPanel(
        "Features drifted",
        "percentunit",
        "Share of the features whose population stability index (PSI) exceeds its threshold.",
        [PanelQuery(select_champion("model:drifted_features:ratio", MODEL, WINDOW))],
        steps=((None, GOOD), (thresholds.DRIFTED_SHARE, WARN)),
        alerts=["DataDrift", "FeatureDrift"],
    ),
)
OUTCOMES = select("servicio_ml_predictions_total", MODEL, VERSION, 'protocol!="shadow"')
TRAFFIC = (
    LinesPanel(
        "Rows by protocol",
        "rowsps",
        "Rows per second by interface, stacked. shadow: rows that the challenger scores as well.",
        [PanelQuery(f"sum by (protocol) ({select('model:predictions:rate5m', MODEL)})", "{{protocol}}")],
        width=8,
        stacked=True,
        series_colours=PROTOCOL_COLOURS,
    ),
    LinesPanel(
        "Rows by predicted class",
        "rowsps",
        "Rows per second by predicted class; a regression has one series.",
        [PanelQuery(f"sum by (outcome) (rate({OUTCOMES}[$__rate_interval]))", "{{outcome}}")],
        width=8,
        stacked=True,
    ),
    LinesPanel(
        "Duration of a prediction",
        "s",
        "Time from a decoded request to its logged prediction.",
        [
            PanelQuery(f"max({select('model:prediction_duration_seconds:p50_rate5m', MODEL)})", "median"),
            PanelQuery(
                f"max({select('model:prediction_duration_seconds:p99_rate5m', MODEL)})", "99th percentile"
            ),
        ],
        width=8,
    ),
)
SHARES = filter_champions(select("bin:current:ratio", MODEL, WINDOW, PREDICTION))
REFERENCE = filter_champions(select("bin:reference:ratio", MODEL, WINDOW, PREDICTION))
INDEX = filter_champions(select("feature:psi:index", MODEL, WINDOW, PREDICTION))
THRESHOLD = filter_champions(select("feature:psi_threshold:index", MODEL, WINDOW, PREDICTION))
PREDICTIONS = (
    ComparisonPanel(
        "Predictions: window and reference",
        "percentunit",
        "Share of the window's predictions in each bin. Grey: share of the training rows of the same season.",
        [
            PanelQuery(f"sum by (bin) ({SHARES})", "now"),
            PanelQuery(f"sum by (bin) ({REFERENCE})", "expected", QueryRole.REFERENCE),
        ],
        label="bin",
        width=8,
    ),
    LinesPanel(
        "Distribution of the predictions",
        "percentunit",
        "Share of the window's predictions in each bin, stacked.",
        [PanelQuery(f"sum by (bin) ({SHARES})", "{{bin}}")],
        width=8,
        stacked=True,
        top=1,
    ),
    LinesPanel(
        "Drift of the predictions",
        "short",
        "Population stability index of the predictions; above the dashed threshold they have drifted.",
        [PanelQuery(f"max({INDEX})", "PSI"), PanelQuery(f"max({THRESHOLD})", "threshold", QueryRole.LIMIT)],
        width=8,
        alerts=["PredictionDrift"],
    ),
)


def _build_metric_panel(name: str, title: str) -> LinesPanel:
    limit = select("model:performance_limit:value", MODEL, WINDOW, f'metric="{name}"')
    return LinesPanel(
        title,
        "percentunit",
        f"{title} of the champion. Realised: from ground truth. Expected: from its calibrated probabilities,"
        " before ground truth is known. Below the dashed limit an alert pages. No data for a regression.",
        [
            PanelQuery(
                f"max({filter_champions(select(f'model:{name}_realised:ratio', MODEL, WINDOW))})", "realised"
            ),
            PanelQuery(
                f"max({filter_champions(select(f'model:{name}_expected:ratio', MODEL, WINDOW))})", "expected"
            ),
            PanelQuery(f"max({filter_champions(limit)})", "limit", QueryRole.LIMIT),
        ],
        width=6,
        top=1,
        alerts=["PerformanceLow", "ExpectedPerformanceLow"],
    )


def _build_plain_panel(record: str, title: str, unit: str, about: str) -> LinesPanel:
    """Build a panel of a metric without a limit."""
    return LinesPanel(
        title,
        unit,
        about,
        [
            PanelQuery(f"max({filter_champions(select(record.format(kind=kind), MODEL, WINDOW))})", kind)
            for kind in ("realised", "expected")
        ],
    )


ERROR_LIMIT = select("model:performance_limit:value", MODEL, WINDOW, 'metric="mae"')
PERFORMANCE = (
    LinesPanel(
        "Margin to the threshold",
        "percentunit",
        "Margin of the champion to its limit, whatever its metric; below 0 the limit is violated. Realised:"
        " from ground truth. Expected: from its calibrated probabilities or its model of the errors, before"
        " ground truth is known.",
        [
            PanelQuery(compute_margin("realised", MODEL, WINDOW), "realised"),
            PanelQuery(compute_margin("expected", MODEL, WINDOW), "expected"),
        ],
        bottom=None,
        steps=mark_below(0),
        alerts=["PerformanceLow", "ExpectedPerformanceLow"],
    ),
    LinesPanel(
        "Labels",
        "percentunit",
        "Share of the window's rows with ground truth.",
        [PanelQuery(select_champion("model:label_coverage:ratio", MODEL, WINDOW), "labelled")],
        width=6,
        top=1,
        alerts=["LabelCoverageLow"],
    ),
    LinesPanel(
        "Coverage of intervals",
        "percentunit",
        "Share of the truths that intervals or label sets of 90 % hold. Expected: the share of the"
        " calibration rows. An alert fires when both differ by more than chance. No data: no labels, or a"
        " model without calibrated uncertainty.",
        [
            PanelQuery(select_champion("model:interval_coverage:ratio", MODEL, WINDOW), "covered"),
            PanelQuery(
                select_champion("model:interval_coverage_expected:ratio", MODEL, WINDOW),
                "expected",
                QueryRole.REFERENCE,
            ),
        ],
        width=6,
        top=1,
        alerts=["IntervalCoverageWrong"],
    ),
    LinesPanel(
        "Outliers",
        "percentunit",
        "Share of the window's rows that are unlike the training rows. Expected: the share of the training"
        " rows themselves. An alert fires when the share jumps. No data: a version without outlier scores.",
        [
            PanelQuery(select_champion("model:outliers:ratio", MODEL, WINDOW), "outliers"),
            PanelQuery(
                select_champion("servicio_ml_outlier_expected_ratio", MODEL),
                "expected",
                QueryRole.REFERENCE,
            ),
        ],
        width=6,
        top=1,
        alerts=["OutlierShareHigh"],
    ),
    LinesPanel(
        "Delay of ground truth",
        "s",
        "Median time from a prediction to its label.",
        [PanelQuery(f"max({select('model:label_lag_seconds:p50', MODEL, WINDOW)})", "median")],
        width=6,
    ),
    _build_metric_panel("accuracy", "Accuracy"),
    _build_metric_panel("f1_macro", "F1, mean of the classes"),
    LinesPanel(
        "F1 by class",
        "percentunit",
        "F1 of the champion for each class, from ground truth. Dashed grey: expected. No data for a"
        " regression.",
        [
            PanelQuery(
                f"max by (label) ({filter_champions(select('class:f1_realised:ratio', MODEL, WINDOW))})",
                "{{label}}",
            ),
            PanelQuery(
                f"max by (label) ({filter_champions(select('class:f1_expected:ratio', MODEL, WINDOW))})",
                "{{label}} expected",
                QueryRole.REFERENCE,
            ),
        ],
        width=6,
        top=1,
    ),
    LinesPanel(
        "Mean absolute error",
        "short",
        "Mean absolute error of a regression's champion, in the unit of the target. Realised: from ground"
        " truth. Expected: from its model of the errors, before ground truth is known. Above the dashed limit"
        " an alert pages.",
        [
            PanelQuery(
                f"max({filter_champions(select('model:mae_realised:value', MODEL, WINDOW))})", "realised"
            ),
            PanelQuery(
                f"max({filter_champions(select('model:mae_expected:value', MODEL, WINDOW))})", "expected"
            ),
            PanelQuery(f"max({filter_champions(ERROR_LIMIT)})", "limit", QueryRole.LIMIT),
        ],
        width=6,
        alerts=["PerformanceLow", "ExpectedPerformanceLow"],
    ),
    _build_plain_panel(
        "model:roc_auc_{kind}:ratio",
        "ROC-AUC",
        "percentunit",
        "Area under the ROC curve of a binary champion, from counts by bin of the probability. Realised: from"
        " ground truth. Expected: from its calibrated probabilities, before ground truth is known.",
    ),
    _build_plain_panel(
        "model:rmse_{kind}:value",
        "Root mean squared error",
        "short",
        "Root of the mean squared error of a regression's champion, in the unit of the target: larger than"
        " the mean absolute error where few rows have large errors. Realised: from ground truth. Expected:"
        " from its model of the errors, before ground truth is known.",
    ),
)
# the day is of a demo, whose records have no longer windows
SEGMENT_WINDOW = f'window=~"{thresholds.SEGMENT_WINDOWS[-1]}|1d"'
MAX_SEGMENTS = 10
"""Maximum number of lines of segments, those with the largest values."""


def _select_segment(record: str, *matchers: str) -> str:
    return f"max by (segment, value) ({filter_champions(select(record, MODEL, *matchers))})"


SEGMENTS = (
    LinesPanel(
        "Loss of segments beyond chance",
        "short",
        "How many standard errors the loss of each value of a segment exceeds that of unseen rows by, over"
        f" {thresholds.SEGMENT_WINDOWS[-1]}: the {MAX_SEGMENTS} largest. The dashed limit knows the number of"
        " values, so that chance exceeds it anywhere in less than 5 % of the years. No data: no segments, or"
        " no labels.",
        [
            PanelQuery(
                f"topk({MAX_SEGMENTS}, {_select_segment('segment:loss:deviations', SEGMENT_WINDOW)})",
                "{{segment}}: {{value}}",
            ),
            PanelQuery(
                f"max({filter_champions(select('servicio_ml_segment_deviations', MODEL))})",
                "limit",
                QueryRole.LIMIT,
            ),
        ],
        width=10,
        alerts=["SegmentPerformanceLow"],
    ),
    TablePanel(
        "Segments",
        "short",
        f"Rows of {thresholds.SEGMENT_WINDOWS[-1]} by value of the segments. Loss: share of wrong classes, or"
        " mean absolute error. Reference: on rows that the model was not trained on. Beyond chance: as"
        " beside. Missing: missing values of a row.",
        width=14,
        labels={"segment": "Segment", "value": "Value"},
        sort="Beyond chance",
        alerts=["SegmentPerformanceLow"],
        columns=[
            TableColumn("Rows", _select_segment("segment:predictions:rows", SEGMENT_WINDOW)),
            TableColumn("Labels", _select_segment("segment:labels:rows", SEGMENT_WINDOW)),
            TableColumn("Loss", _select_segment("segment:loss_realised:value", SEGMENT_WINDOW)),
            TableColumn("Expected loss", _select_segment("segment:loss_expected:value", SEGMENT_WINDOW)),
            TableColumn("Reference", _select_segment("servicio_ml_segment_reference_loss")),
            TableColumn("Beyond chance", _select_segment("segment:loss:deviations", SEGMENT_WINDOW)),
            TableColumn(
                "Covered", _select_segment("segment:interval_coverage:ratio", SEGMENT_WINDOW), "percentunit"
            ),
            TableColumn("Missing", _select_segment("segment:missing_values:mean", SEGMENT_WINDOW)),
        ],
    ),
)
FAIRNESS = (
    LinesPanel(
        "Rates of protected groups",
        "percentunit",
        f"Rates by group over {thresholds.SEGMENT_WINDOWS[-1]}. selection_rate: share of the rows answered"
        " positive. tpr, fpr: of those that are positive or negative by ground truth. An alert fires when two"
        " groups differ by more than the policy allows, beyond chance. No data: no protected attribute.",
        [
            PanelQuery(
                "max by (segment, value, figure) "
                f"({filter_champions(select('segment:rate:ratio', MODEL, SEGMENT_WINDOW))})",
                "{{segment}} {{value}}: {{figure}}",
            )
        ],
        width=24,
        top=1,
        alerts=["FairnessLimitBroken"],
    ),
)
LABELLED = f"sum by (version) ({select('model:labels:rows', MODEL, WINDOW)})"
SHADOWED = select("model:predictions:rate5m", MODEL, 'protocol="shadow"')
MISSED = sum_or_zero(f"increase({select('servicio_ml_shadow_dropped_total', MODEL)}[1h])")
HOUR_SECONDS = 3600


def _select_version(record: str) -> str:
    return f"max by (version) ({select(record, MODEL, WINDOW)})"


VERSIONS = (
    TablePanel(
        "Versions",
        "short",
        "Versions that scored rows in the window. The challenger scores shadow rows.",
        width=14,
        labels={"version": "Version"},
        columns=[
            TableColumn(
                "Champion",
                f"max by (version) ({select('servicio_ml_model_info', MODEL)})",
                value_names={1: ("champion", GOOD)},
            ),
            TableColumn("Rows", _select_version("model:observations:rows")),
            TableColumn("Labels", LABELLED),
            TableColumn("Accuracy", _select_version("model:accuracy_realised:ratio"), "percentunit"),
            TableColumn("Expected accuracy", _select_version("model:accuracy_expected:ratio"), "percentunit"),
            TableColumn("F1", _select_version("model:f1_macro_realised:ratio"), "percentunit"),
            TableColumn("Absolute error", _select_version("model:mae_realised:value")),
            TableColumn("Expected absolute error", _select_version("model:mae_expected:value")),
            TableColumn("Features drifted", _select_version("model:drifted_features:ratio"), "percentunit"),
        ],
    ),
    LinesPanel(
        "Shadow",
        "rowsps",
        "Rows per second that the challenger scored as well, and rows per second that it missed.",
        [
            PanelQuery(f"sum by (version) ({SHADOWED})", "version {{version}}"),
            PanelQuery(f"({MISSED}) / {HOUR_SECONDS}", "missed", QueryRole.LIMIT),
        ],
        width=10,
    ),
)


def build_model_board() -> dashboard.Dashboard:
    version = BoardVariable(
        name="version",
        label="Version",
        values='label_values(servicio_ml_reference_rows{model="$model"}, version)',
        multi=True,
    )
    return build_board(
        "model",
        "Performance, labels, traffic, predictions and versions of one model.",
        [
            BoardSection("Now", NOW),
            BoardSection("Performance", PERFORMANCE),
            BoardSection("Segments", SEGMENTS),
            BoardSection("Fairness", FAIRNESS),
            BoardSection("Traffic", TRAFFIC),
            BoardSection("Predictions", PREDICTIONS),
            BoardSection("Versions", VERSIONS),
            BoardSection("Rollout", ROLLOUT),
        ],
        variables=[MODEL_VARIABLE, version],
        window=True,
        events=EVENTS,
    )
