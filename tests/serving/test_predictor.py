"""The predictor: shared turns, the journal before the answer, canary and shadow."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from services import Bench, bench
from servicio_ml.domain.prediction import Chunk, Protocol, Purpose, parsed_id, shadow_key
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.errors import InvalidError, JournalError
from servicio_ml.serving.models import Traffic
from servicio_ml.serving.predictor import ROWS_IN_LOOP
from servicio_ml.serving.recorder import LogPolicy
from servicio_ml.serving.served import Answered, Served


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> Bench:
    return bench(tmp_path, artifact_folder)


def records(made: Bench) -> list[bytes]:
    golden = made.service.models.champion("small").artifact.golden["records"]
    return [json.dumps(each).encode() for each in golden]


def ask(made: Bench, bodies: Sequence[bytes]) -> list[Answered]:
    """Ask all of them at once."""
    served = made.service.models.champion("small")
    predictor = made.service.predictor

    async def together() -> list[Answered]:
        asked = (predictor.answer(served, served.decoder.record(body), Protocol.REST) for body in bodies)
        return list(await asyncio.gather(*asked))

    return asyncio.run(together())


def test_requests_of_one_turn_share_a_commit(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    write = made.log.write

    def counted(chunks: Sequence[Chunk]) -> None:
        commits.append(sum(chunk.rows for chunk in chunks))
        write(chunks)

    monkeypatch.setattr(made.log, "write", counted)
    bodies = records(made)[:8]
    together = ask(made, bodies)
    assert commits == [8]
    alone = [ask(made, [body])[0] for body in bodies]
    assert [each.plain for each in together] == [each.plain for each in alone]


def test_answers_are_those_of_the_golden_rows(made: Bench) -> None:
    golden = made.service.models.champion("small").artifact.golden["answers"]
    given = [each.documents()[0] for each in ask(made, records(made))]
    assert [each["probability"] for each in given] == pytest.approx(
        [each["probabilities"][1] for each in golden]
    )
    assert {(each["model"], each["version"]) for each in given} == {("small", 1)}


def test_every_answer_is_logged_under_its_id(made: Bench) -> None:
    given = [each.documents()[0] for each in ask(made, records(made))]
    found = made.log.find([each["prediction_id"] for each in given])
    assert len(found) == len({each["prediction_id"] for each in given}) == len(given)
    for each in given:
        logged = found[each["prediction_id"]]
        assert (logged.outcome, logged.probabilities[1]) == (each["prediction"], each["probability"])


def test_the_log_holds_the_fields_as_they_were_asked(made: Bench) -> None:
    served = made.service.models.champion("small")
    ask(made, records(made)[:3])
    (chunk,) = made.log.written.values()
    features = np.frombuffer(chunk.features, dtype="<f4").reshape(3, served.width)
    expected = served.artifact.encoder.records(served.artifact.golden["records"][:3])[:, : served.width]
    np.testing.assert_array_equal(features, expected)


def refuse(_: Sequence[Chunk]) -> None:
    raise JournalError("journal", "the disk is full")


def test_nothing_is_answered_that_is_not_logged(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made.log, "write", refuse)
    with pytest.raises(JournalError, match="disk is full"):
        ask(made, records(made)[:2])
    assert made.metrics.get_sample_value("servicio_ml_predictions_total") is None


def test_by_policy_it_is_answered_and_counted(
    tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench(tmp_path, artifact_folder, policy=LogPolicy(drop=True))
    monkeypatch.setattr(made.log, "write", refuse)
    assert len(ask(made, records(made)[:2])) == 2
    dropped = made.metrics.get_sample_value("servicio_ml_prediction_log_dropped_total", {"model": "small"})
    assert dropped == 2


def test_a_failing_model_fails_its_own_requests_only(
    made: Bench, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.promote(artifact_folder, "other")
    champion, other = made.service.models.champion("small"), made.service.models.obtain("small", "other")
    score = Served.score

    def failing(self: Served, key: bytes, matrix: np.ndarray) -> object:
        if self is other:
            raise ValueError("broken")
        return score(self, key, matrix)

    monkeypatch.setattr(Served, "score", failing)
    body = records(made)[0]

    async def together() -> list[object]:
        predictor = made.service.predictor
        asked = (
            predictor.answer(served, served.decoder.record(body), Protocol.REST)
            for served in (champion, other)
        )
        return list(await asyncio.gather(*asked, return_exceptions=True))

    good, bad = asyncio.run(together())
    assert isinstance(good, Answered)
    assert isinstance(bad, ValueError)


def test_a_caller_that_left_holds_nobody_up(made: Bench) -> None:
    served, predictor = made.service.models.champion("small"), made.service.predictor
    body = records(made)[0]

    async def together() -> Answered:
        left = asyncio.create_task(predictor.answer(served, served.decoder.record(body), Protocol.REST))
        stays = asyncio.create_task(predictor.answer(served, served.decoder.record(body), Protocol.REST))
        await asyncio.sleep(0)
        left.cancel()
        return await stays

    assert asyncio.run(together()).start == 1


def test_many_rows_are_answered_from_a_thread_alike(made: Bench) -> None:
    served = made.service.models.champion("small")
    golden = served.artifact.golden["records"]
    body = json.dumps({"records": (golden * ROWS_IN_LOOP)[: ROWS_IN_LOOP + 1]}).encode()
    matrix, _ = served.decoder.batch(body)
    answered = asyncio.run(made.service.predictor.answer(served, matrix, Protocol.REST))
    assert answered.plain[: len(golden)] == [each.plain[0] for each in ask(made, records(made))]


@pytest.mark.parametrize("sampling", [0.0, 0.4, 1.0])
def test_a_share_of_the_rows_is_logged_by_id(tmp_path: Path, artifact_folder: Path, sampling: float) -> None:
    made = bench(tmp_path, artifact_folder, policy=LogPolicy(sampling=sampling))
    given = [each.ids[0] for each in ask(made, records(made) * 12)]
    found = made.log.find(given)
    assert len(found) / len(given) == pytest.approx(sampling, abs=0.1)


def test_a_named_row_is_logged_once(made: Bench) -> None:
    served, predictor = made.service.models.champion("small"), made.service.predictor
    matrix = np.concatenate([served.decoder.record(body) for body in records(made)[:3]])
    first = predictor.answer_named(served, matrix, Protocol.STREAM, ["a", "b", "c"])
    again = predictor.answer_named(served, matrix[1:], Protocol.STREAM, ["b", "c"])
    assert [each.ids for each in again] == [each.ids for each in first[1:]]
    assert len(made.log.written) == 3


def test_rejected_values_are_counted_by_field(made: Bench) -> None:
    served = made.service.models.champion("small")
    with pytest.raises(InvalidError) as caught:
        served.decoder.record(b'{"day": "2020-01-01", "weight": 99, "nonsense": 1}')
    made.service.predictor.reject(caught.value)

    def count(feature: str, reason: str) -> float | None:
        labels = {"model": "small", "feature": feature, "reason": reason}
        return made.metrics.get_sample_value("servicio_ml_rejected_values_total", labels)

    assert count("weight", "range") == 1
    assert count("", "unknown_field") == 1


class TestChallenger:
    @pytest.fixture
    def both(self, tmp_path: Path, artifact_folder: Path) -> Bench:
        made = bench(tmp_path, artifact_folder, traffic=Traffic(shadow=0.5, canary=0.3))
        made.promote(artifact_folder, CHALLENGER)
        return made

    def test_it_answers_a_sticky_share_of_the_clients(self, both: Bench) -> None:
        choose = both.service.predictor.choose
        clients = [f"client {i}" for i in range(500)]
        chosen = [choose("small", client)[0].version for client in clients]
        assert chosen.count(2) / len(chosen) == pytest.approx(0.3, abs=0.06)
        assert [choose("small", client)[0].version for client in clients] == chosen
        assert choose("small", "")[0].version == 1

    def test_its_answers_are_logged_as_canary(self, both: Bench) -> None:
        predictor = both.service.predictor
        served, purpose = next(
            picked for i in range(100) if (picked := predictor.choose("small", str(i)))[1] is Purpose.CANARY
        )
        matrix = served.decoder.record(records(both)[0])
        asyncio.run(predictor.answer(served, matrix, Protocol.REST, purpose))
        assert [(chunk.version, chunk.purpose) for chunk in both.log.written.values()] == [(2, "canary")]

    def test_it_scores_a_share_in_shadow(self, both: Bench) -> None:
        live = [each.ids[0] for each in ask(both, records(both) * 6)]
        both.service.predictor.close()
        (shadow,) = [chunk for chunk in both.log.written.values() if chunk.purpose == Purpose.SHADOW]
        assert shadow.version == 2
        assert shadow.rows / len(live) == pytest.approx(0.5, abs=0.12)
        places = np.frombuffer(shadow.places, dtype="<u4").tolist()
        assert shadow.key == shadow_key(parsed_id(live[0])[0])
        twins = both.log.find([live[place] for place in places])
        outcomes = np.frombuffer(shadow.outcomes, dtype="<f8").tolist()
        assert [twins[live[place]].outcome for place in places] == outcomes

    def test_shadow_rows_are_counted_apart(self, both: Bench) -> None:
        ask(both, records(both))
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

    def test_its_failure_reaches_nobody(self, both: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        challenger, score = both.service.models.state("small").challenger, Served.score

        def failing(self: Served, key: bytes, matrix: np.ndarray) -> object:
            if self is challenger:
                raise ValueError("broken")
            return score(self, key, matrix)

        monkeypatch.setattr(Served, "score", failing)
        assert len(ask(both, records(both))) == len(records(both))
        both.service.predictor.close()
        dropped = both.metrics.get_sample_value("servicio_ml_shadow_dropped_total", {"model": "small"})
        assert dropped is not None
        assert dropped > 0
