"""Settings come from the environment, once, and a wrong one is named."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from servicio_ml.errors import SettingsError
from servicio_ml.settings import PREFIX, Settings, load_settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name.upper()}", raising=False)
    for name in ("STATSD_HOST", "STATSD_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_setting_everything_is_kept_in_one_local_folder() -> None:
    settings = load_settings()
    assert settings.state_dir == Path("var")
    assert (settings.lake_url, settings.mlflow_url, settings.study_url, settings.statsd_host) == (
        "",
        "",
        "",
        "",
    )


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("SERVICIO_ML_STATE_DIR", "/srv/state", "state_dir", Path("/srv/state")),
        ("SERVICIO_ML_USE_CASES_DIR", "mine", "use_cases_dir", Path("mine")),
        ("SERVICIO_ML_LAKE_URL", "s3://data/lake", "lake_url", "s3://data/lake"),
        ("STATSD_HOST", "127.0.0.1", "statsd_host", "127.0.0.1"),
        ("STATSD_PORT", "9125", "statsd_port", 9125),
    ],
)
def test_a_setting_is_read_from_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, field: str, value: object
) -> None:
    monkeypatch.setenv(variable, text)
    assert getattr(load_settings(), field) == value


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_wrong_setting_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("STATSD_PORT", port)
    with pytest.raises(SettingsError, match=f"setting STATSD_PORT: '{port}': Input should be"):
        load_settings()


def test_settings_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.lake_url = "s3://elsewhere"
