"""A set-up of the embedded platform in a folder of its own."""

import os
from pathlib import Path

import pytest

from deploy.embedded import settings
from deploy.embedded.settings import PlatformSetup


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of the platform's variables is set but the folder of its state."""
    for name in os.environ:
        if name.startswith("SERVICIO_ML_") or name.lower() in settings.UpOptions.model_fields:
            monkeypatch.delenv(name)
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def setup(bare: None) -> PlatformSetup:  # noqa: ARG001  the environment comes first
    return settings.read_setup()
