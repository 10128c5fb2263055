"""The records: what the rules make of a server's counters is what NumPy makes of the same rows."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import promql_parser
import pytest
from monitoring.generate import RULES, to_text
from monitoring.rule import RecordingRule, RuleGroup, format_duration, parse_milliseconds
from monitoring.rules import build_groups
from monitoring.thresholds import LATENCY_SECONDS, SEGMENT_WINDOWS, WINDOWS
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from promtool import Expected, find_program, format_series, run
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.features.bins import build_level_bins, build_numeric_bins
from servicio_ml.features.performance.rank_counts import ALL_BINS, RANK_BINS, RankCounts, count_ranks
from servicio_ml.features.profile import ALL, ReferenceProfile, SeasonProfile, smooth
from servicio_ml.features.window_drift import DriftColumn, WindowCounts, WindowDrift, evaluate_drift
from servicio_ml.pipeline.drift.performance import compute_f1_macro_variance
from servicio_ml.serving.metrics import HTTP_BUCKETS_SECONDS
from servicio_ml.serving.models.bin_counts import BinCountsHeader
from servicio_ml.serving.prediction.state_collector import _VersionFamilies

MINE = {"model": "rain", "version": "3"}
CLOSE = 1e-9
CLASSES = ("no", "yes", "perhaps")
INSTANCES = ("a", "b")
WINDOW = {"window": "1d"}
STEP = "1h"


def test_the_committed_rules_are_those_that_are_generated() -> None:
    committed = {path.name: path.read_text() for path in RULES.iterdir()}
    assert committed == {f"{group.name}.yaml": to_text(group) for group in build_groups()}


def test_promtool_finds_the_rules_right() -> None:
    paths = sorted(str(path) for path in RULES.iterdir())
    assert len(paths) == len(build_groups())
    command = [find_program(), "check", "rules", "--lint=all", "--lint-fatal", *paths]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("group", build_groups(), ids=lambda group: group.name)
def test_every_expression_is_valid_on_current_releases(group: RuleGroup) -> None:
    for rule in group.rules:
        promql_parser.parse(rule.expr)


@pytest.mark.parametrize("group", build_groups(), ids=lambda group: group.name)
def test_a_group_reads_single_samples_of_its_own_only(group: RuleGroup) -> None:
    """Groups are evaluated at other moments: another one's latest sample may just be too old to be seen."""
    records = {
        each.name: {rule.name for rule in each.rules if isinstance(rule, RecordingRule)}
        for each in build_groups()
    }
    others = set().union(*(records[name] for name in records if name != group.name))
    for rule in group.rules:
        single = re.sub(r"(sum|last)_over_time\([^)]*\)", "", rule.expr)
        assert not others & set(re.findall(r"[\w:]+", single))


@pytest.mark.parametrize(
    ("length", "written"),
    [(300_000, "5m"), (3_450_000, "57m30s"), (3_597_500, "59m57s500ms"), (0, "0s")],
    ids=["minutes", "two units", "three units", "none"],
)
def test_durations_are_written_and_read(length: int, written: str) -> None:
    assert format_duration(length) == written
    assert parse_milliseconds(written) == length


def test_a_wrong_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="'5 minutes' is not a duration"):
        parse_milliseconds("5 minutes")


def test_the_latency_objective_is_a_bucket() -> None:
    assert LATENCY_SECONDS in HTTP_BUCKETS_SECONDS


def test_every_window_has_the_same_records() -> None:
    names: dict[str, set[str]] = {window: set() for window in WINDOWS}
    for group in build_groups():
        for rule in group.rules:
            if isinstance(rule, RecordingRule) and rule.labels:
                names[rule.labels["window"]].add(rule.name)
    segments = {name for name in names["30d"] if name.startswith("segment:")}
    assert all(names[window] >= segments for window in SEGMENT_WINDOWS)
    assert len({frozenset(found - segments) for found in names.values()}) == 1
    assert not names["1h"] & segments
    assert {"feature:psi:index", "segment:loss:deviations"} <= names["30d"]


def draw_profile(random: np.random.Generator) -> ReferenceProfile:
    """Two features and the prediction, with shares of their own in each of two months."""
    columns = (
        build_numeric_bins("wind", random.normal(size=400), 6),
        build_level_bins("sky", ("clear", "grey")),
        build_level_bins("prediction", CLASSES),
    )

    def draw_season(accuracy: float) -> SeasonProfile:
        rows = int(random.integers(500, 5000))
        shares = (random.multinomial(rows, random.dirichlet(np.ones(len(each.labels)))) for each in columns)
        return SeasonProfile(
            rows=rows,
            shares=tuple(tuple(smooth(each).tolist()) for each in shares),
            performance={"accuracy": accuracy, "f1_macro": accuracy - 0.1},
        )

    seasons = {ALL: draw_season(0.8), "01": draw_season(0.9), "02": draw_season(0.7)}
    return ReferenceProfile(
        features=columns[:2], prediction=columns[2], seasons=seasons, policy=DriftPolicy()
    )


def draw_counts(random: np.random.Generator, reference: ReferenceProfile) -> WindowCounts:
    """Rows of January and February."""
    rows = int(random.choice([1, 7, 150, 4000]))
    columns = [
        random.multinomial(rows, random.dirichlet(np.ones(len(each.labels)))) for each in reference.all_bins
    ]
    return WindowCounts(columns=columns, seasons=np.array([0, *random.multinomial(rows, [0.3, 0.7])]))


def export_series(
    head: BinCountsHeader, counts: WindowCounts, confusion: np.ndarray, instance: str
) -> Iterator[tuple[str, str]]:
    """What a server exports that has counted those rows within the first step."""
    families = _VersionFamilies()
    numbers = np.concatenate([*counts.columns, counts.seasons, confusion.ravel()]).astype(float)
    families.add(head, head.split_counts(numbers))
    for family in families.metrics:
        for sample in family.samples:
            value = f"{sample.value:.17f}"
            values = f"0 {value}+0x2" if sample.name.endswith("_total") else f"{value}+0x3"
            yield format_series(sample.name, **sample.labels, instance=instance, job="servicio-ml"), values


def expect_values(record: str, key: str, wanted: Mapping[str, float], **given: str) -> Expected:
    """Expect these values of a record, by one of its labels; promtool compares floats to the last bit."""
    tests = [
        f"abs({format_series(record, **{**MINE, key: name, **given, **WINDOW})} - {number!r}) < bool {CLOSE}"
        for name, number in wanted.items()
    ]
    return Expected(query=f"sum({' or '.join(tests)})", at="2h", samples={"{}": float(len(tests))})


@pytest.mark.parametrize("seed", range(6))
def test_drift_is_that_of_numpy(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    reference = draw_profile(random)
    head = BinCountsHeader(model="rain", version=3, run_id="run", labels=CLASSES, reference=reference)
    parts = [draw_counts(random, reference) for _ in INSTANCES]
    whole = WindowCounts(
        columns=[sum(each) for each in zip(*(part.columns for part in parts), strict=True)],
        seasons=np.sum([part.seasons for part in parts], axis=0),
    )
    series = dict(
        line
        for part, instance in zip(parts, INSTANCES, strict=True)
        for line in export_series(head, part, np.zeros((3, 3)), instance)
    )
    expected = _expect_drift(evaluate_drift(reference, whole))
    assert run(select_groups("drift"), series, expected, tmp_path) == ""


def _expect_drift(drift: WindowDrift) -> list[Expected]:
    columns = [*drift.features, drift.prediction]
    shifted = {each.name: each.shift for each in columns if each.shift}
    assert len(shifted) == len(columns)
    of_features = {
        "feature:psi:index": {name: shift.psi for name, shift in shifted.items()},
        "feature:psi_threshold:index": {name: shift.threshold for name, shift in shifted.items()},
        "feature:missing:ratio": {each.name: float(each.counts[-1]) / drift.rows for each in columns},
        "feature:missing_reference:ratio": {each.name: float(each.shares[-1]) for each in columns},
    }
    return [
        *(expect_values(record, "feature", values) for record, values in of_features.items()),
        expect_values("model:observations:rows", "model", {"rain": drift.rows}),
        expect_values("model:drifted_features:ratio", "model", {"rain": drift.drifted_share}),
        *map(_expect_reference, columns),
    ]


def _expect_reference(column: DriftColumn) -> Expected:
    shares = dict(zip(column.labels, column.shares.tolist(), strict=True))
    return expect_values("bin:reference:ratio", "bin", shares, feature=column.name)


def select_groups(*names: str, step: str = STEP) -> list[RuleGroup]:
    """Groups by their names, all evaluated at the same step."""
    found = {group.name: group for group in build_groups(step, ("1d",))}
    return [RuleGroup(name=name, interval=step, rules=found[name].rules) for name in names]


def test_drift_needs_no_change_between_two_servers_and_one(tmp_path: Path) -> None:
    """Values of one server are exported as those of two are: the gauges are the same in both."""
    random = np.random.default_rng(11)
    reference = draw_profile(random)
    head = BinCountsHeader(model="rain", version=3, run_id="run", labels=CLASSES, reference=reference)
    counts = draw_counts(random, reference)
    drift = evaluate_drift(reference, counts)
    shift = drift.features[0].shift
    assert shift
    expected = expect_values("feature:psi:index", "feature", {drift.features[0].name: shift.psi})
    series = dict(export_series(head, counts, np.zeros((3, 3)), "a"))
    assert run(select_groups("drift"), series, [expected], tmp_path) == ""


def build_confusion_series(
    actual: np.ndarray, predicted: np.ndarray, metric: str, instance: str
) -> dict[str, str]:
    """Counters that are born with their first rows."""
    found = {format_series("up", instance=instance, job="servicio-ml"): "1+0x3"}
    for cell in sorted(set(zip(predicted.tolist(), actual.tolist(), strict=True))):
        rows = int(np.sum((predicted == cell[0]) & (actual == cell[1])))
        name = format_series(
            metric, **MINE, predicted=cell[0], actual=cell[1], instance=instance, job="servicio-ml"
        )
        found[name] = f"_ {rows}+0x2"
    return found


@pytest.mark.parametrize("kind", ["expected", "realised"])
@pytest.mark.parametrize("rows", [1, 3, 40, 1000])
def test_performance_is_that_of_scikit_learn(kind: str, rows: int, tmp_path: Path) -> None:
    random = np.random.default_rng(rows)
    series: dict[str, str] = {}
    actual, predicted = random.choice(CLASSES, size=(2, rows), p=[0.6, 0.3, 0.1])
    first = random.random(rows) < 0.5
    for mine, instance in ((first, "a"), (~first, "b")):
        metric = f"servicio_ml_{kind}_confusion_total"
        series |= build_confusion_series(actual[mine], predicted[mine], metric, instance)
    present = sorted({*actual.tolist(), *predicted.tolist()})
    by_class = f1_score(actual, predicted, labels=present, average=None, zero_division=0)
    expected = [
        expect_values(
            f"model:accuracy_{kind}:ratio", "model", {"rain": float(accuracy_score(actual, predicted))}
        ),
        expect_values(f"model:f1_macro_{kind}:ratio", "model", {"rain": float(np.mean(by_class))}),
        expect_values(f"class:f1_{kind}:ratio", "label", dict(zip(present, by_class.tolist(), strict=True))),
        expect_values(
            f"class:{kind}:rows", "label", {each: float(np.sum(actual == each)) for each in present}
        ),
    ]
    codes = confusion_matrix(predicted, actual, labels=CLASSES).astype(float)
    variance = compute_f1_macro_variance(codes)
    expected.append(expect_values(f"model:f1_macro_{kind}:variance", "model", {"rain": variance}))
    if kind == "realised":
        expected.append(expect_values("model:labels:rows", "model", {"rain": rows}))
    assert run(select_groups("models"), series, expected, tmp_path) == ""


def build_rank_series(kind: str, counts: RankCounts, instance: str) -> Iterator[tuple[str, str]]:
    """Counters of the bins, as two servers export them: one has each bin, the other those with rows."""
    for side, numbers in (("positives", counts.positives), ("negatives_below", counts.negatives_below)):
        for bin_, number in zip((*RANK_BINS, ALL_BINS), numbers.tolist(), strict=False):
            name = format_series(
                f"servicio_ml_{kind}_{side}_total", **MINE, bin=bin_, instance=instance, job="servicio-ml"
            )
            if number or instance == "a":
                yield name, f"0 {number!r}+0x2"


@pytest.mark.parametrize("kind", ["expected", "realised"])
@pytest.mark.parametrize("rows", [2, 5, 400])
def test_the_area_under_the_curve_is_that_of_the_counts(kind: str, rows: int, tmp_path: Path) -> None:
    random = np.random.default_rng(rows)
    probabilities = random.uniform(size=rows)
    truth = probabilities if kind == "expected" else np.arange(rows) % 2.0
    parts = [count_ranks(probabilities[i::2], truth[i::2]) for i in range(2)]
    series = dict(
        line
        for counts, instance in zip(parts, INSTANCES, strict=True)
        for line in build_rank_series(kind, counts, instance)
    )
    wanted = parts[0].add(parts[1]).compute_roc_auc()
    assert wanted is not None
    expected = [expect_values(f"model:roc_auc_{kind}:ratio", "model", {"rain": wanted})]
    assert run(select_groups("models"), series, expected, tmp_path) == ""


@pytest.mark.parametrize(("kind", "prefix"), [("realised", ""), ("expected", "expected_")])
def test_errors_are_the_means_of_all_servers(kind: str, prefix: str, tmp_path: Path) -> None:
    server = {**MINE, "job": "servicio-ml"}
    sums = {
        "absolute_error_sum": (60.5, 9.5), "absolute_error_count": (10, 30), "squared_error_total": (400, 6.5)
    }  # fmt: skip
    series = {
        format_series(f"servicio_ml_{prefix}{name}", **server, instance=instance): f"0 {value}+0x2"
        for name, values in sums.items()
        for instance, value in zip(INSTANCES, values, strict=True)
    }
    expected = [
        expect_values(f"model:errors_{kind}:rows", "model", {"rain": 40}),
        expect_values(f"model:mae_{kind}:value", "model", {"rain": 70 / 40}),
        expect_values(f"model:rmse_{kind}:value", "model", {"rain": (406.5 / 40) ** 0.5}),
        expect_values(f"model:mae_{kind}:variance", "model", {"rain": (406.5 / 40 - (70 / 40) ** 2) / 40}),
    ]
    assert run(select_groups("models"), series, expected, tmp_path) == ""


def test_labels_are_those_of_all_servers(tmp_path: Path) -> None:
    server = {**MINE, "job": "servicio-ml"}
    series = {
        format_series("servicio_ml_absolute_error_count", **server, instance="a"): "0 10+0x2",
        format_series("servicio_ml_absolute_error_count", **server, instance="b"): "0 30+0x2",
        format_series("servicio_ml_label_lag_seconds_bucket", model="rain", le="360.0"): "0 0+0x2",
        format_series("servicio_ml_label_lag_seconds_bucket", model="rain", le="3600.0"): "0 40+0x2",
        format_series("servicio_ml_label_lag_seconds_bucket", model="rain", le="+Inf"): "0 40+0x2",
        format_series("servicio_ml_season_observations_total", **server, season="all"): "0 160+0x2",
    }
    expected = [
        expect_values("model:labels:rows", "model", {"rain": 40}),
        expect_values("model:label_coverage:ratio", "model", {"rain": 0.25}),
        Expected(query="model:label_lag_seconds:p50", at="2h", samples={
            format_series("model:label_lag_seconds:p50", model="rain", window="1d"): (360 + 3600) / 2
        }),
    ]  # fmt: skip
    assert run(select_groups("drift", "models"), series, expected, tmp_path) == ""


def test_the_limit_is_that_of_the_rows_months(tmp_path: Path) -> None:
    limits = {"01": 0.9, "02": 0.7}
    series = {
        format_series("servicio_ml_performance_limit", **MINE, metric="f1_macro", season=season,
            instance=instance):
        f"{limit}+0x3"
        for season, limit in limits.items() for instance in INSTANCES
    }  # fmt: skip
    rows = {"01": 30, "02": 10}
    series |= {
        format_series("servicio_ml_season_observations_total", **MINE, season=season, instance=instance):
        f"0 {rows[season]}+0x2"
        for season in rows for instance in INSTANCES
    }  # fmt: skip
    before = expect_values("model:performance_limit:value", "metric", {"f1_macro": 0.8})
    after = expect_values("model:performance_limit:value", "metric", {"f1_macro": 0.85})
    found = [Expected(query=before.query, at="0h", samples=before.samples), after]
    assert run(select_groups("drift", "models"), series, found, tmp_path) == ""


def test_what_a_season_was_like_is_kept_when_the_server_is_started_anew(tmp_path: Path) -> None:
    one = {**MINE, "feature": "wind"}
    target = {"instance": "a", "job": "servicio-ml"}
    series = {
        format_series("up", **target): "1+0x40",
        # only the first process exports January's share
        format_series("servicio_ml_reference_ratio", **one, bin="low", season="01"): "0.25+0x3 stale",
        format_series("servicio_ml_reference_ratio", **one, bin="missing", season="01"): "0.75+0x3 stale",
        format_series("servicio_ml_reference_ratio", **one, bin="low", season="02"): "_x3 0.5+0x40",
        format_series("servicio_ml_reference_ratio", **one, bin="missing", season="02"): "_x3 0.5+0x40",
        format_series(
            "servicio_ml_season_observations_total", **MINE, **target, season="01"
        ): "0 30+0x2 0+0x40",
        format_series(
            "servicio_ml_season_observations_total", **MINE, **target, season="02"
        ): "0+0x3 10+0x40",
    }
    bins = {"low": (0.25 * 30 + 0.5 * 10) / 40, "missing": (0.75 * 30 + 0.5 * 10) / 40}
    known = expect_values("bin:reference:ratio", "bin", bins, feature="wind")
    expected = [
        Expected(query=known.query, at="20h", samples=known.samples),
        # and given up when none of its rows is in a window any more
        Expected(query='season_bin:reference:ratio{season="01"}', at="30h", samples={}),
    ]
    assert run(select_groups("drift"), series, expected, tmp_path) == ""


def test_a_column_of_an_unknown_season_is_not_judged(tmp_path: Path) -> None:
    one = {**MINE, "feature": "wind"}
    series = {
        format_series("servicio_ml_reference_ratio", **one, bin="low", season="02"): "1+0x3",
        format_series("servicio_ml_feature_observations_total", **one, bin="low"): "0 40+0x3",
        format_series("servicio_ml_season_observations_total", **MINE, season="01"): "0 30+0x3",
        format_series("servicio_ml_season_observations_total", **MINE, season="02"): "0 10+0x3",
    }
    expected = [
        Expected(query="count(bin:current:ratio)", at="2h", samples={"{}": 1}),
        Expected(query="bin:reference:ratio or feature:psi:index", at="2h", samples={}),
    ]
    assert run(select_groups("drift"), series, expected, tmp_path) == ""


@pytest.mark.parametrize(
    ("values", "up", "grown"),
    [
        ("0 10 10 35 35", "1+0x4", 35),
        ("0 10 30 5 5", "1+0x4", 35),
        ("_ _ 30 30 30", "1+0x4", 30),
        ("_ _ 30 30 40", "_ _ 1 1 1", 10),
        ("100 _ _ 130 140", "1 0 0 1 1", 10),
    ],
    ids=["grows", "starts anew", "is born", "comes with a new server", "is unreachable for a while"],
)
def test_what_is_counted_adds_up(values: str, up: str, grown: float, tmp_path: Path) -> None:
    target = {"instance": "a", "job": "servicio-ml"}
    series = {
        format_series("servicio_ml_season_observations_total", **MINE, **target, season="all"): values,
        format_series("up", **target): up,
    }
    rows = expect_values("model:observations:rows", "model", {"rain": grown})
    expected = Expected(query=rows.query, at="4h", samples=rows.samples)
    assert run(select_groups("drift"), series, [expected], tmp_path) == ""


@pytest.mark.parametrize(("at", "rows"), [("24h", 24), ("25h", 24), ("40h", 24)])
def test_a_window_holds_its_own_rows_once(at: str, rows: float, tmp_path: Path) -> None:
    name = format_series("servicio_ml_season_observations_total", **MINE, season="all")
    expected = expect_values("model:observations:rows", "model", {"rain": rows})
    found = Expected(query=expected.query, at=at, samples=expected.samples)
    assert run(select_groups("drift"), {name: "0+1x40"}, [found], tmp_path) == ""


def test_without_data_there_is_nothing(tmp_path: Path) -> None:
    expected = Expected(query='{__name__=~".+"}', at="1h", samples={})
    every = [RuleGroup(name=each.name, interval=STEP, rules=each.rules) for each in build_groups(STEP)]
    assert run(every, {}, [expected], tmp_path) == ""


def test_idle_servers_make_no_ratios(tmp_path: Path) -> None:
    """Counters that stand at 0 give zeros, never NaN, and no alert."""
    random = np.random.default_rng(5)
    reference = draw_profile(random)
    head = BinCountsHeader(model="rain", version=3, run_id="run", labels=CLASSES, reference=reference)
    bins = [np.zeros(len(each.labels), dtype=np.int64) for each in reference.all_bins]
    zeros = WindowCounts(columns=bins, seasons=np.zeros(3, dtype=np.int64))
    series = dict(export_series(head, zeros, np.zeros((3, 3)), "a"))
    http = {"method": "POST", "route": "/predict", "instance": "a", "job": "servicio-ml"}
    series |= {
        format_series("up", instance="a", job="servicio-ml"): "1+0x3",
        format_series("servicio_ml_model_info", **MINE, run_id="run"): "1+0x3",
        format_series("http_requests_total", **http, status="200"): "5+0x3",
        format_series("http_request_duration_seconds_bucket", **http, le="0.1"): "5+0x3",
        format_series("http_request_duration_seconds_bucket", **http, le="+Inf"): "5+0x3",
        format_series("http_request_duration_seconds_count", **http): "5+0x3",
        format_series("servicio_ml_label_lag_seconds_bucket", model="rain", le="+Inf"): "0+0x3",
    }
    named = 'label_replace({__name__=~".+:.+"}, "name", "$1", "__name__", "(.+)")'
    expected = [
        Expected(query=f"{named} != {named}", at="15m", samples={}),
        Expected(query="ALERTS", at="15m", samples={}),
        Expected(query="sum(season:observations:count)", at="15m", samples={"{}": 0}),
    ]
    assert (
        run(select_groups("drift", "models", "service", "pipelines", step="5m"), series, expected, tmp_path)
        == ""
    )
