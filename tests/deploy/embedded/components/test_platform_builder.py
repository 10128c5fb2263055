"""The components of a platform follow from its variables."""

from collections.abc import Mapping

import pytest

from deploy.embedded import settings
from deploy.embedded.components import platform_builder
from deploy.embedded.components.component import EmbeddedPlatform


def _build(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> EmbeddedPlatform:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return platform_builder.build_platform(settings.read_setup())


def test_the_pages_ask_the_prometheus_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _build({"PROMETHEUS_PORT": "9999"}, monkeypatch).variables[
        platform_builder.PROMETHEUS_VARIABLE
    ] == ("http://127.0.0.1:9999")
    other = "http://elsewhere:9090"
    assert (
        _build({platform_builder.PROMETHEUS_VARIABLE: other}, monkeypatch).variables[
            platform_builder.PROMETHEUS_VARIABLE
        ]
        == other
    )


def test_a_named_mlflow_is_not_started_and_its_password_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _build({"SERVICIO_ML_MLFLOW_URL": "http://user:secret@elsewhere:5001"}, monkeypatch)
    assert made.find_component("mlflow") is None
    [why] = [each.reason for each in made.missing if each.title == "MLflow"]
    assert "SERVICIO_ML_MLFLOW_URL" in why
    assert "secret" not in why


def test_the_server_may_drain_http_and_then_grpc_before_it_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = _build({"SERVICIO_ML_DRAIN_SECONDS": "100"}, monkeypatch).find_component("api")
    assert api is not None
    assert api.stop_seconds > 200
