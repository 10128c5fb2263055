"""Isolated models for tests: a pickle with its own module beside it, alone or as an artifact."""

import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import hostile_estimator
from hostile_estimator import HostileEstimator
from servicio_ml.features.isolated.model_process import ModelProgram

MEMORY_BYTES = 2 << 30
FILE = "estimator.pkl"


def write_model(folder: Path, estimator: Any, module: Any) -> Path:
    """Write an estimator and the module of its class into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(pickle.dumps(estimator))
    shutil.copy(module.__file__, folder)
    return folder


def build_hostile_program(folder: Path, *, memory_bytes: int = MEMORY_BYTES) -> ModelProgram:
    """Build the program of a hostile estimator."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    return ModelProgram(
        name="hostile", python=Path(sys.executable), kind="pickle",
        folder=write_model(folder / "model", HostileEstimator(), hostile_estimator), file=FILE,
        scratch=scratch, memory_bytes=memory_bytes,
    )  # fmt: skip
