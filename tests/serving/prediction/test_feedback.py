from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import (
    Interface,
    derive_shadow_key,
    format_prediction_ids,
    parse_prediction_id,
)
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.errors import InvalidError, NotReadyError, TooLargeError, UnknownPredictionError
from servicio_ml.features.performance.rank_counts import ALL_BINS, RANK_BINS, count_ranks
from servicio_ml.serving.models.loaded_model import PredictionResult
from servicio_ml.serving.models.model_status import ChallengerTraffic
from servicio_ml.serving.prediction.feedback import FeedbackRecorder
from servicio_ml.serving.prediction.feedback_documents import (
    FeedbackReceipt,
    FeedbackStatus,
    GroundTruthInput,
)

UNKNOWN_ID = format_prediction_ids(bytes.fromhex("0190b0c0d0e07000800000000000000000")[:16], 0, 1)[0]
LAG = 7200.0


def score_golden_rows(made: ServiceFixture, rows: int = 3) -> PredictionResult:
    loaded_model = made.service.models.get_champion(made.model)
    matrix = loaded_model.artifact.encoder.encode_records(loaded_model.artifact.golden["records"][:rows])
    return made.service.predictor.score_sync(loaded_model, matrix, Interface.REST)


def report(made: ServiceFixture, prediction_id: str, actual: object) -> FeedbackReceipt:
    return FeedbackRecorder(service=made.service).record_one(
        made.model, GroundTruthInput(prediction_id=prediction_id, actual=actual), made.clock.now + LAG
    )


def report_batch(made: ServiceFixture, *pairs: tuple[str, object]) -> list[tuple[FeedbackStatus, int | None]]:
    truths = [GroundTruthInput(prediction_id=each, actual=actual) for each, actual in pairs]
    receipts = FeedbackRecorder(service=made.service).record_many(made.model, truths, made.clock.now + LAG)
    assert [receipt.prediction_id for receipt in receipts] == [each for each, _ in pairs]
    return [(receipt.status, receipt.revision) for receipt in receipts]


def read_sample(made: ServiceFixture, name: str, **labels: str) -> float:
    return made.metrics.get_sample_value(name, {"model": "small", **labels}) or 0.0


def read_realised_confusion(made: ServiceFixture, version: str = "1") -> dict[tuple[str, str], float]:
    return {
        (each.labels["predicted"], each.labels["actual"]): each.value
        for metric in made.metrics.collect()
        for each in metric.samples
        if each.name == "servicio_ml_realised_confusion_total" and each.labels["version"] == version
    }


def test_first_truth_again_and_corrected(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    first, *_ = score_golden_rows(made).ids
    found = [report(made, first, actual) for actual in ("yes", "yes", "no", "no", "yes")]
    assert [(each.status, each.revision) for each in found] == [
        (FeedbackStatus.ACCEPTED, 1),
        (FeedbackStatus.KNOWN, 1),
        (FeedbackStatus.CORRECTED, 2),
        (FeedbackStatus.KNOWN, 2),
        (FeedbackStatus.CORRECTED, 3),
    ]


def test_only_the_first_truth_is_counted(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    given = score_golden_rows(made)
    labels = [each["label"] for each in given.to_documents()]
    for actual in ("yes", "yes", "no"):
        report(made, given.ids[0], actual)
    report(made, given.ids[1], "no")
    expected: dict[tuple[str, str], float] = {}
    for cell in ((labels[0], "yes"), (labels[1], "no")):
        expected[cell] = expected.get(cell, 0) + 1
    assert read_realised_confusion(made) == expected
    assert read_sample(made, "servicio_ml_label_corrections_total", version="1") == 1
    assert read_sample(made, "servicio_ml_label_lag_seconds_count") == 2
    assert read_sample(made, "servicio_ml_label_lag_seconds_sum") == pytest.approx(2 * LAG)


def test_ranks_of_two_classes(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    given = score_golden_rows(made)
    documents = given.to_documents()
    truths = ["yes" if i % 3 else "no" for i in range(len(documents))]
    report_batch(made, *zip(given.ids, truths, strict=True))
    # a correction is not counted again
    report(made, given.ids[0], "yes")
    counts = count_ranks(
        np.array([each["probability"] for each in documents]),
        np.array([float(each == "yes") for each in truths]),
    )
    for side, numbers in (("positives", counts.positives), ("negatives_below", counts.negatives_below)):
        for bin_, number in zip((*RANK_BINS, ALL_BINS), numbers, strict=False):
            found = read_sample(made, f"servicio_ml_realised_{side}_total", version="1", bin=bin_)
            assert found == pytest.approx(number)


def test_number_of_a_regression(tmp_path: Path, regression_folder: Path) -> None:
    made = create_service(tmp_path, regression_folder)
    given = score_golden_rows(made)
    for each, error in zip(given.to_documents(), (0.5, -0.25, 0), strict=True):
        report(made, each["prediction_id"], each["prediction"] + error)
    assert read_sample(made, "servicio_ml_absolute_error_sum", version="1") == pytest.approx(0.75)
    assert read_sample(made, "servicio_ml_absolute_error_count", version="1") == 3
    assert read_sample(made, "servicio_ml_squared_error_total", version="1") == pytest.approx(0.3125)
    assert read_realised_confusion(made) == {}


def test_label_of_three_classes(tmp_path: Path, multiclass_folder: Path) -> None:
    made = create_service(tmp_path, multiclass_folder)
    given = score_golden_rows(made, 1)
    assert report(made, given.ids[0], "high").status is FeedbackStatus.ACCEPTED
    assert read_realised_confusion(made) == {(given.to_documents()[0]["label"], "high"): 1}


@pytest.mark.parametrize(
    ("actual", "reason"),
    [("maybe", "level"), ("YES", "level"), (1, "type"), (True, "type"), (None, "type"), (["yes"], "type")],
    ids=repr,
)
def test_no_label_of_the_model(actual: object, reason: str, tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    with pytest.raises(InvalidError, match="one of no, yes") as caught:
        report(made, score_golden_rows(made).ids[0], actual)
    assert [fault.reason for fault in caught.value.faults] == [reason]
    assert not made.log.newest_labels


@pytest.mark.parametrize("prediction_id", [UNKNOWN_ID, "", "no id", UNKNOWN_ID.upper(), "\x00"], ids=repr)
def test_unknown_prediction(prediction_id: str, tmp_path: Path, artifact_folder: Path) -> None:
    with pytest.raises(UnknownPredictionError, match="not in the log"):
        report(create_service(tmp_path, artifact_folder), prediction_id, "yes")


def test_prediction_of_another_model(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    mine = score_golden_rows(made).ids[0]
    version = made.registry.register("other", artifact_folder, run_id="run", tags={}).version
    made.registry.set_alias("other", "champion", version)
    made.service.models.refresh()
    feedback = FeedbackRecorder(service=made.service)
    with pytest.raises(UnknownPredictionError):
        feedback.record_one("other", GroundTruthInput(prediction_id=mine, actual="yes"), made.clock.now)
    assert not made.log.newest_labels


def test_model_without_a_champion(tmp_path: Path) -> None:
    made = create_service(tmp_path, None, names=["small"])
    with pytest.raises(NotReadyError):
        report(made, UNKNOWN_ID, "yes")


def test_a_batch_has_a_receipt_for_each_row(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    one, two, _ = score_golden_rows(made).ids
    assert report_batch(made, (one, "yes"), (UNKNOWN_ID, "no"), (two, "no"), (one, "yes"), (one, "no")) == [
        (FeedbackStatus.ACCEPTED, 1),
        (FeedbackStatus.UNKNOWN, None),
        (FeedbackStatus.ACCEPTED, 1),
        (FeedbackStatus.KNOWN, 1),
        (FeedbackStatus.CORRECTED, 2),
    ]
    assert sum(read_realised_confusion(made).values()) == 2


def test_batch_with_a_fault_is_not_taken(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    one, two, three = score_golden_rows(made).ids
    with pytest.raises(InvalidError) as caught:
        report_batch(made, (one, "yes"), (two, "maybe"), (three, 7))
    assert [(fault.row, fault.field) for fault in caught.value.faults] == [(1, "actual"), (2, "actual")]
    assert not made.log.newest_labels


def test_batch_is_bounded(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder, max_rows=40)
    assert len(report_batch(made, *[(UNKNOWN_ID, "yes")] * 40)) == 40
    with pytest.raises(TooLargeError, match="41 labels"):
        report_batch(made, *[(UNKNOWN_ID, "yes")] * 41)


def test_truth_judges_the_challenger_too(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder, traffic=ChallengerTraffic(shadow=1.0))
    made.promote(artifact_folder, CHALLENGER)
    given = score_golden_rows(made)
    made.service.predictor.close()
    assert len(made.log.written_chunks) == 2
    report(made, given.ids[1], "yes")
    expected = {(given.to_documents()[1]["label"], "yes"): 1.0}
    assert read_realised_confusion(made, "1") == expected
    assert read_realised_confusion(made, "2") == expected
    key, place = parse_prediction_id(given.ids[1])
    assert set(made.log.newest_labels) == {
        given.ids[1],
        format_prediction_ids(derive_shadow_key(key), place, 1)[0],
    }
    assert read_sample(made, "servicio_ml_label_lag_seconds_count") == 1


def test_prediction_of_a_version_with_more_labels(
    tmp_path: Path, artifact_folder: Path, multiclass_folder: Path
) -> None:
    made = create_service(tmp_path, multiclass_folder)
    given = score_golden_rows(made, 33)
    high = next(each for each in given.to_documents() if each["label"] == "high")
    made.promote(artifact_folder)
    assert report(made, high["prediction_id"], "yes").status is FeedbackStatus.ACCEPTED
    assert read_realised_confusion(made) == {("other", "yes"): 1}


class TestIdentifiers:
    @pytest.fixture
    def made(self, tmp_path: Path, identified_folder: Path) -> ServiceFixture:
        return create_service(tmp_path, identified_folder)

    def score(self, made: ServiceFixture, *identifiers: str | None) -> list[str]:
        loaded_model = made.service.models.get_champion(made.model)
        golden = loaded_model.artifact.golden["records"][: len(identifiers)]
        matrix = loaded_model.artifact.encoder.encode_records(golden)
        result = made.service.predictor.score_sync(
            loaded_model, matrix, Interface.REST, identifiers=identifiers
        )
        made.clock.now += 1
        return result.ids

    def report(self, made: ServiceFixture, *truths: GroundTruthInput) -> list[tuple[object, ...]]:
        receipts = FeedbackRecorder(service=made.service).record_many(made.model, truths, made.clock.now)
        return [(each.prediction_id, each.identifier, each.status, each.revision) for each in receipts]

    def test_the_latest_prediction_gets_the_truth(self, made: ServiceFixture) -> None:
        self.score(made, "a", "7")
        latest, other = self.score(made, "a", None)
        truths = [GroundTruthInput(identifier=each, actual="yes") for each in (" a ", "b", 7)]
        found = self.report(made, *truths, GroundTruthInput(prediction_id=latest, actual="no"))
        seven = made.log.find_latest(made.model, ["7"])["7"].id
        assert found == [
            (latest, "a", FeedbackStatus.ACCEPTED, 1),
            (None, "b", FeedbackStatus.UNKNOWN, None),
            (seven, "7", FeedbackStatus.ACCEPTED, 1),
            (latest, None, FeedbackStatus.CORRECTED, 2),
        ]
        assert {*made.log.newest_labels} == {latest, seven}
        assert other not in made.log.newest_labels

    def test_an_unknown_one_is_named(self, made: ServiceFixture) -> None:
        recorder = FeedbackRecorder(service=made.service)
        with pytest.raises(UnknownPredictionError, match="the identifier '892' is not in the log"):
            recorder.record_one(made.model, GroundTruthInput(identifier=892, actual="yes"), made.clock.now)

    @pytest.mark.parametrize(
        ("truth", "said"),
        [
            (GroundTruthInput(actual="yes"), "prediction_id.*either prediction_id or identifier"),
            (GroundTruthInput(actual="yes", identifier="  "), "either prediction_id or identifier"),
            (GroundTruthInput(actual="yes", identifier="a", prediction_id=UNKNOWN_ID), "not both"),
            (GroundTruthInput(actual="yes", identifier=1.5), "field 'identifier': 1.5"),
            (GroundTruthInput(actual="yes", identifier="x" * 201), "at most 200 characters"),
            (GroundTruthInput(actual="yes", identifier="\ud800"), "field 'identifier'"),
            (GroundTruthInput(actual="yes", identifier="a\0"), "field 'identifier'"),
            (GroundTruthInput(actual="yes", identifier=["a"]), "field 'identifier'"),
        ],
        ids=["neither", "blank", "both", "fraction", "long", "surrogate", "zero", "list"],
    )
    def test_exactly_one_of_both_is_taken(
        self, made: ServiceFixture, truth: GroundTruthInput, said: str
    ) -> None:
        self.score(made, "a")
        fine = GroundTruthInput(actual="yes", identifier="a")
        with pytest.raises(InvalidError, match=said) as caught:
            self.report(made, fine, truth)
        assert [fault.row for fault in caught.value.faults] == [1]
        assert not made.log.newest_labels

    def test_a_row_of_another_model_is_unknown(self, made: ServiceFixture) -> None:
        self.score(made, "a")
        ((key, chunk),) = made.log.written_chunks.items()
        made.log.written_chunks[key] = replace(chunk, model="other")
        truth = GroundTruthInput(identifier="a", actual="yes")
        assert self.report(made, truth) == [(None, "a", FeedbackStatus.UNKNOWN, None)]
