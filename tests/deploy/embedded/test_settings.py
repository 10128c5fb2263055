"""Variables and paths of the setup, and the values that are rejected."""

from pathlib import Path

import pytest

from deploy.embedded import settings
from deploy.embedded.settings import ROOT, PlatformError, PlatformSetup
from servicio_ml.errors import SettingsError


def test_the_state_is_var_in_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SERVICIO_ML_STATE_DIR")
    monkeypatch.chdir(tmp_path)
    assert settings.read_setup().paths.state == ROOT / "var"


def test_the_commands_find_the_same_state_and_server(setup: PlatformSetup, tmp_path: Path) -> None:
    variables = setup.build_variables()
    assert variables["SERVICIO_ML_STATE_DIR"] == str(tmp_path / "state")
    assert variables["SERVICIO_ML_API_URL"] == "http://127.0.0.1:8800"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_PORT", "abc"),
        ("STREAMLIT_PORT", "65536"),
        ("RULE_STEP", "often"),
        ("NOTIFY_URL", "a chat"),
        ("SERVICIO_ML_HOST", "192.0.2.1"),
        ("SERVICIO_ML_PORT", "-1"),
    ],
)
def test_an_invalid_variable_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=rf"(?s){name}.*{value}"):
        settings.read_setup()


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_PORT", "")
    assert settings.read_setup().options.mlflow_port == 5001


def test_a_path_too_long_for_a_socket_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / ("long" * 25)))
    with pytest.raises(PlatformError, match="SERVICIO_ML_STATE_DIR to a shorter one"):
        settings.read_setup()
