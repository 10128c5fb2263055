import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI

from asgi import AsgiResponse, get, post
from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import Interface, Purpose, format_prediction_ids
from servicio_ml.errors import LogError
from servicio_ml.serving.app import build_app
from servicio_ml.serving.openapi import build_document
from servicio_ml.serving.prediction.score_request import score_request_sync
from servicio_ml.serving.rest import drift, explain, feedback

RECORD = {"day": "2020-01-31", "size": 2.5, "weight": 2.25, "colour": "green"}
UNKNOWN_ID = format_prediction_ids(bytes.fromhex("0190b0c0d0e07000800000000000000000")[:16], 0, 1)[0]
PROBLEM_MEDIA_TYPE = "application/problem+json"


def build_test_app(made: ServiceFixture) -> FastAPI:
    return build_app(
        made.service,
        [
            explain.build_routes(made.service),
            feedback.build_routes(made.service, made.clock),
            drift.build_routes(made.service, made.clock),
        ],
    )


def send(app: FastAPI, path: str, body: object, **query: str) -> AsgiResponse:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return post(app, f"/models/small/{path}", text, {"Content-Type": "application/json"}, urlencode(query))


def check_refused(answer: AsgiResponse, status: int, *fragments: str) -> Any:
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    result = answer.document
    assert (answer.status, result["status"]) == (status, status), result
    for fragment in fragments:
        assert fragment in result["detail"]
    return result


def score_golden_row(made: ServiceFixture) -> str:
    loaded_model = made.service.models.get_champion("small")
    matrix = loaded_model.artifact.encoder.encode_records(loaded_model.artifact.golden["records"][:1])
    return made.service.predictor.score_sync(loaded_model, matrix, Interface.REST).ids[0]


def predict_record(made: ServiceFixture) -> Any:
    loaded_model = made.service.models.get_champion("small")
    return loaded_model.artifact.predict(loaded_model.artifact.encoder.encode_record(RECORD))


def test_explanation_adds_up_to_the_probability(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    result = send(build_test_app(made), "explain", RECORD).document
    assert (result["model"], result["version"], result["label"]) == ("small", 1, "yes")
    assert list(result["contributions"]) == ["day", "size", "weight", "colour"]
    assert result["score"] == pytest.approx(float(predict_record(made).probabilities[0, 1]), abs=1e-6)
    assert sum(result["contributions"].values()) == pytest.approx(result["score"] - result["base"], abs=1e-6)
    assert not made.log.written_chunks


def test_explanation_of_a_regression(tmp_path: Path, regression_folder: Path) -> None:
    made = create_service(tmp_path, regression_folder)
    result = send(build_test_app(made), "explain", RECORD).document
    assert result["label"] is None
    assert result["score"] == pytest.approx(float(predict_record(made).outcomes[0]), rel=1e-6)
    assert sum(result["contributions"].values()) == pytest.approx(result["score"] - result["base"], abs=1e-6)


def test_explanation_of_the_answered_class(tmp_path: Path, multiclass_folder: Path) -> None:
    made = create_service(tmp_path, multiclass_folder)
    result, answer = send(build_test_app(made), "explain", RECORD).document, predict_record(made)
    code = int(answer.outcomes[0])
    assert result["label"] == ("low", "middle", "high")[code]
    assert result["score"] == pytest.approx(float(answer.probabilities[0, code]), abs=1e-6)


def test_explanation_of_a_version_or_an_alias(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    made.promote(artifact_folder, "knn")
    app = build_test_app(made)
    asked: list[dict[str, str]] = [{}, {"version": "2"}, {"alias": "knn"}, {"alias": "champion"}]
    found = [send(app, "explain", RECORD, **query).document["version"] for query in asked]
    assert found == [1, 2, 2, 1]


@pytest.mark.parametrize(
    ("body", "query", "status", "fragments"),
    [
        pytest.param({**RECORD, "weight": 99}, {}, 422, ["weight", "99", "from -10 to 10 kg"], id="range"),
        pytest.param({**RECORD, "weight": 10**30}, {}, 422, ["weight", "1000000"], id="huge"),
        pytest.param({**RECORD, "other": 1}, {}, 422, ["other", "fields are day"], id="unknown field"),
        pytest.param(b"{", {}, 422, ["EOF"], id="cut off"),
        pytest.param(b'{"weight": NaN}', {}, 422, ["weight"], id="NaN"),
        pytest.param([RECORD], {}, 422, ["body"], id="list"),
        pytest.param(RECORD, {"version": "9"}, 404, ["'9'", "/models/small"], id="no such version"),
        pytest.param(RECORD, {"version": "x"}, 400, ["'x'", "whole number"], id="no version"),
        pytest.param(RECORD, {"window": "1h"}, 400, ["alias or version"], id="other query"),
    ],
)
def test_explanation_refused(
    body: object,
    query: dict[str, str],
    status: int,
    fragments: list[str],
    tmp_path: Path,
    artifact_folder: Path,
) -> None:
    check_refused(
        send(build_test_app(create_service(tmp_path, artifact_folder)), "explain", body, **query),
        status,
        *fragments,
    )


def test_truth_one_by_one(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    app, mine = build_test_app(made), score_golden_row(made)
    found = [
        send(app, "feedback", {"prediction_id": mine, "actual": actual}) for actual in ("yes", "yes", "no")
    ]
    assert [each.status for each in found] == [200] * 3
    assert [each.document for each in found] == [
        {"prediction_id": mine, "identifier": None, "status": "accepted", "revision": 1},
        {"prediction_id": mine, "identifier": None, "status": "known", "revision": 1},
        {"prediction_id": mine, "identifier": None, "status": "corrected", "revision": 2},
    ]


def test_truths_of_a_batch(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    app, mine = build_test_app(made), score_golden_row(made)
    pairs = [(mine, "yes"), (UNKNOWN_ID, "no")]
    labels = [{"prediction_id": each, "actual": actual} for each, actual in pairs]
    answer = send(app, "feedback/batch", {"labels": labels})
    assert answer.status == 200
    assert answer.document["labels"] == [
        {"prediction_id": mine, "identifier": None, "status": "accepted", "revision": 1},
        {"prediction_id": UNKNOWN_ID, "identifier": None, "status": "unknown", "revision": None},
    ]
    truth = made.log.newest_labels[mine]
    assert (truth.revision, truth.at) == (1, made.clock.now)


def test_truths_by_identifier(tmp_path: Path, identified_folder: Path) -> None:
    made = create_service(tmp_path, identified_folder)
    app, loaded_model = build_test_app(made), made.service.models.get_champion("small")
    rows = loaded_model.decoder.decode_record(json.dumps({**RECORD, "identifier": 892}).encode())
    result = score_request_sync(made.service.predictor, loaded_model, rows, Interface.REST, Purpose.ANSWER)
    expected = {"prediction_id": result.ids[0], "identifier": "892", "status": "accepted", "revision": 1}
    assert send(app, "feedback", {"identifier": "892", "actual": "yes"}).document == expected
    labels = [{"identifier": each, "actual": "no"} for each in (892, "7")]
    assert send(app, "feedback/batch", {"labels": labels}).document["labels"] == [
        {**expected, "status": "corrected", "revision": 2},
        {"prediction_id": None, "identifier": "7", "status": "unknown", "revision": None},
    ]


@pytest.mark.parametrize(
    ("body", "status", "fragments"),
    [
        pytest.param({"identifier": "892", "actual": "yes"}, 404, ["'892'"], id="unknown identifier"),
        pytest.param({"actual": "yes"}, 422, ["either prediction_id or identifier"], id="no prediction"),
        pytest.param(
            {"identifier": "892", "prediction_id": UNKNOWN_ID, "actual": "yes"}, 422, ["not both"], id="both"
        ),
        pytest.param(b'{"identifier": "\\ud800", "actual": "yes"}', 422, ["identifier"], id="half a text"),
        pytest.param(
            {"prediction_id": UNKNOWN_ID, "actual": "yes"}, 404, [UNKNOWN_ID], id="unknown prediction"
        ),
        pytest.param({"prediction_id": "x", "actual": "yes"}, 404, ["'x'"], id="no id"),
        pytest.param({"prediction_id": "x" * 99, "actual": "yes"}, 422, ["64"], id="long id"),
        pytest.param({"prediction_id": UNKNOWN_ID, "actual": "maybe"}, 422, ["one of no, yes"], id="label"),
        pytest.param({"prediction_id": UNKNOWN_ID, "actual": 10**40}, 422, ["one of no, yes"], id="huge"),
        pytest.param(b'{"prediction_id": "x", "actual": NaN}', 422, ["one of no, yes"], id="NaN"),
        pytest.param(b'{"prediction_id": "x", "actual": "\\ud800"}', 422, ["no, yes"], id="half a pair"),
        pytest.param(b'{"prediction_id": "\\ud800", "actual": "yes"}', 422, ["prediction_id"], id="half id"),
        pytest.param({"prediction_id": UNKNOWN_ID}, 422, ["actual"], id="no truth"),
        pytest.param({"prediction_id": UNKNOWN_ID, "actual": "yes", "at": 1}, 422, ["at"], id="extra"),
        pytest.param(b"{", 422, ["body"], id="cut off"),
        pytest.param([], 422, ["body"], id="list"),
        pytest.param(b"[" * 100_000, 400, ["body"], id="deep"),
    ],
)
def test_truth_refused(
    body: object, status: int, fragments: list[str], tmp_path: Path, artifact_folder: Path
) -> None:
    check_refused(
        send(build_test_app(create_service(tmp_path, artifact_folder)), "feedback", body), status, *fragments
    )


@pytest.mark.parametrize("actual", [1e-7, 0, -5, 1e39, 10**400], ids=lambda value: str(value)[:8])
@pytest.mark.parametrize("path", ["feedback", "feedback/batch"])
def test_truth_beyond_the_bounds_of_the_target(
    path: str, actual: float, tmp_path: Path, regression_folder: Path
) -> None:
    made = create_service(tmp_path, regression_folder)
    truth = {"prediction_id": score_golden_row(made), "actual": actual}
    answer = send(build_test_app(made), path, truth if path == "feedback" else {"labels": [truth]})
    check_refused(answer, 422, "actual", "a number of at least 1e-06")
    assert not made.log.newest_labels


@pytest.mark.parametrize(
    ("labels", "status", "fragments"),
    [
        pytest.param([], 422, ["labels"], id="empty"),
        pytest.param([{"prediction_id": UNKNOWN_ID, "actual": "x"}], 422, ["row 0", "no, yes"], id="label"),
        pytest.param([{"prediction_id": UNKNOWN_ID, "actual": "no"}] * 41, 413, ["41 labels"], id="many"),
    ],
)
def test_batch_refused(
    labels: object, status: int, fragments: list[str], tmp_path: Path, artifact_folder: Path
) -> None:
    app = build_test_app(create_service(tmp_path, artifact_folder, max_rows=40))
    check_refused(send(app, "feedback/batch", {"labels": labels}), status, *fragments)


def test_drift_of_a_window(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    app = build_test_app(made)
    score_golden_row(made)
    made.clock.now += 2 * 3600
    score_golden_row(made)
    made.clock.now += 1
    result = [get(app, "/models/small/drift", query).document for query in ("window=1h", "window=1d", "")]
    assert [each["rows"] for each in result] == [1, 2, 2]
    assert result[0]["window"] == {"start": "2020-09-13T13:26:41Z", "end": "2020-09-13T14:26:41Z"}
    assert [each["name"] for each in result[0]["features"]] == ["day", "size", "weight", "colour"]


def test_drift_of_a_version(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    score_golden_row(made)
    made.promote(artifact_folder)
    made.clock.now += 1
    result = [get(build_test_app(made), "/models/small/drift", query).document for query in ("", "version=1")]
    assert [(each["version"], each["rows"]) for each in result] == [(2, 0), (1, 1)]


@pytest.mark.parametrize(
    ("query", "status", "fragments"),
    [
        *(
            pytest.param(
                urlencode({"window": window}), 400, ["1h to 90d", repr(window)], id=window or "empty"
            )
            for window in ("", "0h", "1", "h", "1m", "91d", "2161h", "-1h", "01h", "1.5h", "99999h", "١h")
        ),
        pytest.param("version=9", 404, ["'9'"], id="no such version"),
        pytest.param("version=0", 422, ["version"], id="zeroth"),
        pytest.param("version=x", 422, ["version"], id="no version"),
    ],
)
def test_drift_refused(
    query: str, status: int, fragments: list[str], tmp_path: Path, artifact_folder: Path
) -> None:
    check_refused(
        get(build_test_app(create_service(tmp_path, artifact_folder)), "/models/small/drift", query),
        status,
        *fragments,
    )


@pytest.mark.parametrize("window", ["1h", "2160h", "90d", "9d"])
def test_longest_and_shortest_windows(window: str, tmp_path: Path, artifact_folder: Path) -> None:
    answer = get(
        build_test_app(create_service(tmp_path, artifact_folder)), "/models/small/drift", f"window={window}"
    )
    assert answer.status == 200


def test_unknown_model_and_one_that_is_not_ready(tmp_path: Path) -> None:
    app = build_test_app(create_service(tmp_path, None, names=["small"]))
    body = {"prediction_id": UNKNOWN_ID, "actual": "yes"}
    for answer in (
        send(app, "explain", RECORD), send(app, "feedback", body), get(app, "/models/small/drift"),
        send(app, "feedback/batch", {"labels": [body]}),
    ):  # fmt: skip
        check_refused(answer, 503, "not ready")
        assert answer.headers["retry-after"]
    check_refused(get(app, "/models/other/drift"), 404, "other")


def test_log_that_is_down(tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = create_service(tmp_path, artifact_folder)
    app = build_test_app(made)

    def raise_error(*_: object) -> None:
        raise LogError("postgresql://log", "connection refused")

    monkeypatch.setattr(made.log, "find", raise_error)
    monkeypatch.setattr(made.log, "read_chunks", raise_error)
    check_refused(
        send(app, "feedback", {"prediction_id": UNKNOWN_ID, "actual": "no"}), 503, "connection refused"
    )
    check_refused(get(app, "/models/small/drift"), 503, "connection refused")


def test_described_in_openapi(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    paths = build_document(build_test_app(made), made.service)["paths"]
    explain = paths["/models/{model}/explain"]["post"]
    assert {each["name"] for each in explain["parameters"]} == {"model", "alias", "version"}
    assert explain["requestBody"]["required"]
    for path, method in (
        ("explain", "post"), ("feedback", "post"), ("feedback/batch", "post"), ("drift", "get"),
    ):  # fmt: skip
        described = paths[f"/models/{{model}}/{path}"][method]["responses"]
        assert {"200", "401", "403", "404", "422", "503"} <= set(described)
        assert "$ref" in described["200"]["content"]["application/json"]["schema"]
