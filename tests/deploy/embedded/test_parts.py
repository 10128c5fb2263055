"""What runs on this machine follows from what was told."""

from collections.abc import Mapping

import pytest

from deploy.embedded import parts, settings
from deploy.embedded.part import Platform


def _platform(told: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Platform:
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return parts.platform(settings.read())


def test_the_pages_ask_the_prometheus_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _platform({"PROMETHEUS_PORT": "9999"}, monkeypatch).settings[parts.PROMETHEUS] == (
        "http://127.0.0.1:9999"
    )
    other = "http://elsewhere:9090"
    assert _platform({parts.PROMETHEUS: other}, monkeypatch).settings[parts.PROMETHEUS] == other


def test_a_named_mlflow_is_not_started_and_its_password_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _platform({"SERVICIO_ML_MLFLOW_URL": "http://user:secret@elsewhere:5001"}, monkeypatch)
    assert made.part("mlflow") is None
    [why] = [each.why for each in made.missing if each.title == "MLflow"]
    assert "SERVICIO_ML_MLFLOW_URL" in why
    assert "secret" not in why


def test_the_server_may_drain_http_and_then_grpc_before_it_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = _platform({"SERVICIO_ML_DRAIN_SECONDS": "100"}, monkeypatch).part("api")
    assert api is not None
    assert api.stop_seconds > 200
