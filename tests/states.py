"""A user's state folder with a small champion of rain that has answered some rows."""

import random
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from documents import run
from servicio_ml import bootstrap
from servicio_ml.domain.prediction import Chunk, GroundTruth, Protocol, Purpose, prediction_ids, timed_key
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.features.artifact import load_artifact
from servicio_ml.pipeline.reference import read_rows
from servicio_ml.pipeline.rows import true_values
from servicio_ml.settings import Settings
from servicio_ml.use_cases.catalogue import find

NAME = "rain_australia"
BITS = random.Random(3).getrandbits  # noqa: S311  ids, no secrets
MADE = f"""
servicio-ml data sample {NAME} --rows 4000
servicio-ml etl {NAME}
servicio-ml train {NAME} --candidate decision_tree --trials 1 --timeout 1 --no-promote
"""
MINUTE = 60.0


def with_champion(folder: Path) -> Path:
    """The state folder `var` in a user's folder, its champion a tree of look-alike rows."""
    done = run(MADE, folder)
    if done.returncode:
        raise RuntimeError(done.stderr)
    state = folder / "var"
    _, registry = bootstrap.runs_and_models(Settings(state_dir=state))
    challenger = registry.resolve(NAME, CHALLENGER)
    if challenger is None:
        raise RuntimeError("no challenger")
    registry.point(NAME, CHAMPION, challenger.version)
    return state


def with_answers(state: Path, rows: int) -> None:
    """Log the champion's answers to test rows, a minute old, with the truth of half of them."""
    settings = Settings(state_dir=state)
    _, registry = bootstrap.runs_and_models(settings)
    info = registry.resolve(NAME, CHAMPION)
    if info is None:
        raise RuntimeError("no champion")
    artifact = load_artifact(registry.download(NAME, info.version))
    frame = read_rows(bootstrap.lake(settings), info, "test").head(rows)
    matrix = artifact.encoder.frame(frame)
    answers, at = artifact.predict(matrix), time.time() - MINUTE
    if answers.probabilities is None:
        raise RuntimeError("rain has probabilities")
    fields = np.ascontiguousarray(matrix[:, : len(artifact.encoder.schema.fields)], dtype="<f4")
    key = timed_key(at, BITS)
    made = Chunk(
        key=key, at=at, model=NAME, version=info.version, protocol=Protocol.REST, purpose=Purpose.ANSWER,
        rows=len(frame), places=np.arange(len(frame), dtype="<u4").tobytes(), features=fields.tobytes(),
        outcomes=answers.outcomes.astype("<f8").tobytes(),
        probabilities=answers.probabilities.astype("<f8").tobytes(),
    )  # fmt: skip
    with closing(bootstrap.journal(settings)) as journal:
        journal.write([made])
    half = len(frame) // 2
    pairs = zip(prediction_ids(key, 0, half), true_values(find(NAME).target, frame)[:half], strict=True)
    bootstrap.prediction_log(settings).label(
        [GroundTruth(prediction_id=each, actual=float(actual), at=at + 1) for each, actual in pairs]
    )
