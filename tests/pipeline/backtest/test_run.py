"""A whole backtest on real programs: counts as NumPy counts, performance as it was, reported faults."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from monitoring.generate import BACKTEST_RULES
from sklearn.metrics import accuracy_score, roc_auc_score

from orchard_use_case import transform_file
from promtool import find_program
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.prediction_log.scratch_log import ScratchLog
from servicio_ml.adapters.prometheus import PrometheusHistory, open_prometheus_history
from servicio_ml.domain.ports.metrics_history import MetricSeries
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.features.artifact import Artifact, load_artifact
from servicio_ml.features.uncertainty.uncertainty import mark_covered
from servicio_ml.pipeline.backtest.fault_kinds import FaultKind
from servicio_ml.pipeline.backtest.faults import build_fault
from servicio_ml.pipeline.backtest.replay import DAY, get_midnight, replay_stream
from servicio_ml.pipeline.backtest.rule_files import read_rules
from servicio_ml.pipeline.backtest.rules import evaluate_rules
from servicio_ml.pipeline.backtest.run import PAGE, TICKET, BacktestMonth, find_caught_alerts, run_backtest
from servicio_ml.pipeline.backtest.stream import (
    LabelledStream,
    build_requests,
    read_stream,
    sample_months,
    select_months,
)
from servicio_ml.pipeline.etl.split import TEST, assign_split
from servicio_ml.pipeline.reading.transform import STATUS, RowStatus
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
from servicio_ml.serving.replay import ReplayServer
from servicio_ml.use_cases.catalogue import find
from small_use_case import SCHEMA, build_use_case, generate_rows

pytestmark = pytest.mark.slow
TREE = Candidate(name="decision_tree", family="decision_tree", max_latency_seconds=1.0)
CLOSE = 1e-9


def _build_info(model: str) -> ModelVersion:
    return ModelVersion(model=model, version=3, run_id="run", created=get_midnight(date(2019, 12, 1)))


@contextmanager
def _open_server(
    artifact: Artifact, folder: Path, model: str
) -> Iterator[tuple[ReplayServer, PrometheusHistory]]:
    """A server that has counted nothing, and a history that holds nothing."""
    for each in ("prometheus", "promtool"):
        find_program(each)
    shutil.rmtree(folder, ignore_errors=True)
    with (
        closing(ReplayServer(_build_info(model), artifact, ScratchLog(), folder)) as server,
        open_prometheus_history() as history,
    ):
        yield server, history


def _replay_months(stream: LabelledStream, artifact: Artifact, folder: Path) -> list[BacktestMonth]:
    with _open_server(artifact, folder / "counts", stream.use_case.name) as (server, history):
        return run_backtest(stream, server, history, read_rules(BACKTEST_RULES), SilentProgress())


def _list_alert_names(months: Sequence[BacktestMonth], severity: str) -> set[str]:
    return {each.alert for month in months for each in month.list_alerts(severity)}


def _generate_stream(task: Task, count: int) -> LabelledStream:
    """Rows like the small model's own, from January to March of 2020."""
    frame = generate_rows(task, count, seed=3)
    day = np.datetime64("2020-01-01") + np.arange(count) * 91 // count
    frame = frame.with_columns(day=pl.Series(day), _flawed=pl.lit(None, pl.String))
    return LabelledStream(rows=frame, use_case=build_use_case(task, event_date="day"), schema=SCHEMA)


class TestSmall:
    """A small model on a stream of its own kind."""

    @pytest.fixture
    def artifact(self, artifact_folder: Path) -> Artifact:
        return load_artifact(artifact_folder)

    def test_counts_over_each_window_are_those_of_numpy(self, artifact: Artifact, tmp_path: Path) -> None:
        stream = _generate_stream(Task.BINARY, 2000)
        with _open_server(artifact, tmp_path / "counts", "small") as (server, history):
            with SilentProgress().open_bar("replay", total=0) as advance:
                past = replay_stream(stream, server, advance)
            history.add(past.series)
            evaluate_rules(read_rules(BACKTEST_RULES), history, past.metric_names, past.span)
            counts = history.query_range('bin:observations:count{feature!="prediction"}', past.span)
            accuracy = history.query_range('model:accuracy_realised:ratio{window="7d"}', past.span)
        days = stream.dates.to_numpy()
        matrix = build_requests(stream, stream.rows).matrix
        for each in _select_time(counts, get_midnight(date(2020, 3, 15))):
            mine = _select_days(days, date(2020, 3, 14), each.labels["window"])
            bins = next(b for b in artifact.reference.features if b.name == each.labels["feature"])
            column = SCHEMA.field_names.index(bins.name)
            wanted = bins.count(matrix[mine][:, column])[bins.labels.index(each.labels["bin"])]
            assert each.values[0] == pytest.approx(wanted, abs=CLOSE)
        # labels are a day late: those of the 7 days to the 14th are of the rows of the 7th to the 13th
        [found] = _select_time(accuracy, get_midnight(date(2020, 3, 15)))
        mine = _select_days(days, date(2020, 3, 13), "7d")
        truth = (stream.rows["outcome"] == "yes").to_numpy()[mine]
        assert found.values[0] == pytest.approx(
            accuracy_score(truth, artifact.predict(matrix[mine]).outcomes), abs=CLOSE
        )

    def test_a_month_reports_the_model_performance(self, artifact: Artifact, tmp_path: Path) -> None:
        stream = _generate_stream(Task.BINARY, 3000)
        stream.rows[0, "weight"], stream.rows[1, "outcome"] = 11.0, None
        first, *_ = months = _replay_months(stream, artifact, tmp_path)
        assert [each.month for each in months] == ["2020-01", "2020-02", "2020-03"]
        mine = stream.rows.filter(stream.dates < date(2020, 2, 1))[2:]
        answers = artifact.predict(artifact.encoder.encode_frame(mine))
        assert answers.probabilities is not None
        assert (first.rows, first.refused, first.labelled) == (len(mine) + 2, 1, len(mine))
        truth = mine["outcome"] == "yes"
        assert first.metrics["roc_auc"] == pytest.approx(roc_auc_score(truth, answers.probabilities[:, 1]))
        assert first.metrics["expected_accuracy"] == pytest.approx(
            answers.probabilities.max(axis=1).mean(), abs=0.01
        )
        assert artifact.uncertainty is not None
        columns = artifact.uncertainty.compute_columns(artifact.encoder.encode_frame(mine), answers, 0.9)
        # labels come a day late, so that those of the month's last day are not counted in it
        covered = mark_covered(columns, truth.to_numpy().astype(float)).mean()
        assert first.metrics["interval_coverage"] == pytest.approx(covered, abs=0.01)
        assert 0 <= first.drifted_share <= 1

    def test_a_month_reports_the_expected_error(self, regression_folder: Path, tmp_path: Path) -> None:
        artifact = load_artifact(regression_folder)
        assert artifact.uncertainty is not None
        stream = _generate_stream(Task.REGRESSION, 2000)
        *_, last = _replay_months(stream, artifact, tmp_path)
        # March has a day more than the window
        matrix = artifact.encoder.encode_frame(stream.rows.filter(stream.dates > date(2020, 3, 1)))
        errors = artifact.uncertainty.estimate_errors(matrix, artifact.predict(matrix))
        assert last.metrics["expected_mae"] == pytest.approx(errors.mean())

    @pytest.mark.parametrize(
        ("kind", "alert", "severity"),
        [
            ("sensor", "MissingValues", TICKET),
            ("unit", "RejectedValues", TICKET),
            ("labels", "PerformanceLow", PAGE),
        ],
    )
    def test_a_fault_is_reported(
        self, kind: str, alert: str, severity: str, artifact: Artifact, tmp_path: Path
    ) -> None:
        stream = _generate_stream(Task.BINARY, 3000)
        fault = build_fault(FaultKind(kind), "2020-03", "", SCHEMA, stream.use_case.target)
        without = _replay_months(stream, artifact, tmp_path)
        found = find_caught_alerts(_replay_months(fault.apply(stream), artifact, tmp_path), without, fault)
        assert (alert, severity) in {(each.alert, each.labels["severity"]) for each in found}
        assert _list_alert_names(without, PAGE) == set()

    def test_a_regression_reports_its_errors(self, regression_folder: Path, tmp_path: Path) -> None:
        artifact, stream = load_artifact(regression_folder), _generate_stream(Task.REGRESSION, 2000)
        fault = build_fault(FaultKind.LABELS, "2020-03", "", SCHEMA, stream.use_case.target)
        without = _replay_months(stream, artifact, tmp_path)
        months = _replay_months(fault.apply(stream), artifact, tmp_path)
        assert list(months[0].metrics) == ["mae", "expected_mae", "interval_coverage"]
        found = {each.alert for each in find_caught_alerts(months, without, fault)}
        assert found == {"PerformanceLow", "IntervalCoverageWrong", "SegmentPerformanceLow"}


def _select_time(series: Sequence[MetricSeries], at: float) -> list[MetricSeries]:
    """Those that have a value at a time, with it alone."""
    return [
        MetricSeries(labels=each.labels, times=[at], values=[each.values[list(each.times).index(at)]])
        for each in series
        if at in each.times
    ]


def _select_days(days: npt.NDArray[Any], last: date, window: str) -> npt.NDArray[np.bool_]:
    """Which days are of a window that ends with the last."""
    length = int(window.removesuffix("d"))
    within: npt.NDArray[np.bool_] = (days <= np.datetime64(last)) & (
        days > np.datetime64(last - length * DAY)
    )
    return within


QUICK = Candidate(name="lightgbm", family="lightgbm", max_latency_seconds=1.0)
PARAMS = {"n_estimators": 150, "learning_rate": 0.1, "num_leaves": 31, "colsample_bytree": 0.5}


@pytest.fixture(scope="module")
def trained(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, float]:
    """The model and its AUC on the holdout."""
    folder, use_case = tmp_path_factory.mktemp("rain"), find("rain_australia")
    frame = transform_file(data_dir / "weatherAUS.csv", use_case, folder, date(2017, 6, 30))
    kept = frame.lazy().filter(pl.col(STATUS) == RowStatus.KEPT.value)
    sided = assign_split(kept, use_case.split, ()).collect()
    fitted = build_problem(use_case, use_case.schema, sided.filter(~pl.col(TEST)), seed=0, threads=1)
    test = build_holdout(use_case, use_case.schema, sided.filter(TEST))
    done = build_candidate(fitted, test, QUICK, PARAMS, folder / "model", "")
    return load_artifact(folder / "model"), done.metrics["roc_auc"]


@pytest.fixture(scope="module")
def stream(
    data_dir: Path, trained: tuple[Artifact, float], tmp_path_factory: pytest.TempPathFactory
) -> LabelledStream:
    source = data_dir / "weatherAUS_2017-07_2019-12.csv"
    schema, folder = trained[0].encoder.schema, tmp_path_factory.mktemp("stream")
    whole = read_stream(source, source.name, find("rain_australia"), schema, folder, SilentProgress())
    return select_months(whole, "2017-07", "2019-12")


@pytest.fixture(scope="module", params=[1000, 0], ids=["1,000 rows a month", "all rows"])
def traffic(
    request: pytest.FixtureRequest, stream: LabelledStream, trained: tuple[Artifact, float],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[LabelledStream, list[BacktestMonth]]:  # fmt: skip
    """Two months of a stream, and their alerts without a fault."""
    short = select_months(stream, "2018-01", "2018-02")
    thin = sample_months(short, request.param, seed=0) if request.param else short
    return thin, _replay_months(thin, trained[0], tmp_path_factory.mktemp("counts"))


@pytest.mark.real_data
class TestRain:
    """The rain of 2017-07 to 2019-12 after a model that was trained up to 2017-06."""

    def test_nobody_is_woken_while_the_model_is_as_good_as_it_was(
        self, stream: LabelledStream, trained: tuple[Artifact, float], tmp_path: Path
    ) -> None:
        artifact, reference = trained
        months = _replay_months(stream, artifact, tmp_path)
        assert len(months) == 30
        good = [each for each in months if abs(each.metrics["roc_auc"] - reference) <= 0.02]
        assert len(good) >= 10
        for month in good:
            assert month.list_alerts(PAGE) == [], month.month
        for month in months:
            tickets = [each for each in month.list_alerts(TICKET) if each.alert == "MissingValues"]
            lost = {name for each in tickets for name in each.features}
            assert {"sunshine", "evaporation"} <= lost, month.month

    def test_a_month_has_few_new_tickets(
        self, stream: LabelledStream, trained: tuple[Artifact, float], tmp_path: Path
    ) -> None:
        months = _replay_months(stream, trained[0], tmp_path)
        new = [sum(len(each.starts) for each in month.list_alerts(TICKET)) for month in months]
        # after the first quarter, which finds the sensors that are gone
        assert median(new[3:]) <= 2
        assert [month.list_alerts(PAGE) for month in months] == [[]] * len(months)

    @pytest.mark.parametrize("kind", FaultKind)
    def test_a_fault_is_reported_within_its_first_month(
        self,
        kind: FaultKind,
        traffic: tuple[LabelledStream, list[BacktestMonth]],
        trained: tuple[Artifact, float],
        tmp_path: Path,
    ) -> None:
        stream, without = traffic
        fault = build_fault(kind, "2018-02", "", stream.schema, stream.use_case.target)
        found = find_caught_alerts(_replay_months(fault.apply(stream), trained[0], tmp_path), without, fault)
        about = {name for each in found for name in each.ranked_features or [""]}
        assert fault.field in about
