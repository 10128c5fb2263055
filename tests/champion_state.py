"""A user's state folder with a small champion of rain that has answered some rows."""

import random
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from documents import run_script
from servicio_ml import bootstrap
from servicio_ml.domain.prediction import (
    Chunk,
    GroundTruth,
    Interface,
    Purpose,
    create_timed_key,
    format_prediction_ids,
)
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.features.artifact import load_artifact
from servicio_ml.pipeline.drift.reference import read_rows
from servicio_ml.pipeline.training.dataset import read_true_values
from servicio_ml.settings import Settings
from servicio_ml.use_cases.catalogue import find

NAME = "rain_australia"
RANDOM_BITS = random.Random(3).getrandbits  # noqa: S311  ids, no secrets
SETUP_COMMANDS = f"""
servicio-ml data sample {NAME} --rows 4000
servicio-ml etl {NAME}
servicio-ml train {NAME} --candidate decision_tree --trials 1 --timeout 1 --no-promote
"""
MINUTE = 60.0


def create_state_with_champion(folder: Path) -> Path:
    """Create the state folder `var`, with a decision tree of synthetic rows as champion."""
    done = run_script(SETUP_COMMANDS, folder)
    if done.returncode:
        raise RuntimeError(done.stderr)
    state = folder / "var"
    _, registry = bootstrap.connect_mlflow(Settings(state_dir=state))
    challenger = registry.resolve(NAME, CHALLENGER)
    if challenger is None:
        raise RuntimeError("no challenger")
    registry.set_alias(NAME, CHAMPION, challenger.version)
    return state


def log_predictions(state: Path, rows: int) -> None:
    """Log the champion's answers to test rows, a minute old, with the truth of half of them."""
    settings = Settings(state_dir=state)
    _, registry = bootstrap.connect_mlflow(settings)
    info = registry.resolve(NAME, CHAMPION)
    if info is None:
        raise RuntimeError("no champion")
    artifact = load_artifact(registry.download(NAME, info.version))
    frame = read_rows(bootstrap.open_lake(settings), info, "test").head(rows)
    matrix = artifact.encoder.encode_frame(frame)
    answers, at = artifact.predict(matrix), time.time() - MINUTE
    if answers.probabilities is None:
        raise RuntimeError("rain has probabilities")
    fields = np.ascontiguousarray(matrix[:, : len(artifact.encoder.schema.fields)], dtype="<f4")
    key = create_timed_key(at, RANDOM_BITS)
    made = Chunk(
        key=key, at=at, model=NAME, version=info.version, protocol=Interface.REST, purpose=Purpose.ANSWER,
        rows=len(frame), places=np.arange(len(frame), dtype="<u4").tobytes(), features=fields.tobytes(),
        outcomes=answers.outcomes.astype("<f8").tobytes(),
        probabilities=answers.probabilities.astype("<f8").tobytes(),
    )  # fmt: skip
    with closing(bootstrap.open_journal(settings)) as journal:
        journal.write([made])
    half = len(frame) // 2
    pairs = zip(
        format_prediction_ids(key, 0, half), read_true_values(find(NAME).target, frame)[:half], strict=True
    )
    bootstrap.open_prediction_log(settings).add_ground_truth(
        [GroundTruth(prediction_id=each, actual=float(actual), at=at + 1) for each, actual in pairs]
    )
