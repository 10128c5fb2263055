"""The predictor: shared turns, the journal before the answer, canary and shadow."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import Chunk, Interface, Purpose, derive_shadow_key, parse_prediction_id
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.errors import InvalidError, JournalError
from servicio_ml.serving.models.loaded_model import LoadedModel, PredictionResult
from servicio_ml.serving.models.model_status import ChallengerTraffic
from servicio_ml.serving.prediction.predictor import MAX_ROWS_IN_LOOP
from servicio_ml.serving.prediction.recorder import LogPolicy
from servicio_ml.serving.prediction.score_request import score_request, score_request_sync


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> ServiceFixture:
    return create_service(tmp_path, artifact_folder)


def encode_golden_records(made: ServiceFixture) -> list[bytes]:
    golden = made.service.models.get_champion("small").artifact.golden["records"]
    return [json.dumps(each).encode() for each in golden]


def score_together(made: ServiceFixture, bodies: Sequence[bytes]) -> list[PredictionResult]:
    """Ask all of them at once."""
    loaded_model = made.service.models.get_champion("small")
    predictor = made.service.predictor

    async def score_all() -> list[PredictionResult]:
        asked = (
            predictor.score(loaded_model, loaded_model.decoder.decode_record(body).matrix, Interface.REST)
            for body in bodies
        )
        return list(await asyncio.gather(*asked))

    return asyncio.run(score_all())


def test_requests_of_one_turn_share_a_commit(made: ServiceFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    write = made.log.write

    def count_rows(chunks: Sequence[Chunk]) -> None:
        commits.append(sum(chunk.rows for chunk in chunks))
        write(chunks)

    monkeypatch.setattr(made.log, "write", count_rows)
    bodies = encode_golden_records(made)[:8]
    together = score_together(made, bodies)
    assert commits == [8]
    alone = [score_together(made, [body])[0] for body in bodies]
    assert [each.row_documents for each in together] == [each.row_documents for each in alone]


def test_answers_are_those_of_the_golden_rows(made: ServiceFixture) -> None:
    golden = made.service.models.get_champion("small").artifact.golden["answers"]
    given = [each.to_documents()[0] for each in score_together(made, encode_golden_records(made))]
    assert [each["probability"] for each in given] == pytest.approx(
        [each["probabilities"][1] for each in golden]
    )
    assert {(each["model"], each["version"]) for each in given} == {("small", 1)}


def test_every_answer_is_logged_under_its_id(made: ServiceFixture) -> None:
    given = [each.to_documents()[0] for each in score_together(made, encode_golden_records(made))]
    found = made.log.find([each["prediction_id"] for each in given])
    assert len(found) == len({each["prediction_id"] for each in given}) == len(given)
    for each in given:
        logged = found[each["prediction_id"]]
        assert (logged.outcome, logged.probabilities[1]) == (each["prediction"], each["probability"])


def test_the_log_holds_the_fields_as_they_were_asked(made: ServiceFixture) -> None:
    loaded_model = made.service.models.get_champion("small")
    score_together(made, encode_golden_records(made)[:3])
    (chunk,) = made.log.written_chunks.values()
    features = np.frombuffer(chunk.features, dtype="<f4").reshape(3, loaded_model.value_width)
    expected = loaded_model.artifact.encoder.encode_records(loaded_model.artifact.golden["records"][:3])[
        :, : loaded_model.value_width
    ]
    np.testing.assert_array_equal(features, expected)


def raise_journal_error(_: Sequence[Chunk]) -> None:
    raise JournalError("journal", "the disk is full")


def test_nothing_is_answered_that_is_not_logged(
    made: ServiceFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made.log, "write", raise_journal_error)
    with pytest.raises(JournalError, match="disk is full"):
        score_together(made, encode_golden_records(made)[:2])
    assert made.metrics.get_sample_value("servicio_ml_predictions_total") is None


def test_by_policy_it_is_answered_and_counted(
    tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create_service(tmp_path, artifact_folder, policy=LogPolicy(drop=True))
    monkeypatch.setattr(made.log, "write", raise_journal_error)
    assert len(score_together(made, encode_golden_records(made)[:2])) == 2
    dropped = made.metrics.get_sample_value("servicio_ml_prediction_log_dropped_total", {"model": "small"})
    assert dropped == 2


def test_a_failing_model_fails_its_own_requests_only(
    made: ServiceFixture, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.promote(artifact_folder, "other")
    champion, other = (
        made.service.models.get_champion("small"),
        made.service.models.get_or_load("small", "other"),
    )
    score = LoadedModel.score

    def fail(self: LoadedModel, key: bytes, matrix: np.ndarray) -> object:
        if self is other:
            raise ValueError("broken")
        return score(self, key, matrix)

    monkeypatch.setattr(LoadedModel, "score", fail)
    body = encode_golden_records(made)[0]

    async def score_all() -> list[object]:
        predictor = made.service.predictor
        asked = (
            predictor.score(loaded_model, loaded_model.decoder.decode_record(body).matrix, Interface.REST)
            for loaded_model in (champion, other)
        )
        return list(await asyncio.gather(*asked, return_exceptions=True))

    good, bad = asyncio.run(score_all())
    assert isinstance(good, PredictionResult)
    assert isinstance(bad, ValueError)


def test_a_caller_that_left_holds_nobody_up(made: ServiceFixture) -> None:
    loaded_model, predictor = made.service.models.get_champion("small"), made.service.predictor
    body = encode_golden_records(made)[0]

    async def score_all() -> PredictionResult:
        left = asyncio.create_task(
            predictor.score(loaded_model, loaded_model.decoder.decode_record(body).matrix, Interface.REST)
        )
        stays = asyncio.create_task(
            predictor.score(loaded_model, loaded_model.decoder.decode_record(body).matrix, Interface.REST)
        )
        await asyncio.sleep(0)
        left.cancel()
        return await stays

    assert asyncio.run(score_all()).start == 1


def test_many_rows_are_answered_from_a_thread_alike(made: ServiceFixture) -> None:
    loaded_model = made.service.models.get_champion("small")
    golden = loaded_model.artifact.golden["records"]
    body = json.dumps({"records": (golden * MAX_ROWS_IN_LOOP)[: MAX_ROWS_IN_LOOP + 1]}).encode()
    rows, _ = loaded_model.decoder.decode_batch(body)
    result = asyncio.run(made.service.predictor.score(loaded_model, rows.matrix, Interface.REST))
    assert result.row_documents[: len(golden)] == [
        each.row_documents[0] for each in score_together(made, encode_golden_records(made))
    ]


@pytest.mark.parametrize("sampling", [0.0, 0.4, 1.0])
def test_a_share_of_the_rows_is_logged_by_id(tmp_path: Path, artifact_folder: Path, sampling: float) -> None:
    made = create_service(tmp_path, artifact_folder, policy=LogPolicy(sampling=sampling))
    given = [each.ids[0] for each in score_together(made, encode_golden_records(made) * 12)]
    found = made.log.find(given)
    assert len(found) / len(given) == pytest.approx(sampling, abs=0.1)


def test_a_named_row_is_logged_once(made: ServiceFixture) -> None:
    loaded_model, predictor = made.service.models.get_champion("small"), made.service.predictor
    matrix = np.concatenate(
        [loaded_model.decoder.decode_record(body).matrix for body in encode_golden_records(made)[:3]]
    )
    first = predictor.score_idempotent(loaded_model, matrix, Interface.STREAM, ["a", "b", "c"])
    again = predictor.score_idempotent(loaded_model, matrix[1:], Interface.STREAM, ["b", "c"])
    assert [each.ids for each in again] == [each.ids for each in first[1:]]
    assert len(made.log.written_chunks) == 3


class TestIdentifiers:
    @pytest.fixture
    def made(self, tmp_path: Path, identified_folder: Path) -> ServiceFixture:
        traffic = ChallengerTraffic(shadow=1.0)
        return create_service(tmp_path, identified_folder, traffic=traffic)

    def test_requests_of_one_turn_have_each_their_own(self, made: ServiceFixture) -> None:
        loaded_model, predictor = made.service.models.get_champion("small"), made.service.predictor
        (record, *_) = (json.loads(body) for body in encode_golden_records(made))
        batches = ([{**record, "identifier": 7}], [record, record], [record, {**record, "identifier": "b"}])

        async def score_all() -> None:
            rows = [loaded_model.decoder.decode_batch(json.dumps(each).encode())[0] for each in batches]
            asked = (
                score_request(predictor, loaded_model, each, Interface.REST, Purpose.ANSWER) for each in rows
            )
            await asyncio.gather(*asked)

        asyncio.run(score_all())
        (chunk,) = made.log.written_chunks.values()
        assert chunk.identifiers == ("7", None, None, None, "b")

    def test_rows_without_one_log_none(self, made: ServiceFixture) -> None:
        score_together(made, encode_golden_records(made))
        assert [chunk.identifiers for chunk in made.log.written_chunks.values()] == [()]

    def test_a_row_in_shadow_has_none(self, made: ServiceFixture, identified_folder: Path) -> None:
        made.promote(identified_folder, CHALLENGER)
        loaded_model = made.service.models.get_champion("small")
        body = b'[{"day": "2020-01-31", "weight": 1, "identifier": "a"}]'
        rows, _ = loaded_model.decoder.decode_batch(body)
        score_request_sync(made.service.predictor, loaded_model, rows, Interface.REST, Purpose.ANSWER)
        made.service.predictor.close()
        chunks = made.log.written_chunks.values()
        assert {(chunk.purpose, chunk.identifiers) for chunk in chunks} == {
            (Purpose.ANSWER, ("a",)), (Purpose.SHADOW, ())
        }  # fmt: skip
        assert made.log.find_latest("small", ["a"])["a"].purpose == Purpose.ANSWER

    def test_a_sample_has_those_of_its_rows(self, tmp_path: Path, identified_folder: Path) -> None:
        made = create_service(tmp_path, identified_folder, policy=LogPolicy(sampling=0.4))
        loaded_model = made.service.models.get_champion("small")
        records = [{"day": "2020-01-31", "weight": 1, "identifier": i} for i in range(100)]
        rows, _ = loaded_model.decoder.decode_batch(json.dumps(records).encode())
        score_request_sync(made.service.predictor, loaded_model, rows, Interface.REST, Purpose.ANSWER)
        (chunk,) = made.log.written_chunks.values()
        assert 20 < chunk.rows < 60
        places = np.frombuffer(chunk.places, dtype="<u4").tolist()
        assert chunk.identifiers == tuple(map(str, places))

    def test_a_message_that_is_repeated_keeps_its_own(self, made: ServiceFixture) -> None:
        loaded_model, predictor = made.service.models.get_champion("small"), made.service.predictor
        rows, _ = loaded_model.decoder.decode_batch(b'[{"day": "2020-01-31", "weight": 1}]')
        matrix = np.concatenate([rows.matrix] * 2)
        predictor.score_idempotent(loaded_model, matrix, Interface.STREAM, ["a", "b"], ("x", None))
        predictor.score_idempotent(loaded_model, matrix[1:], Interface.STREAM, ["b"])
        assert [chunk.identifiers for chunk in made.log.written_chunks.values()] == [("x",), ()]

    def test_a_wrong_one_is_counted(self, made: ServiceFixture) -> None:
        loaded_model = made.service.models.get_champion("small")
        with pytest.raises(InvalidError) as caught:
            loaded_model.decoder.decode_record(b'{"day": "2020-01-01", "weight": 9, "identifier": 1.5}')
        made.service.predictor.count_rejected(caught.value)
        labels = {"model": "small", "feature": "identifier", "reason": "type"}
        assert made.metrics.get_sample_value("servicio_ml_rejected_values_total", labels) == 1


def test_rejected_values_are_counted_by_field(made: ServiceFixture) -> None:
    loaded_model = made.service.models.get_champion("small")
    with pytest.raises(InvalidError) as caught:
        loaded_model.decoder.decode_record(b'{"day": "2020-01-01", "weight": 99, "nonsense": 1}')
    made.service.predictor.count_rejected(caught.value)

    def count(feature: str, reason: str) -> float | None:
        labels = {"model": "small", "feature": feature, "reason": reason}
        return made.metrics.get_sample_value("servicio_ml_rejected_values_total", labels)

    assert count("weight", "range") == 1
    assert count("", "unknown_field") == 1


class TestChallenger:
    @pytest.fixture
    def both(self, tmp_path: Path, artifact_folder: Path) -> ServiceFixture:
        made = create_service(tmp_path, artifact_folder, traffic=ChallengerTraffic(shadow=0.5, canary=0.3))
        made.promote(artifact_folder, CHALLENGER)
        return made

    def test_it_answers_a_sticky_share_of_the_clients(self, both: ServiceFixture) -> None:
        choose = both.service.predictor.route
        clients = [f"client {i}" for i in range(500)]
        chosen = [choose("small", client)[0].version for client in clients]
        assert chosen.count(2) / len(chosen) == pytest.approx(0.3, abs=0.06)
        assert [choose("small", client)[0].version for client in clients] == chosen
        assert choose("small", "")[0].version == 1

    def test_its_answers_are_logged_as_canary(self, both: ServiceFixture) -> None:
        predictor = both.service.predictor
        loaded_model, purpose = next(
            picked for i in range(100) if (picked := predictor.route("small", str(i)))[1] is Purpose.CANARY
        )
        matrix = loaded_model.decoder.decode_record(encode_golden_records(both)[0]).matrix
        asyncio.run(predictor.score(loaded_model, np.repeat(matrix, 40, axis=0), Interface.REST, purpose))
        predictor.close()
        # the champion scores the rows of the canary in shadow: both have the same rows
        assert [(chunk.version, chunk.purpose) for chunk in both.log.written_chunks.values()] == [
            (2, "canary"), (1, "shadow")
        ]  # fmt: skip

    def test_it_answers_everybody_at_a_share_of_one(self, tmp_path: Path, artifact_folder: Path) -> None:
        made = create_service(tmp_path, artifact_folder, traffic=ChallengerTraffic(canary=1.0))
        made.promote(artifact_folder, CHALLENGER)
        assert {made.service.predictor.route("small", client)[0].version for client in ("", "a")} == {2}

    def test_it_scores_a_share_in_shadow(self, both: ServiceFixture) -> None:
        live = [each.ids[0] for each in score_together(both, encode_golden_records(both) * 6)]
        both.service.predictor.close()
        (shadow,) = [chunk for chunk in both.log.written_chunks.values() if chunk.purpose == Purpose.SHADOW]
        assert shadow.version == 2
        assert shadow.rows / len(live) == pytest.approx(0.5, abs=0.12)
        places = np.frombuffer(shadow.places, dtype="<u4").tolist()
        assert shadow.key == derive_shadow_key(parse_prediction_id(live[0])[0])
        logged = both.log.find([live[place] for place in places])
        outcomes = np.frombuffer(shadow.outcomes, dtype="<f8").tolist()
        assert [logged[live[place]].outcome for place in places] == outcomes

    def test_shadow_rows_are_counted_apart(self, both: ServiceFixture) -> None:
        score_together(both, encode_golden_records(both))
        both.service.predictor.close()
        samples = [
            sample
            for family in both.metrics.collect()
            for sample in family.samples
            if sample.name == "servicio_ml_predictions_total"
        ]
        assert {(each.labels["version"], each.labels["protocol"]) for each in samples} == {
            ("1", "rest"), ("2", "shadow")
        }  # fmt: skip

    def test_its_failure_reaches_nobody(self, both: ServiceFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        challenger, score = both.service.models.get_status("small").challenger, LoadedModel.score

        def fail(self: LoadedModel, key: bytes, matrix: np.ndarray) -> object:
            if self is challenger:
                raise ValueError("broken")
            return score(self, key, matrix)

        monkeypatch.setattr(LoadedModel, "score", fail)
        assert len(score_together(both, encode_golden_records(both))) == len(encode_golden_records(both))
        both.service.predictor.close()
        dropped = both.metrics.get_sample_value("servicio_ml_shadow_dropped_total", {"model": "small"})
        assert dropped is not None
        assert dropped > 0
