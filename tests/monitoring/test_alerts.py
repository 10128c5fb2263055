"""Each alert fires when it should, and is silent when it need not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from monitoring.rule import AlertRule, RuleGroup
from monitoring.rules import build_groups, list_alerts
from monitoring.thresholds import SEGMENT_WINDOWS, STEP

from promtool import Expected, format_series, run

MODEL = {"model": "rain"}
REJECTED_AT = "servicio_ml_retraining_rejected_timestamp_seconds"
MINE = {"model": "rain", "version": "3"}
TARGET = {"instance": "a", "job": "servicio-ml"}
STATSD = {"instance": "s", "job": "statsd"}
DAY = {"window": "1d"}
Series = Mapping[str, str]
ALERTS = {alert.name: alert for alert in list_alerts(build_groups())}
GROUPS = {
    alert.name: group.name
    for group in build_groups()
    for alert in group.rules
    if isinstance(alert, AlertRule)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Series, from which an alert fires or does not.

    Attributes:
        alert: Its name.
        why: What the case is about.
        series: Values one interval of the alert's group apart.
        at: When it is looked at.
        firing: Labels of each alert, without severity and cause; empty when it is silent. Long windows that
            hold the same rows as one day are left out.
        step: Evaluation interval of the rules.
    """

    alert: str
    why: str
    series: Series
    at: str = "30m"
    firing: tuple[Mapping[str, str], ...] = field(default=())
    step: str = STEP


def expect_firing(
    alert: str, why: str, series: Series, *firing: Mapping[str, str], at: str = "30m", step: str = STEP
) -> Case:
    return Case(alert=alert, why=why, series=series, at=at, firing=firing, step=step)


def expect_silent(alert: str, why: str, series: Series, at: str = "30m", step: str = STEP) -> Case:
    return Case(alert=alert, why=why, series=series, at=at, step=step)


def write_burst(rows: float) -> str:
    """Write a count that is reached at once, soon after the start."""
    return f"0 {rows}+0x200"


def repeat_value(value: float) -> str:
    return f"{value}+0x200"


def write_champion(version: str = "3") -> dict[str, str]:
    return {format_series("servicio_ml_model_info", **MODEL, version=version, run_id="run"): repeat_value(1)}


def write_rows(number: float) -> dict[str, str]:
    """Rows of a model whose reference has no seasons."""
    return {
        format_series("servicio_ml_season_observations_total", **MINE, **TARGET, season="all"): write_burst(
            number
        ),
        format_series("servicio_ml_reference_rows", **MINE, **TARGET, season="all"): repeat_value(10_000),
        format_series("servicio_ml_drift_practical_psi", **MINE, **TARGET): repeat_value(0.1),
        format_series("servicio_ml_design_effect", **MINE, **TARGET): repeat_value(1),
        **write_champion(),
    }


def write_similar_rows(effect: float) -> dict[str, str]:
    """Rows that have much in common."""
    return {format_series("servicio_ml_design_effect", **MINE, **TARGET): repeat_value(effect)}


def write_column(feature: str, *counts: float, missing: float = 0.01) -> dict[str, str]:
    """Counts of two bins and of missing values; the training rows that have one are in each bin as often."""
    metric = "servicio_ml_feature_observations_total"
    named = {"feature": feature}
    if feature == "prediction":
        metric, named = "servicio_ml_prediction_observations_total", {}
    series = {format_series("servicio_ml_drift_quantile", **MINE, feature=feature): repeat_value(20)}
    half = (1 - missing) / 2
    for bin_, count, share in zip(("low", "high", "missing"), counts, (half, half, missing), strict=True):
        series[format_series(metric, **MINE, **TARGET, **named, bin=bin_)] = write_burst(count)
        shares = {**MINE, **TARGET, "feature": feature, "bin": bin_, "season": "all"}
        series[format_series("servicio_ml_reference_ratio", **shares)] = repeat_value(share)
    return series


def replace_version(series: Series) -> dict[str, str]:
    """Replace the champion of the series by another version."""
    return {
        **{name: values for name, values in series.items() if "model_info" not in name},
        **write_champion("4"),
    }


def write_refused(number: float, feature: str, reason: str) -> dict[str, str]:
    metric = "servicio_ml_rejected_values_total"
    return {format_series(metric, **MODEL, **TARGET, feature=feature, reason=reason): write_burst(number)}


SHIFTED = {**write_rows(500), **write_column("wind", 450, 45, 5)}
# a PSI of 0.15
SLIGHT = {**write_rows(500), **write_column("wind", 340, 155, 5)}
STEADY = {**write_rows(500), **write_column("wind", 248, 247, 5)}
GAPS = {**write_rows(500), **write_column("wind", 200, 200, 100)}
PREDICTED = {**write_rows(500), **write_column("prediction", 450, 45, 5)}
SHORT = {**write_rows(90), **write_column("wind", 90, 0, 0)}
HUNDRED_CALM = {
    **write_column("rain", 248, 247, 5),
    **write_column("sky", 248, 247, 5),
    **write_column("day", 248, 247, 5),
}


def write_gauge(metric: str, value: float, **names: str) -> dict[str, str]:
    """Write a gauge that two servers export."""
    return {
        format_series(metric, **MODEL, **names, instance=each): repeat_value(value) for each in ("a", "b")
    }


def write_acknowledgement(feature: str, psi: float, missing: float = 0) -> dict[str, str]:
    """Write the acknowledgement of a drift of this size, as two servers export it."""
    sizes = {"servicio_ml_acknowledged_psi": psi, "servicio_ml_acknowledged_missing_ratio": missing}
    return {
        name: values
        for metric, size in sizes.items()
        for name, values in write_gauge(metric, size, feature=feature).items()
    }


def write_later(series: Series, steps: int) -> dict[str, str]:
    """Write counts that grow some steps later than at once."""
    return {name: values.replace("0 ", f"0x{steps} ", 1) for name, values in series.items()}


def add_rows(before: Series, after: Series, steps: int) -> dict[str, str]:
    """Add counts that come some steps later to those that come at once, and remain."""
    later = {name: int(values.split("+")[0].split()[1]) for name, values in after.items() if "0 " in values}
    found = {}
    for name, values in {**after, **before}.items():
        first = int(values.split("+")[0].split()[1]) if values.startswith("0 ") else None
        grown = f"0 {first}+0x{steps} {first + later.get(name, 0)}+0x200" if first is not None else values
        found[name] = grown
    return found


def repeat_rows(series: Series, steps: int) -> dict[str, str]:
    """Repeat counts at each of some steps."""
    return {
        name: f"0+{values.split('+')[0].split()[1]}x{steps}"
        if values.startswith("0 ")
        else values.replace("x200", f"x{steps}")
        for name, values in series.items()
    }


def write_late_gauge(series: Series, steps: int) -> dict[str, str]:
    """Write gauges that are there some steps later."""
    return {name: f"_x{steps} {values}" for name, values in series.items()}


TODAY = {"raised": "19700101"}
JOINED = {"raised": "19700104"}
WEEK = {"at": "5d", "step": "6h"}
# of 500 rows: a PSI of 1.1
WIND_PSI = 1.1
CALM = (248, 247, 5)
TWO_OF_FOUR = {
    **SHIFTED, **write_column("sky", 450, 45, 5), **write_column("rain", *CALM), **write_column("day", *CALM)
}  # fmt: skip
THREE_OF_EIGHT = {
    **SHIFTED, **write_column("sky", 450, 45, 5), **write_column("rain", 450, 45, 5),
    **{name: values for each in "abcde" for name, values in write_column(each, *CALM).items()},
}  # fmt: skip
SKY_ACKNOWLEDGED, RAIN_ACKNOWLEDGED = (
    write_late_gauge(write_acknowledgement(each, WIND_PSI), 8) for each in ("sky", "rain")
)

DRIFT = (
    expect_firing("FeatureDrift", "a bin holds nine tenths", SHIFTED, {**MINE, **TODAY}),
    expect_firing("FeatureDrift", "one ticket for two features",
        {**SHIFTED, **write_column("sky", 450, 45, 5)}, {**MINE, **TODAY}),
    expect_firing("FeatureDrift", "a drift that lasts is not raised again", SHIFTED, {**MINE, **TODAY},
        **WEEK),
    expect_firing("FeatureDrift", "a feature joins",
        {**SHIFTED, **write_later(write_column("sky", 450, 45, 5), 12)}, {**MINE, **JOINED}, **WEEK),
    expect_firing("FeatureDrift", "a feature grows", add_rows(SLIGHT, SHIFTED, 12), {**MINE, **JOINED},
        **WEEK),
    expect_firing("FeatureDrift", "more rows of the same drift are no growth", add_rows(SLIGHT, SLIGHT, 12),
        {**MINE, **TODAY}, **WEEK),
    expect_firing("FeatureDrift", "it lasts for longer than anybody remembers", repeat_rows(SHIFTED, 400),
        {**MINE, "raised": "earlier"}, at="95d", step="6h"),
    expect_firing("FeatureDrift", "it has grown beyond what was acknowledged",
        {**SHIFTED, **write_acknowledgement("wind", 0.4)}, {**MINE, **TODAY}),
    expect_firing("FeatureDrift", "another feature is acknowledged",
        {**SHIFTED, **write_column("sky", 450, 45, 5), **write_acknowledgement("sky", WIND_PSI)},
        {**MINE, **TODAY}),
    expect_silent("FeatureDrift", "it is acknowledged",
        {**SHIFTED, **write_acknowledgement("wind", WIND_PSI)}),
    expect_silent("FeatureDrift", "its values are missing: that is MissingValues",
        {**write_rows(500), **write_column("wind", 50, 50, 400)}),
    expect_silent("FeatureDrift", "as in training", STEADY),
    expect_silent("FeatureDrift", "too few rows", SHORT),
    expect_silent("FeatureDrift", "not the champion", replace_version(SHIFTED)),
    expect_silent("FeatureDrift", "the prediction alone", PREDICTED),
    expect_firing("PredictionDrift", "a bin holds nine tenths", PREDICTED, {**MINE, **TODAY}),
    expect_silent("PredictionDrift", "it is acknowledged",
        {**PREDICTED, **write_acknowledgement("prediction", WIND_PSI)}),
    expect_silent("PredictionDrift", "a feature alone",
        {**SHIFTED, **write_column("prediction", 248, 247, 5)}),
    expect_silent("PredictionDrift", "not the champion", replace_version(PREDICTED)),
    expect_firing("DataDrift", "one of two", {**SHIFTED, **write_column("sky", 248, 247, 5)}, MINE),
    expect_silent("DataDrift", "the one of two is acknowledged",
        {**SHIFTED, **write_column("sky", 248, 247, 5), **write_acknowledgement("wind", WIND_PSI)}),
    expect_silent("DataDrift", "one of four", {**SHIFTED, **HUNDRED_CALM}),
    expect_firing("DataDrift", "one of four is left of two", {**TWO_OF_FOUR, **SKY_ACKNOWLEDGED}, MINE,
        **WEEK),
    expect_silent("DataDrift", "one of eight is left of three",
        {**THREE_OF_EIGHT, **SKY_ACKNOWLEDGED, **RAIN_ACKNOWLEDGED}, **WEEK),
    expect_silent("DataDrift", "one of four is left for more than a week",
        {**TWO_OF_FOUR, **SKY_ACKNOWLEDGED}, at="12d", step="6h"),
    expect_silent("DataDrift", "too few rows", SHORT),
    expect_firing("MissingValues", "a fifth is missing", GAPS, {**MINE, **TODAY}),
    expect_firing("MissingValues", "one ticket for two features",
        {**GAPS, **write_column("sky", 200, 200, 100)}, {**MINE, **TODAY}),
    expect_firing("MissingValues", "a feature joins",
        {**GAPS, **write_later(write_column("sky", 200, 200, 100), 12)}, {**MINE, **JOINED}, **WEEK),
    expect_firing("MissingValues", "more are missing than was acknowledged",
        {**GAPS, **write_acknowledgement("wind", WIND_PSI, 0.08)}, {**MINE, **TODAY}),
    expect_silent("MissingValues", "it is acknowledged",
        {**GAPS, **write_acknowledgement("wind", WIND_PSI, 0.19)}),
    expect_silent("MissingValues", "as in training", STEADY),
    expect_silent("MissingValues", "four of a hundred more",
        {**write_rows(5000), **write_column("wind", 2375, 2375, 250)}),
    expect_silent("MissingValues", "no more than chance",
        {**write_rows(100), **write_column("wind", 35, 35, 30, missing=0.2)}),
    expect_silent("MissingValues", "rows that are alike", {**GAPS, **write_similar_rows(200)}),
    expect_silent("MissingValues", "not the champion", replace_version(GAPS)),
    expect_firing(
        "UnseenLevels", "one row in eleven", {**write_rows(500), **write_refused(50, "sky", "level")},
        {**MODEL, **DAY, "feature": "sky", "reason": "level"},
    ),
    expect_firing(
        "UnseenLevels", "all that came", write_refused(12, "sky", "level"),
        {**MODEL, **DAY, "feature": "sky", "reason": "level"},
    ),
    expect_silent("UnseenLevels", "a handful", {**write_rows(500), **write_refused(9, "sky", "level")}),
    expect_silent("UnseenLevels", "one in a thousand",
        {**write_rows(50_000), **write_refused(50, "sky", "level")}),
    expect_silent("UnseenLevels", "another reason", {**write_rows(500), **write_refused(50, "sky", "type")}),
    expect_firing(
        "RejectedValues", "a wrong type", {**write_rows(500), **write_refused(50, "wind", "type")},
        {**MODEL, **DAY, "feature": "wind", "reason": "type"},
    ),
    expect_firing(
        "RejectedValues", "an unknown field", {**write_rows(500), **write_refused(50, "", "unknown_field")},
        {**MODEL, **DAY, "reason": "unknown_field"},
    ),
    expect_silent("RejectedValues", "a handful", {**write_rows(500), **write_refused(9, "wind", "type")}),
    expect_silent("RejectedValues", "a level", {**write_rows(500), **write_refused(50, "sky", "level")}),
)  # fmt: skip


def write_truth(kind: str, **cells: float) -> dict[str, str]:
    """Rows by prediction and truth, such as no_yes=5."""
    metric, found = f"servicio_ml_{kind}_confusion_total", {}
    for cell, number in cells.items():
        predicted, actual = cell.split("_")
        name = format_series(metric, **MINE, **TARGET, predicted=predicted, actual=actual)
        found[name] = write_burst(number)
    return found


def write_intervals(rows: int, share: float, expected: float = 0.9) -> dict[str, str]:
    """Labelled rows of which a share lies in its interval; expected is that of the calibration rows."""
    counts = {"true": rows * share, "false": rows * (1 - share)}
    metric, level = "servicio_ml_interval_covered_total", {"level": "0.9"}
    series = {
        format_series(metric, **MINE, **TARGET, **level, covered=text): write_burst(round(count))
        for text, count in counts.items()
    }
    promised = "servicio_ml_interval_expected_covered_total"
    return {
        **series,
        format_series(promised, **MINE, **TARGET, **level): write_burst(expected * rows),
        **write_similar_rows(1),
        **write_champion(),
    }


def write_outliers(rows: int, share: float, expected: float = 0.01) -> dict[str, str]:
    """Rows of which a share are outliers; expected is that of the training rows."""
    counts, metric = {"true": rows * share, "false": rows * (1 - share)}, "servicio_ml_outliers_total"
    series = {
        format_series(metric, **MINE, **TARGET, outlier=text): write_burst(round(count))
        for text, count in counts.items()
    }
    promised = format_series("servicio_ml_outlier_expected_ratio", **MINE, **TARGET)
    return {**series, promised: repeat_value(expected), **write_similar_rows(1), **write_champion()}


def write_later_outliers(before: float, share: float) -> dict[str, str]:
    """100 rows each 6 hours, of which a share are outliers for ten days, and another one on the next day."""
    series = write_outliers(0, 0)
    for text, earlier, later in (("true", before, share), ("false", 1 - before, 1 - share)):
        old, new = round(100 * earlier), round(100 * later)
        name = format_series("servicio_ml_outliers_total", **MINE, **TARGET, outlier=text)
        series[name] = f"0+{old}x40 {40 * old + new}+{new}x8"
    return series


def write_groups(positives: int, rows: int = 1000, limit: float = 0.1) -> dict[str, str]:
    """Rows of two groups, a tenth of the women answered positive, and this number of men; half are."""
    named, series = {"segment": "sex"}, dict[str, str]()
    for value, selected in (("female", rows // 10), ("male", positives)):
        for predicted, number in (("yes", selected), ("no", rows - selected)):
            for actual in ("no", "yes"):
                labels = {**named, "value": value, "predicted": predicted, "actual": actual}
                for kind in ("expected", "realised"):
                    metric = f"servicio_ml_segment_{kind}_confusion_total"
                    series[format_series(metric, **MINE, **TARGET, **labels)] = write_burst(number / 2)
    for figure in ("selection_rate", "tpr", "fpr"):
        name = format_series("servicio_ml_fairness_limit", **MINE, **TARGET, **named, figure=figure)
        series[name] = repeat_value(limit)
    positive = format_series("servicio_ml_protected", **MINE, **TARGET, **named, label="yes")
    return {**series, positive: repeat_value(1), **write_similar_rows(1), **write_champion()}


def limit(metric: str, value: float) -> dict[str, str]:
    name = format_series("servicio_ml_performance_limit", **MINE, **TARGET, metric=metric, season="all")
    return {name: repeat_value(value), **write_champion()}


def write_errors(number: float, mean: float, deviation: float = 1, prefix: str = "") -> dict[str, str]:
    """Errors of rows; without a deviation, of a server that does not count squares."""
    squares, start = number * (mean**2 + deviation**2), f"servicio_ml_{prefix}"
    counted = {format_series(f"{start}squared_error_total", **MINE, **TARGET): write_burst(squares)}
    return {
        **(counted if deviation else {}),
        **write_similar_rows(1),
        format_series(f"{start}absolute_error_sum", **MINE, **TARGET): write_burst(number * mean),
        format_series(f"{start}absolute_error_count", **MINE, **TARGET): write_burst(number),
    }


def build_performance_cases(alert: str, kind: str) -> tuple[Case, ...]:
    """What both performances have in common."""
    often_wrong = {**write_rows(500), **write_truth(kind, no_no=250, no_yes=150, yes_no=50, yes_yes=50)}
    right = {**write_rows(500), **write_truth(kind, no_no=400, no_yes=20, yes_no=20, yes_yes=60)}
    few = {**write_rows(99), **write_truth(kind, no_no=1, no_yes=49, yes_no=49)}
    chance = {**write_rows(100), **write_truth(kind, no_no=70, yes_no=30)}
    rare = {**write_rows(500), **write_truth(kind, no_no=410, no_yes=80, yes_yes=10)}
    close = {**write_rows(500), **write_truth(kind, no_no=190, no_yes=60, yes_no=60, yes_yes=190)}
    common = {**write_rows(1000), **write_truth(kind, no_no=500, no_yes=400, yes_yes=100)}
    one_of_two = {**write_rows(500), **write_truth(kind, no_no=480, yes_no=20)}
    alike = write_similar_rows(60)
    accuracy, f1 = limit("accuracy", 0.8), limit("f1_macro", 0.8)
    return (
        expect_firing(alert, "accuracy", {**often_wrong, **accuracy}, {**MINE, **DAY, "metric": "accuracy"}),
        expect_firing(alert, "F1", {**common, **f1}, {**MINE, **DAY, "metric": "f1_macro"}),
        expect_silent(alert, "right enough", {**right, **accuracy}),
        expect_silent(alert, "too few labels", {**few, **accuracy, **f1}),
        expect_silent(alert, "no more than chance", {**chance, **accuracy}),
        expect_silent(alert, "rows that are alike", {**often_wrong, **accuracy, **alike}),
        expect_silent(alert, "F1 no more than chance", {**close, **f1}),
        expect_firing(
            alert,
            "F1 more than chance",
            {**close, **limit("f1_macro", 0.83)},
            {**MINE, **DAY, "metric": "f1_macro"},
        ),
        expect_silent(alert, "F1 of rows that are alike", {**common, **f1, **alike}),
        expect_silent(alert, "F1 of a rare class", {**rare, **f1}),
        expect_silent(alert, "F1 of a class that never came", {**one_of_two, **f1}),
        expect_silent(alert, "not the champion", replace_version({**often_wrong, **accuracy, **f1})),
    )


def build_error_cases(alert: str, prefix: str) -> tuple[Case, ...]:
    """Cases that realised and expected errors have in common."""
    return (
        expect_firing(
            alert,
            "absolute error",
            {**write_errors(100, 21, 1, prefix), **limit("mae", 20)},
            {**MINE, **DAY, "metric": "mae"},
        ),
        expect_silent(
            alert, "an error no larger than chance", {**write_errors(100, 21, 4, prefix), **limit("mae", 20)}
        ),
        expect_firing(
            alert,
            "an error larger than chance",
            {**write_errors(100, 21, 3, prefix), **limit("mae", 20)},
            {**MINE, **DAY, "metric": "mae"},
        ),
        expect_silent(
            alert,
            "errors of rows that are alike",
            {**write_errors(100, 21, 3, prefix), **limit("mae", 20), **write_similar_rows(2)},
        ),
        expect_firing(
            alert,
            "errors without squares",
            {**write_errors(100, 21, 0, prefix), **limit("mae", 20)},
            {**MINE, **DAY, "metric": "mae"},
        ),
        expect_silent(alert, "small error", {**write_errors(100, 19, 1, prefix), **limit("mae", 20)}),
        expect_silent(alert, "few errors", {**write_errors(99, 50, 1, prefix), **limit("mae", 20)}),
    )


def write_coverage(before: float, after: float, rows: str = "0+200x80") -> dict[str, str]:
    """Labels of 6 hours, in the first week and then."""
    metric = "servicio_ml_realised_confusion_total"
    name = format_series(metric, **MINE, **TARGET, predicted="no", actual="no")
    return {
        format_series("servicio_ml_season_observations_total", **MINE, **TARGET, season="all"): rows,
        name: f"0+{before}x28 {before * 28 + after}+{after}x50",
    }


def write_registered(days_ago: float) -> dict[str, str]:
    metric = "servicio_ml_champion_registered_timestamp_seconds"
    return {format_series(metric, **MINE, **TARGET): repeat_value(-days_ago * 86400)}


def write_segment(
    rows: float,
    loss: float,
    reference: float,
    *,
    squares: float = 0.0,
    variance: float = 0.0,
    effect: float = 1,
) -> dict[str, str]:
    """Ground truth of one value: `loss` wrong rows of `rows`, or the sum of their absolute errors.

    Its error rate was `reference` on 2,000 unseen rows; of numbers the mean error, with a variance.
    """
    value = {**MINE, "segment": "site", "value": "Perth"}
    series = {
        format_series(f"servicio_ml_segment_{name}", **value, **TARGET): values
        for name, values in {
            "labels_total": write_burst(rows),
            "loss_total": write_burst(loss),
            "reference_rows": repeat_value(2000),
            "reference_loss": repeat_value(reference),
            "loss_limit": repeat_value(reference * 1.25 if variance else reference + 0.05),
        }.items()
    }
    if variance:
        name = format_series("servicio_ml_segment_squared_loss_total", **value, **TARGET)
        series[name] = write_burst(squares)
        name = format_series("servicio_ml_segment_reference_variance", **value, **TARGET)
        series[name] = repeat_value(variance)
    effects = format_series("servicio_ml_segment_design_effect", **MINE, **TARGET, segment="site")
    deviations = format_series("servicio_ml_segment_deviations", **MINE, **TARGET)
    return {
        **series, effects: repeat_value(effect), deviations: repeat_value(4.6), **write_champion()
    }  # fmt: skip


PERTH = tuple({**MINE, "segment": "site", "value": "Perth", "window": window} for window in SEGMENT_WINDOWS)
UNFAIR = tuple(
    {**MINE, "segment": "sex", "figure": figure, "window": window}
    for figure in ("selection_rate", "tpr", "fpr")
    for window in SEGMENT_WINDOWS
)
SEGMENTS = (
    expect_firing("FairnessLimitBroken", "four of ten men, one of ten women", write_groups(400), *UNFAIR),
    expect_silent("FairnessLimitBroken", "no more than the limit", write_groups(190)),
    expect_silent("FairnessLimitBroken", "no more than chance", write_groups(250, limit=0.1)),
    expect_silent("FairnessLimitBroken", "few rows", write_groups(90, rows=90)),
    expect_silent(
        "FairnessLimitBroken", "rows that are alike", {**write_groups(300), **write_similar_rows(50)}
    ),
    expect_silent("FairnessLimitBroken", "a wide limit", write_groups(300, limit=0.5)),
    expect_silent("FairnessLimitBroken", "not the champion", replace_version(write_groups(300))),
    expect_firing("SegmentPerformanceLow", "many wrong", write_segment(117, 43, 0.15), *PERTH),
    expect_silent("SegmentPerformanceLow", "no more than chance", write_segment(117, 34, 0.15)),
    expect_silent("SegmentPerformanceLow", "as many as ever", write_segment(117, 18, 0.15)),
    expect_silent("SegmentPerformanceLow", "none wrong", write_segment(117, 0, 0.15)),
    expect_silent("SegmentPerformanceLow", "rows that are alike", write_segment(117, 43, 0.15, effect=2)),
    expect_silent("SegmentPerformanceLow", "a loss that does not matter", write_segment(50_000, 9_500, 0.15)),
    expect_firing("SegmentPerformanceLow", "all of a few wrong", write_segment(20, 20, 0.15), *PERTH),
    expect_silent("SegmentPerformanceLow", "too few", write_segment(19, 19, 0.15)),
    expect_silent("SegmentPerformanceLow", "not the champion", replace_version(write_segment(117, 43, 0.15))),
    expect_firing(
        "SegmentPerformanceLow",
        "large errors",
        write_segment(117, 187, 1.0, squares=600, variance=0.64),
        *PERTH,
    ),
    expect_silent(
        "SegmentPerformanceLow",
        "errors no larger than by chance",
        write_segment(117, 152, 1.0, squares=400, variance=0.64),
    ),
    expect_silent(
        "SegmentPerformanceLow",
        "one huge error",
        write_segment(117, 187, 1.0, squares=7000, variance=0.64),
    ),
)
FORTNIGHT = {"at": "15d", "step": "6h"}
AFTER_TEN_DAYS = {"at": "11d", "step": "6h"}
MODELS = (
    *build_performance_cases("PerformanceLow", "realised"),
    *build_performance_cases("ExpectedPerformanceLow", "expected"),
    *build_error_cases("PerformanceLow", ""),
    *build_error_cases("ExpectedPerformanceLow", "expected_"),
    expect_silent("PerformanceLow", "expected errors",
        {**write_errors(100, 21, 1, "expected_"), **limit("mae", 20)}),
    expect_silent("ExpectedPerformanceLow", "realised errors", {**write_errors(100, 21), **limit("mae", 20)}),
    expect_firing("IntervalCoverageWrong", "too few", write_intervals(500, 0.8), {**MINE, **DAY}),
    expect_firing("IntervalCoverageWrong", "too wide", write_intervals(1000, 0.99), {**MINE, **DAY}),
    expect_firing("IntervalCoverageWrong", "none covered", write_intervals(100, 0), {**MINE, **DAY}),
    expect_silent("IntervalCoverageWrong", "as often as on the calibration rows", write_intervals(500, 0.9)),
    expect_silent("IntervalCoverageWrong", "no more than chance", write_intervals(500, 0.87)),
    expect_silent("IntervalCoverageWrong", "a difference that does not matter",
        write_intervals(100_000, 0.885)),
    expect_silent("IntervalCoverageWrong", "sets of sure rows cover more", write_intervals(500, 0.96, 0.96)),
    expect_silent("IntervalCoverageWrong", "few rows", write_intervals(98, 0.5)),
    expect_silent("IntervalCoverageWrong", "rows that are alike",
        {**write_intervals(500, 0.8), **write_similar_rows(30)}),
    expect_silent("IntervalCoverageWrong", "not the champion", replace_version(write_intervals(500, 0.8))),
    expect_firing("OutlierShareHigh", "one of ten", write_outliers(1000, 0.1), {**MINE, **DAY}),
    expect_firing("OutlierShareHigh", "all of few", write_outliers(100, 1), {**MINE, **DAY}),
    expect_firing("OutlierShareHigh", "more than before", write_later_outliers(0.2, 0.5),
        {**MINE, **DAY}, **AFTER_TEN_DAYS),
    expect_silent("OutlierShareHigh", "as many as before", write_later_outliers(0.2, 0.2), **AFTER_TEN_DAYS),
    expect_silent("OutlierShareHigh", "as many as training rows", write_outliers(1000, 0.01)),
    expect_silent("OutlierShareHigh", "no more than chance", write_outliers(100, 0.03)),
    expect_silent("OutlierShareHigh", "an excess that does not matter", write_outliers(100_000, 0.025)),
    expect_silent("OutlierShareHigh", "few rows", write_outliers(90, 1)),
    expect_silent("OutlierShareHigh", "rows that are alike",
        {**write_outliers(1000, 0.1), **write_similar_rows(200)}),
    expect_silent("OutlierShareHigh", "not the champion", replace_version(write_outliers(1000, 0.1))),
    expect_silent("PerformanceLow", "no labels", {**write_rows(500), **limit("accuracy", 0.8)}),
    expect_firing("LabelCoverageLow", "labels stop", write_coverage(160, 0), MODEL, **FORTNIGHT),
    expect_silent("LabelCoverageLow", "labels go on", write_coverage(160, 140), **FORTNIGHT),
    expect_silent("LabelCoverageLow", "labels never came", write_coverage(0, 0), **FORTNIGHT),
    expect_silent("LabelCoverageLow", "no traffic", write_coverage(160, 0, "0+200x28 5600+0x50"),
        **FORTNIGHT),
    expect_firing("ChampionStale", "a year old", write_registered(365), MINE),
    expect_silent("ChampionStale", "a month old", write_registered(30)),
    expect_firing("ModelQuarantined", "it is", write_gauge("servicio_ml_quarantined", 1), MODEL),
    expect_silent("ModelQuarantined", "it is not", write_gauge("servicio_ml_quarantined", 0)),
    expect_firing("RetrainingRejected", "just now", write_gauge(REJECTED_AT, 0), MODEL),
    expect_silent("RetrainingRejected", "hours ago", write_gauge(REJECTED_AT, -7200)),
    expect_firing("RetrainingBudgetSpent", "none left",
        write_gauge("servicio_ml_retraining_budget_remaining", 0), MODEL),
    expect_silent("RetrainingBudgetSpent", "one left",
        write_gauge("servicio_ml_retraining_budget_remaining", 1)),
)  # fmt: skip


def write_requests(
    per_minute: float, status: str, route: str = "/predict", minutes: int = 400
) -> dict[str, str]:
    names = {**TARGET, "method": "POST", "route": route, "status": status}
    return {format_series("http_requests_total", **names): f"0+{per_minute}x{minutes}"}


def write_latencies(
    per_minute: float, fast: float, route: str = "/predict", minutes: int = 400
) -> dict[str, str]:
    """Requests, and how many of them took no longer than the objective."""
    names = {**TARGET, "method": "POST", "route": route}
    return {
        format_series("http_request_duration_seconds_count", **names): f"0+{per_minute}x{minutes}",
        format_series("http_request_duration_seconds_bucket", **names, le="0.1"): f"0+{fast}x{minutes}",
    }


def write_lost(values: str) -> dict[str, str]:
    return {
        format_series("servicio_ml_prediction_log_dropped_total", **MODEL, **TARGET): values,
        format_series("up", **TARGET): repeat_value(1),
    }


def write_unloaded(values: str) -> dict[str, str]:
    return {
        format_series("servicio_ml_model_load_failures_total", **MODEL, **TARGET): values,
        format_series("up", **TARGET): repeat_value(1),
    }


def write_worker(up: int, champion: str) -> dict[str, str]:
    version = {**MODEL, "version": "4"}
    return {
        format_series("servicio_ml_model_worker_up", **version, **TARGET): repeat_value(up),
        format_series("servicio_ml_model_info", **MODEL, **TARGET, version=champion): repeat_value(1),
    }


def write_worker_failures(values: str) -> dict[str, str]:
    labels = {**MODEL, **TARGET, "version": "4", "reason": "timeout"}
    return {
        format_series("servicio_ml_model_worker_failures_total", **labels): values,
        format_series("up", **TARGET): repeat_value(1),
    }


def write_rollout(state: str, at: float, by: str = "program") -> dict[str, str]:
    """Write the last change of a rollout, as two servers export it."""
    labels = {"champion": "3", "challenger": "4", "state": state, "share": "0.25", "by": by}
    return write_gauge("servicio_ml_rollout_changed_timestamp_seconds", at, **labels)


def write_deadline(at: float) -> dict[str, str]:
    return write_gauge("servicio_ml_rollout_deadline_timestamp_seconds", at, state="ramping")


def write_up(instance: str, values: str) -> dict[str, str]:
    return {format_series("up", instance=instance, job="servicio-ml"): values}


FINE = write_requests(100, "200")
SERVER = {"job": "servicio-ml"}
ROLLED_OUT = {**MODEL, "champion": "3", "challenger": "4"}
DAY_SECONDS = 86_400
SERVICE = (
    expect_firing("ServerDown", "the only one", write_up("a", repeat_value(0)), SERVER),
    expect_firing("ServerDown", "gone from the discovery", write_up("a", "1+0x10"), SERVER),
    expect_silent("ServerDown", "one of two", {**write_up("a", repeat_value(0)), **write_up("b",
        repeat_value(1))}),
    expect_silent("ServerDown", "gone for good", write_up("a", "1+0x10"), at="90m"),
    expect_firing("ModelNotReady", "nowhere", write_gauge("servicio_ml_model_ready", 0), MODEL),
    expect_silent(
        "ModelNotReady", "in one of two",
        {
            format_series("servicio_ml_model_ready", **MODEL, instance="a"): repeat_value(0),
            format_series("servicio_ml_model_ready", **MODEL, instance="b"): repeat_value(1),
        },
    ),
    expect_firing("ErrorBudgetBurn", "three of a hundred fail", {**FINE, **write_requests(3, "503")}, {}),
    expect_firing("ErrorBudgetBurn", "all of a few fail", write_requests(1, "500"), {}),
    expect_firing("ErrorBudgetBurn", "0.9 % fail for hours", {**FINE, **write_requests(0.9, "500")}, {},
        at="6h"),
    expect_silent("ErrorBudgetBurn", "none fails", FINE),
    expect_silent("ErrorBudgetBurn", "the client's fault",
        {**FINE, **write_requests(50, "422"), **write_requests(9, "429")}),
    expect_silent("ErrorBudgetBurn", "one failure",
        {format_series("http_requests_total", status="500"): write_burst(1)}),
    expect_silent("ErrorBudgetBurn", "probes", {**FINE, **write_requests(100, "503", "/health/ready")}),
    expect_silent(
        "ErrorBudgetBurn", "it is over",
        {**FINE, format_series("http_requests_total", **TARGET, status="500"): "0+20x10 200+0x400"},
        at="60m",
    ),
    expect_firing("ErrorBudgetBurnSlow", "0.4 % fail", {**FINE, **write_requests(0.4, "500")}, {}, at="3h"),
    expect_silent("ErrorBudgetBurnSlow", "0.05 % fail", {**FINE, **write_requests(0.05, "500")}, at="6h"),
    expect_firing("LatencyBudgetBurn", "a fifth is slow", write_latencies(100, 80), {}),
    expect_silent("LatencyBudgetBurn", "one in a hundred is slow", write_latencies(100, 99)),
    expect_silent("LatencyBudgetBurn", "batches are slow", write_latencies(100, 0, "/predict/batch")),
    expect_silent("LatencyBudgetBurn", "a few are slow", write_latencies(0.2, 0)),
    expect_firing("LatencyBudgetBurnSlow", "one in twenty is slow", write_latencies(100, 95), {}, at="3h"),
    expect_silent("LatencyBudgetBurnSlow", "one in two hundred is slow", write_latencies(200, 199), at="6h"),
    expect_firing("PredictionsLost", "the first of all", write_lost("_x5 1+0x200"), MODEL, at="10m"),
    expect_silent("PredictionsLost", "long ago", write_lost("_x5 1+0x200"), at="40m"),
    expect_silent("PredictionsLost", "none", write_lost(repeat_value(0))),
    expect_firing(
        "PredictionLogBacklog", "of two servers",
        {format_series("servicio_ml_prediction_log_pending",
            instance=each): repeat_value(6_000) for each in "ab"}, {},
    ),
    expect_silent(
        "PredictionLogBacklog", "it drains",
        {format_series("servicio_ml_prediction_log_pending", **TARGET): "20000+0x5 100+0x200"},
    ),
    expect_firing("StreamLagging", "thousands wait", write_gauge("servicio_ml_stream_lag", 5_000), MODEL),
    expect_silent("StreamLagging", "some wait", write_gauge("servicio_ml_stream_lag", 500)),
    expect_firing("ModelLoadFailing", "again and again", write_unloaded("0+1x200"), MODEL),
    expect_silent("ModelLoadFailing", "long ago", write_unloaded("0+1x5 5+0x200")),
    expect_firing("ModelWorkerDown", "the champion's", write_worker(0, "4"), {**MODEL, "version": "4"}),
    expect_silent("ModelWorkerDown", "a replaced version's", write_worker(0, "5")),
    expect_silent("ModelWorkerDown", "it runs", write_worker(1, "4")),
    expect_firing("ModelWorkerFailing", "again and again", write_worker_failures("0+1x200"), MODEL),
    expect_silent("ModelWorkerFailing", "once", write_worker_failures("0+0x10 1+0x200")),
    expect_firing("RolloutRolledBack", "just now", write_rollout("rolled_back", 0), ROLLED_OUT),
    expect_silent("RolloutRolledBack", "days ago", write_rollout("rolled_back", -2 * DAY_SECONDS)),
    expect_silent("RolloutRolledBack", "it goes on", write_rollout("ramping", 0)),
    expect_silent("RolloutRolledBack", "a person has ended it", write_rollout("aborted", 0, "person")),
    expect_firing("RolloutAborted", "by the program", write_rollout("aborted", 0), ROLLED_OUT),
    expect_silent("RolloutAborted", "by a person", write_rollout("aborted", 0, "person")),
    expect_silent("RolloutAborted", "days ago", write_rollout("aborted", -2 * DAY_SECONDS)),
    expect_firing("RolloutStuck", "paused for days", write_rollout("paused", -2 * DAY_SECONDS, "person"),
        {**MODEL, "state": "paused"}),
    expect_silent("RolloutStuck", "paused for a while", write_rollout("paused", 0, "person")),
    expect_firing("RolloutStuck", "the registry does not move", write_rollout("promoting", -900),
        {**MODEL, "state": "promoting"}),
    expect_silent("RolloutStuck", "promoted just now", write_rollout("promoting", 600)),
    expect_firing("RolloutStuck", "nobody judges it", {**write_rollout("ramping", -9000),
        **write_deadline(-900)}, {**MODEL, "state": "ramping"}),
    expect_silent("RolloutStuck", "before its deadline", {**write_rollout("ramping", -9000),
        **write_deadline(9000)}),
    expect_firing("RollbackStuck", "the registry does not move", write_rollout("rolling_back", 0),
        ROLLED_OUT),
    expect_silent("RollbackStuck", "just now", write_rollout("rolling_back", 1500)),
    expect_silent("RollbackStuck", "it is back", write_rollout("rolled_back", 0)),
)  # fmt: skip


def step(name: str, *, failures: str = "", succeeded: str = "") -> dict[str, str]:
    """A pipeline step of a use case: its failures, and the time of its last success."""
    names = {"step": name, "use_case": "rain", **STATSD}
    series = {format_series("up", **STATSD): repeat_value(1)}
    if failures:
        series[format_series("servicio_ml_pipeline_runs_total", **names, outcome="failure")] = failures
    if succeeded:
        series[format_series("servicio_ml_pipeline_success_timestamp_seconds", **names)] = succeeded
    return series


def write_decisions(rejected: str, promoted: str) -> dict[str, str]:
    metric, names = "servicio_ml_promotions_total", {"use_case": "rain", **STATSD}
    return {
        format_series("up", **STATSD): repeat_value(1),
        format_series(metric, **names, decision="rejected"): rejected,
        format_series(metric, **names, decision="promoted"): promoted,
    }


def build_step_cases(name: str, title: str, late: float) -> tuple[Case, ...]:
    """What the three steps have in common; `late` in days."""
    mine = {"step": name, "use_case": "rain", **MODEL}
    failure, day = "_x10 1+0x200", 86400
    failed, too_late = f"{title}Failed", f"{title}Late"

    def write_success(values: str, failures: str = "") -> dict[str, str]:
        return step(name, failures=failures, succeeded=values)

    overdue = -late * day - 1
    after = {"at": "60m"}
    return (
        expect_firing(failed, "the first run", step(name, failures=failure), mine, **after),
        expect_firing(failed, "the latest run", write_success(repeat_value(-day), failure), mine, **after),
        expect_firing(failed, "the exporter starts anew", step(name, failures="_x10 1+0x10"), mine, **after),
        expect_silent(failed, "the retry succeeds", write_success("_x20 1200+0x200", failure), **after),
        expect_silent(
            failed, "the retry succeeds at once", write_success("_x10 595+0x200", failure), **after
        ),
        expect_silent(failed, "no failure", write_success(repeat_value(0)), **after),
        expect_firing(too_late, "long ago", write_success(repeat_value(overdue)), mine, **after),
        expect_firing(too_late, "the exporter starts anew", write_success(f"{overdue}+0x10"), mine, **after),
        expect_silent(too_late, "lately", write_success(repeat_value(-(late - 1) * day)), **after),
        expect_silent(too_late, "it never ran", step(name, failures=failure), **after),
        expect_silent(too_late, "given up", write_success(repeat_value(-91 * day)), **after),
    )


RAIN = {"use_case": "rain", **MODEL}
PIPELINES = (
    *build_step_cases("etl", "Etl", 35),
    *build_step_cases("train", "Training", 35),
    *build_step_cases("report", "DriftReport", 2),
    expect_firing("PromotionsRejected", "three times", write_decisions("0 1 1 2 2 3+0x200", "0+0x200"), RAIN),
    expect_firing("PromotionsRejected", "from the first on", write_decisions("_ 1 1 2 2 3+0x200", "_"), RAIN),
    expect_firing("PromotionsRejected", "after a promotion",
        write_decisions("2 2 3 4 5+0x200", "0 1 1 1+0x200"), RAIN),
    expect_firing("PromotionsRejected", "the exporter starts anew",
        write_decisions("0 1 2 _x9 1+0x200", "0 0 0"), RAIN),
    expect_silent("PromotionsRejected", "twice", write_decisions("0 1 1 2+0x200", "0+0x200")),
    expect_silent("PromotionsRejected", "a promotion in between",
        write_decisions("0 1 2 2 3+0x200", "0 0 0 1+0x200")),
)  # fmt: skip

CASES = (*DRIFT, *MODELS, *SEGMENTS, *SERVICE, *PIPELINES)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.why}")
def test_an_alert(case: Case, tmp_path: Path) -> None:
    alert = ALERTS[case.alert]
    wanted = select_groups(case)
    state = {"alertname": alert.name, "alertstate": "firing"}
    common = {**state, "severity": alert.severity, "cause": alert.cause}
    query = format_series("ALERTS", **state)
    # segments have no shorter windows
    if case not in SEGMENTS:
        query += ' unless ALERTS{window=~"7d|30d"}'
    samples = {format_series("ALERTS", **common, **each): 1.0 for each in case.firing}
    expected = Expected(query=query, at=case.at, samples=samples)
    assert run(wanted, case.series, [expected], tmp_path) == ""


def select_groups(case: Case) -> list[RuleGroup]:
    """The alert's group, with the one whose records it reads."""
    found = {each.name: each for each in build_groups(case.step)}
    group = found[GROUPS[case.alert]]
    return [found["drift"], group] if group.name == "models" else [group]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_cases_of_both_kinds(name: str) -> None:
    mine = [case for case in CASES if case.alert == name]
    assert any(case.firing for case in mine), "none in which it fires"
    assert any(not case.firing for case in mine), "none in which it is silent"


@pytest.mark.parametrize("name", ALERTS)
def test_the_words_of_an_alert_name_labels_that_it_has(name: str) -> None:
    alert = ALERTS[name]
    text = "".join(alert.to_document()["annotations"].values())
    used = set(re.findall(r"\$labels\.(\w+)", text))
    given = [
        set(each) | {"severity", "cause"} for case in CASES if case.alert == name for each in case.firing
    ]
    # a field that the model does not know has no name of a feature
    assert all(used - {"feature"} <= each for each in given)


def test_every_alert_of_a_model_bears_its_name() -> None:
    without = {case.alert for case in CASES for each in case.firing if "model" not in each}
    assert without == {
        "ServerDown", "ErrorBudgetBurn", "ErrorBudgetBurnSlow", "LatencyBudgetBurn", "LatencyBudgetBurnSlow",
        "PredictionLogBacklog",
    }  # fmt: skip


def test_pages_are_about_what_a_prediction_is_worth() -> None:
    assert {alert.name for alert in ALERTS.values() if alert.severity == "page"} == {
        "ServerDown", "ModelNotReady", "ErrorBudgetBurn", "LatencyBudgetBurn", "PredictionsLost",
        "PerformanceLow", "ExpectedPerformanceLow", "ModelWorkerDown", "RollbackStuck",
    }  # fmt: skip
