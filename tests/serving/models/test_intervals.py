"""Levels of intervals and sets in messages of a stream and requested outputs."""

import json
import random
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asgi import post
from services import ServiceFixture, create_service
from servicio_ml.domain.stream import StreamKind, StreamMessage
from servicio_ml.errors import RequestError
from servicio_ml.features.outliers.answer_details import NO_DETAILS, AnswerDetails
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.models import arrow
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.models.row_faults import OnError
from servicio_ml.serving.oip.tensors import check_outputs
from servicio_ml.serving.stream.scorer import BatchScorer, MessageBatch

LEVEL = 0.9


@pytest.fixture(name="made", params=["artifact_folder", "regression_folder"])
def _made(request: pytest.FixtureRequest, tmp_path: Path) -> ServiceFixture:
    return create_service(tmp_path, request.getfixturevalue(request.param))


def _get_model(made: ServiceFixture) -> LoadedModel:
    return made.service.models.get_champion("small")


def _get_record(made: ServiceFixture) -> Any:
    return dict(_get_model(made).artifact.golden["records"][0])


def test_a_redelivered_message_gets_the_same_interval_from_the_log(made: ServiceFixture) -> None:
    fields = {"record": json.dumps(_get_record(made)), "interval": "0.9"}
    message = StreamMessage(id="1-0", fields=fields)
    scorer = BatchScorer(made.service)
    first, again = (
        scorer.compute_outcomes(MessageBatch(model="small", messages=[message], redelivered=redelivered))
        for redelivered in (False, True)
    )
    assert first == again
    assert json.loads(again[0].answer)["interval"] == LEVEL  # type: ignore[union-attr]  # a result


def test_a_wrong_level_of_a_message_is_a_dead_letter_and_concerns_no_other(made: ServiceFixture) -> None:
    record = json.dumps(_get_record(made))
    messages = [
        StreamMessage(id=f"{place}-0", fields={"record": record, **fields})
        for place, fields in enumerate(({"interval": "2"}, {"interval": ""}, {"interval": "0.8"}, {}))
    ]
    outcomes = BatchScorer(made.service).compute_outcomes(
        MessageBatch(model="small", messages=messages, redelivered=False)
    )
    kinds = {each.request: each.stream for each in outcomes}
    dead, result = StreamKind.DEAD, StreamKind.RESULTS
    assert kinds == {"0-0": dead, "1-0": dead, "2-0": result, "3-0": result}


def test_requested_outputs_hold_those_of_the_level_only_with_one(made: ServiceFixture) -> None:
    loaded_model = _get_model(made)
    uncertainty = loaded_model.artifact.uncertainty
    assert uncertainty is not None
    names = uncertainty.column_names
    check_outputs(loaded_model, names, OnError.REFUSE, AnswerDetails(level=LEVEL))
    with pytest.raises(RequestError, match=f"output '{names[0]}' is not there"):
        check_outputs(loaded_model, names, OnError.REFUSE)


@pytest.mark.parametrize("media_type", ["application/json", arrow.STREAM_TYPE])
def test_a_batch_whose_rows_are_all_refused_has_no_details(made: ServiceFixture, media_type: str) -> None:
    app = build_app(made.service, [])
    gateway = Gateway(app, made.service, AccessLog(BytesIO()), random.Random(7).getrandbits)  # noqa: S311  ids
    body = json.dumps({"records": [{**_get_record(made), "weight": 1000}]}).encode()
    headers = {"Content-Type": "application/json", "Accept": media_type}
    answer = post(
        gateway, "/models/small/predict/batch", body, headers, "interval=0.9&outlier=true&on_error=partial"
    )
    assert answer.status == 200, answer.body
    if media_type == arrow.STREAM_TYPE:
        [row] = pa.ipc.open_stream(answer.body).read_all().to_pylist()
    else:
        [row] = answer.document["predictions"]
        assert answer.document["interval"] == LEVEL
    uncertainty = _get_model(made).artifact.uncertainty
    assert uncertainty is not None
    assert {row[name] for name in (*uncertainty.column_names, "outlier_score")} == {None}
    assert "weight" in row["error"]


def test_a_level_is_absent_or_right(made: ServiceFixture) -> None:
    loaded_model = _get_model(made)
    assert loaded_model.resolve_details(None, None) == NO_DETAILS
    assert loaded_model.resolve_details("0.9", None) == AnswerDetails(level=LEVEL)
    with pytest.raises(RequestError, match="it takes a share"):
        loaded_model.resolve_details("", None)
