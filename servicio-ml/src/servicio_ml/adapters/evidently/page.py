"""The page of a drift report: our tables, then Evidently's sections with our PSI, thresholds and verdicts.

Evidently computes other bins and ignores the size of a window, so its own population stability index (PSI)
would contradict the server and the alerts. A statistical test registered with it returns our PSI.
"""

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from servicio_ml.features.comparison import LabelledSample, ReportPage, WindowComparison
from servicio_ml.features.output import OutputTransform
from servicio_ml.features.window_drift import DriftColumn

os.environ["DO_NOT_TRACK"] = "1"  # Evidently reads it before it sends usage statistics
with warnings.catch_warnings():
    # of the libraries that it uses
    warnings.simplefilter("ignore")
    from evidently import Dataset, Report
    from evidently.core.container import MetricContainer
    from evidently.core.metric_types import render_widgets
    from evidently.core.report import Snapshot
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType
    from evidently.legacy.renderers.html_widgets import group_widget
    from evidently.presets import ClassificationPreset, DataDriftPreset, DataSummaryPreset, RegressionPreset

    from servicio_ml.adapters.evidently.frames import (
        BINARY,
        build_dataset,
        build_prediction_dataset,
        build_quality_dataset,
        build_rows,
    )

TEST_NAME = "servicio_ml_psi"
PREDICTION = "prediction"
CONTENT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
"""Content-Security-Policy: the page loads nothing from elsewhere."""


def render_page(comparison: WindowComparison, head: str) -> ReportPage:
    """Render the page of a comparison below our tables in `head`."""
    with _suppress_warnings():
        sections = dict(_build_sections(comparison))
        groups = [
            group_widget(title=title, widgets=snapshot._widgets)  # noqa: SLF001  Evidently has no public accessor
            for title, snapshot in sections.items()
        ]
        html = render_widgets(groups)
        document = {title: _parse_json(snapshot.json()) for title, snapshot in sections.items()}
    return ReportPage(html=_complete_document(html, head), document=document)


def _build_sections(comparison: WindowComparison) -> Iterator[tuple[str, Snapshot]]:
    schema = comparison.schema
    now, then = (build_rows(schema, each) for each in (comparison.rows, comparison.reference_rows))
    usable = _select_usable(comparison, now, then)
    if usable:
        names = [each.name for each in usable]
        both = (build_dataset(schema, now, names), build_dataset(schema, then, names))
        yield "Drift of the features", _run_preset(_build_drift_preset(usable), *both)
    if _has_shift(comparison.drift.prediction):
        yield "Drift of the prediction", _run_prediction_drift(comparison)
    if comparison.quality is not None and _has_all_classes(comparison, comparison.quality):
        yield "Quality where ground truth is known", _run_quality(comparison, comparison.quality)
    every = (build_dataset(schema, frame, schema.field_names) for frame in (now, then))
    yield "Summary of the rows", _run_preset(DataSummaryPreset(), *every)


def _select_usable(comparison: WindowComparison, now: pd.DataFrame, then: pd.DataFrame) -> list[DriftColumn]:
    """Select the evaluated columns that Evidently can handle."""
    # it has no drift test for dates, and fails on a column that has no value on either side
    dates = set(now.select_dtypes("datetime"))
    return [
        each for each in comparison.drift.features
        if _has_shift(each) and each.name in comparison.schema.field_names and each.name not in dates
        and now[each.name].notna().any() and then[each.name].notna().any()
    ]  # fmt: skip


def _run_prediction_drift(comparison: WindowComparison) -> Snapshot:
    current, reference = (
        build_prediction_dataset(PREDICTION, comparison.output, each)
        for each in (comparison.answers, comparison.reference_answers)
    )
    return _run_preset(_build_drift_preset([comparison.drift.prediction]), current, reference)


def _run_quality(comparison: WindowComparison, quality: LabelledSample) -> Snapshot:
    real, tested = (
        build_quality_dataset(comparison.output, each) for each in (quality, comparison.reference_quality)
    )
    return _run_preset(_build_quality_preset(comparison.output), real, tested)


def _build_quality_preset(output: OutputTransform) -> MetricContainer:
    if not output.labels:
        return RegressionPreset()
    # Evidently classifies by the probability, so it needs the threshold of the model
    return ClassificationPreset(probas_threshold=output.threshold if output.task == BINARY else None)


def _build_drift_preset(columns: Sequence[DriftColumn]) -> DataDriftPreset:
    _register_test({each.name: each for each in columns})
    return DataDriftPreset(
        columns=[each.name for each in columns],
        per_column_method=dict.fromkeys((each.name for each in columns), TEST_NAME),
        per_column_threshold={each.name: each.shift.threshold for each in columns if each.shift},
        drift_share=1 / len(columns),  # one drifted column is drift, as in our verdict
        include_tests=False,
    )


def _register_test(columns: Mapping[str, DriftColumn]) -> None:
    """Register the test that returns our PSI; it finds the column by the name of the values."""

    def return_psi(reference: Any, current: Any, kind: ColumnType, threshold: float) -> tuple[float, bool]:  # noqa: ARG001  the signature that Evidently calls
        shift = columns[str(current.name)].shift
        return (shift.psi, shift.drifted) if shift else (0.0, False)

    test = StatTest(
        name=TEST_NAME, display_name="PSI of all rows",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
    )  # fmt: skip
    register_stattest(test, default_impl=return_psi)


def _run_preset(preset: MetricContainer, now: Dataset, then: Dataset) -> Snapshot:
    return Report([preset]).run(now, then)


def _has_shift(column: DriftColumn) -> bool:
    return column.shift is not None


def _has_all_classes(comparison: WindowComparison, quality: LabelledSample) -> bool:
    """Whether the truth has every class: Evidently fails otherwise."""
    classes = len(comparison.output.labels)
    return all(
        not classes or len(np.unique(each.truth)) == classes
        for each in (quality, comparison.reference_quality)
    )


def _complete_document(html: str, head: str) -> str:
    policy = f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY}">'
    title = "<title>Drift report</title>"
    before, _, after = html.lstrip().partition("<head>")
    start, _, rest = after.partition("<body>")
    return f"{before}<head>{policy}{title}{start}<body>{head}{rest}"


def _parse_json(text: str) -> Any:
    """Parse JSON; NaN and infinities become None."""
    return json.loads(text, parse_constant=lambda _: None)


@contextmanager
def _suppress_warnings() -> Iterator[None]:
    """Suppress warnings of libraries that divide by zero for a constant column or a single row."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
