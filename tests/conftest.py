"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# machines are noisy: how long an example takes says nothing
settings.register_profile("noisy", deadline=None)
settings.load_profile("noisy")
BESIDE_THE_REPOSITORY = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the original data sets; a test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("SERVICIO_ML_DATA_DIR", BESIDE_THE_REPOSITORY))
    if not folder.is_dir():
        pytest.skip(f"no original data in {folder}; set SERVICIO_ML_DATA_DIR")
    return folder
