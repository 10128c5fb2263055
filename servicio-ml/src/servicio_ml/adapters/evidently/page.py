"""The page: Evidently's sections, each with our own index, threshold and verdict, and our tables before them.

Evidently bins anew and knows nothing of a window's size, so that its own PSI would contradict what the server
and the alerts say. It lets a statistical test be registered: ours gives the index that was judged.
"""

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from servicio_ml.features.comparison import Comparison, Judged, Page
from servicio_ml.features.drift import Column
from servicio_ml.features.output import Output

os.environ["DO_NOT_TRACK"] = "1"  # read whenever Evidently would send something home
with warnings.catch_warnings():
    # of its own libraries
    warnings.simplefilter("ignore")
    from evidently import Dataset, Report
    from evidently.core.container import MetricContainer
    from evidently.core.metric_types import render_widgets
    from evidently.core.report import Snapshot
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType
    from evidently.legacy.renderers.html_widgets import group_widget
    from evidently.presets import ClassificationPreset, DataDriftPreset, DataSummaryPreset, RegressionPreset

    from servicio_ml.adapters.evidently.frames import BINARY, described, judged, rows, shown

TEST = "servicio_ml_psi"
PREDICTION = "prediction"
NOTHING_ELSE = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
"""What the page may load: what is in it."""


def explain(comparison: Comparison, head: str) -> Page:
    """The page of a comparison, as `features.comparison.Explain` says."""
    with _quietly():
        sections = dict(_sections(comparison))
        groups = [
            group_widget(title=title, widgets=snapshot._widgets)  # noqa: SLF001  it has no other way to them
            for title, snapshot in sections.items()
        ]
        html = render_widgets(groups)
        document = {title: _plain(snapshot.json()) for title, snapshot in sections.items()}
    return Page(html=_completed(html, head), document=document)


def _sections(comparison: Comparison) -> Iterator[tuple[str, Snapshot]]:
    schema = comparison.schema
    now, then = (rows(schema, each) for each in (comparison.rows, comparison.reference_rows))
    columns = [each for each in comparison.drift.features if _told(each)]
    # it refuses a column without a value on either side
    usable = [
        each for each in columns if each.name in schema.field_names
        and now[each.name].notna().any() and then[each.name].notna().any()
        and each.name not in now.select_dtypes("datetime")
    ]  # fmt: skip
    if usable:
        names = [each.name for each in usable]
        both = (described(schema, now, names), described(schema, then, names))
        yield "Drift of the features", _run(_drift(usable), *both)
    if _told(comparison.drift.prediction):
        answered, unseen = (
            shown(PREDICTION, comparison.output, each)
            for each in (comparison.answers, comparison.reference_answers)
        )
        yield "Drift of the prediction", _run(_drift([comparison.drift.prediction]), answered, unseen)
    if comparison.quality is not None and _whole(comparison, comparison.quality):
        real, tested = (
            judged(comparison.output, each) for each in (comparison.quality, comparison.reference_quality)
        )
        yield "Quality where ground truth is known", _run(_quality(comparison.output), real, tested)
    every = schema.field_names
    yield (
        "Summary of the rows",
        _run(DataSummaryPreset(), described(schema, now, every), described(schema, then, every)),
    )


def _quality(output: Output) -> MetricContainer:
    if not output.labels:
        return RegressionPreset()
    # it decides by the probability where there is one, whatever the answer was
    return ClassificationPreset(probas_threshold=output.threshold if output.task == BINARY else None)


def _drift(columns: Sequence[Column]) -> DataDriftPreset:
    _register({each.name: each for each in columns})
    return DataDriftPreset(
        columns=[each.name for each in columns],
        per_column_method=dict.fromkeys((each.name for each in columns), TEST),
        per_column_threshold={each.name: each.shift.threshold for each in columns if each.shift},
        drift_share=1 / len(columns),  # one column is drift, as in our verdict
        include_tests=False,
    )


def _register(columns: Mapping[str, Column]) -> None:
    """Let Evidently show what was judged: the test gets a column's values, which bear its name."""

    def ours(reference: Any, current: Any, kind: ColumnType, threshold: float) -> tuple[float, bool]:  # noqa: ARG001  what Evidently calls it with
        shift = columns[str(current.name)].shift
        return (shift.psi, shift.drifted) if shift else (0.0, False)

    test = StatTest(
        name=TEST, display_name="PSI of all rows",
        allowed_feature_types=[ColumnType.Numerical, ColumnType.Categorical],
    )  # fmt: skip
    register_stattest(test, default_impl=ours)


def _run(preset: MetricContainer, now: Dataset, then: Dataset) -> Snapshot:
    return Report([preset]).run(now, then)


def _told(column: Column) -> bool:
    return column.shift is not None


def _whole(comparison: Comparison, quality: Judged) -> bool:
    """Whether Evidently can judge it: it fails where a class has not happened."""
    classes = len(comparison.output.labels)
    return all(
        not classes or len(np.unique(each.truth)) == classes
        for each in (quality, comparison.reference_quality)
    )


def _completed(html: str, head: str) -> str:
    policy = f'<meta http-equiv="Content-Security-Policy" content="{NOTHING_ELSE}">'
    title = "<title>Drift report</title>"
    before, _, after = html.lstrip().partition("<head>")
    start, _, rest = after.partition("<body>")
    return f"{before}<head>{policy}{title}{start}<body>{head}{rest}"


def _plain(text: str) -> Any:
    """JSON without what it cannot hold: NaN and infinities become null."""
    return json.loads(text, parse_constant=lambda _: None)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the warnings of libraries that divide by nothing where a column is constant or a row alone."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
