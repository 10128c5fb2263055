from pathlib import Path
from typing import Any

import pytest

from services import Bench, bench
from servicio_ml.domain.prediction import Protocol, parsed_id, prediction_ids, shadow_key
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.errors import InvalidError, NotReadyError, TooLargeError, UnknownPredictionError
from servicio_ml.serving.feedback import Feedback, Receipt, Status, Truth
from servicio_ml.serving.models import Traffic
from servicio_ml.serving.served import Answered

NOBODY = prediction_ids(bytes.fromhex("0190b0c0d0e07000800000000000000000")[:16], 0, 1)[0]
LAG = 7200.0


def answered(made: Bench, rows: int = 3) -> Answered:
    served = made.service.models.champion(made.model)
    matrix = served.artifact.encoder.records(served.artifact.golden["records"][:rows])
    return made.service.predictor.answer_now(served, matrix, Protocol.REST)


def report(made: Bench, prediction_id: str, actual: object) -> Receipt:
    return Feedback(service=made.service).one(
        made.model, Truth(prediction_id=prediction_id, actual=actual), made.watch.now + LAG
    )


def batch(made: Bench, *pairs: tuple[str, object]) -> list[tuple[Status, int | None]]:
    truths = [Truth(prediction_id=each, actual=actual) for each, actual in pairs]
    receipts = Feedback(service=made.service).many(made.model, truths, made.watch.now + LAG)
    assert [receipt.prediction_id for receipt in receipts] == [each for each, _ in pairs]
    return [(receipt.status, receipt.revision) for receipt in receipts]


def sample(made: Bench, name: str, **labels: str) -> float:
    return made.metrics.get_sample_value(name, {"model": "small", **labels}) or 0.0


def realised(made: Bench, version: str = "1") -> dict[tuple[str, str], float]:
    return {
        (each.labels["predicted"], each.labels["actual"]): each.value
        for metric in made.metrics.collect()
        for each in metric.samples
        if each.name == "servicio_ml_realised_confusion_total" and each.labels["version"] == version
    }


def test_first_truth_again_and_corrected(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    first, *_ = answered(made).ids
    found = [report(made, first, actual) for actual in ("yes", "yes", "no", "no", "yes")]
    assert [(each.status, each.revision) for each in found] == [
        (Status.ACCEPTED, 1), (Status.KNOWN, 1), (Status.CORRECTED, 2), (Status.KNOWN, 2),
        (Status.CORRECTED, 3),
    ]  # fmt: skip


def test_only_the_first_truth_is_counted(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    given = answered(made)
    labels = [each["label"] for each in given.documents()]
    for actual in ("yes", "yes", "no"):
        report(made, given.ids[0], actual)
    report(made, given.ids[1], "no")
    expected: dict[tuple[str, str], float] = {}
    for cell in ((labels[0], "yes"), (labels[1], "no")):
        expected[cell] = expected.get(cell, 0) + 1
    assert realised(made) == expected
    assert sample(made, "servicio_ml_label_corrections_total", version="1") == 1
    assert sample(made, "servicio_ml_label_lag_seconds_count") == 2
    assert sample(made, "servicio_ml_label_lag_seconds_sum") == pytest.approx(2 * LAG)


def test_number_of_a_regression(tmp_path: Path, regression_folder: Path) -> None:
    made = bench(tmp_path, regression_folder)
    given = answered(made)
    for each, error in zip(given.documents(), (0.5, -0.25, 0), strict=True):
        report(made, each["prediction_id"], each["prediction"] + error)
    assert sample(made, "servicio_ml_absolute_error_sum", version="1") == pytest.approx(0.75)
    assert sample(made, "servicio_ml_absolute_error_count", version="1") == 3
    assert realised(made) == {}


def test_label_of_three_classes(tmp_path: Path, multiclass_folder: Path) -> None:
    made = bench(tmp_path, multiclass_folder)
    given = answered(made, 1)
    assert report(made, given.ids[0], "high").status is Status.ACCEPTED
    assert realised(made) == {(given.documents()[0]["label"], "high"): 1}


@pytest.mark.parametrize(
    ("actual", "reason"),
    [("maybe", "level"), ("YES", "level"), (1, "type"), (True, "type"), (None, "type"), (["yes"], "type")],
    ids=repr,
)
def test_no_label_of_the_model(actual: object, reason: str, tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    with pytest.raises(InvalidError, match="one of no, yes") as caught:
        report(made, answered(made).ids[0], actual)
    assert [fault.reason for fault in caught.value.faults] == [reason]
    assert not made.log.truths


@pytest.mark.parametrize(
    ("actual", "reason"),
    [
        ("yes", "type"), ("1", "type"), (True, "type"), (None, "type"), (float("nan"), "range"),
        (float("inf"), "range"), (10**400, "range"),
    ],
    ids=lambda value: str(value)[:8],
)  # fmt: skip
def test_no_finite_number(actual: Any, reason: str, tmp_path: Path, regression_folder: Path) -> None:
    made = bench(tmp_path, regression_folder)
    with pytest.raises(InvalidError, match="a finite number") as caught:
        report(made, answered(made).ids[0], actual)
    assert [fault.reason for fault in caught.value.faults] == [reason]
    assert not made.log.truths


@pytest.mark.parametrize("prediction_id", [NOBODY, "", "no id", NOBODY.upper(), "\x00"], ids=repr)
def test_unknown_prediction(prediction_id: str, tmp_path: Path, artifact_folder: Path) -> None:
    with pytest.raises(UnknownPredictionError, match="not in the log"):
        report(bench(tmp_path, artifact_folder), prediction_id, "yes")


def test_prediction_of_another_model(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    mine = answered(made).ids[0]
    version = made.registry.register("other", artifact_folder, run_id="run", tags={}).version
    made.registry.point("other", "champion", version)
    made.service.models.refresh()
    feedback = Feedback(service=made.service)
    with pytest.raises(UnknownPredictionError):
        feedback.one("other", Truth(prediction_id=mine, actual="yes"), made.watch.now)
    assert not made.log.truths


def test_model_without_a_champion(tmp_path: Path) -> None:
    made = bench(tmp_path, None, names=["small"])
    with pytest.raises(NotReadyError):
        report(made, NOBODY, "yes")


def test_batch_tells_of_each(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    one, two, _ = answered(made).ids
    assert batch(made, (one, "yes"), (NOBODY, "no"), (two, "no"), (one, "yes"), (one, "no")) == [
        (Status.ACCEPTED, 1), (Status.UNKNOWN, None), (Status.ACCEPTED, 1), (Status.KNOWN, 1),
        (Status.CORRECTED, 2),
    ]  # fmt: skip
    assert sum(realised(made).values()) == 2


def test_batch_with_a_fault_is_not_taken(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    one, two, three = answered(made).ids
    with pytest.raises(InvalidError) as caught:
        batch(made, (one, "yes"), (two, "maybe"), (three, 7))
    assert [(fault.row, fault.field) for fault in caught.value.faults] == [(1, "actual"), (2, "actual")]
    assert not made.log.truths


def test_batch_is_bounded(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder, max_rows=40)
    assert len(batch(made, *[(NOBODY, "yes")] * 40)) == 40
    with pytest.raises(TooLargeError, match="41 labels"):
        batch(made, *[(NOBODY, "yes")] * 41)


def test_truth_judges_the_challenger_too(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder, traffic=Traffic(shadow=1.0))
    made.promote(artifact_folder, CHALLENGER)
    given = answered(made)
    made.service.predictor.close()
    assert len(made.log.written) == 2
    report(made, given.ids[1], "yes")
    expected = {(given.documents()[1]["label"], "yes"): 1.0}
    assert realised(made, "1") == expected
    assert realised(made, "2") == expected
    key, place = parsed_id(given.ids[1])
    assert set(made.log.truths) == {given.ids[1], prediction_ids(shadow_key(key), place, 1)[0]}
    assert sample(made, "servicio_ml_label_lag_seconds_count") == 1


def test_prediction_of_a_version_with_more_labels(
    tmp_path: Path, artifact_folder: Path, multiclass_folder: Path
) -> None:
    made = bench(tmp_path, multiclass_folder)
    given = answered(made, 33)
    high = next(each for each in given.documents() if each["label"] == "high")
    made.promote(artifact_folder)
    assert report(made, high["prediction_id"], "yes").status is Status.ACCEPTED
    assert realised(made) == {("other", "yes"): 1}
