"""A use case's model with answers to rows that it has not seen: what every contender gets."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from benchmarks.quality.protocols import SOURCES, run
from sklearn.model_selection import KFold

from servicio_ml import bootstrap, settings
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.artifact import Artifact, load_artifact
from servicio_ml.features.output import Predictions
from servicio_ml.lifecycle.published import read_manifest
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
from servicio_ml.pipeline.training.fitting import SEED, score_out_of_fold
from servicio_ml.use_cases.catalogue import find

Floats = npt.NDArray[np.floating[Any]]
THREADS, CANDIDATE = 1, "lightgbm"
"""Every use case has the candidate; it takes the parameters of its first trial, as tuning changes little."""
FOLDS = {"vehicle_price": 4}
"""Number of models whose production rows together are all rows, where the holdout alone is small."""
LATER_RAIN = "weatherAUS_2017-07_2019-12.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredRows:
    """Rows with answers of models that have not seen them.

    Attributes:
        frame: Published rows.
        matrix: `[n, features]`; None where it is not needed.
        predictions: Answers.
        truth: Class codes, or numbers, `[n]`.
    """

    frame: pl.DataFrame
    matrix: Any
    predictions: Predictions
    truth: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoredModel:
    """A model, the rows that monitors are calibrated on, and those that it serves.

    Attributes:
        use_case: Its use case.
        fields: Names of the published fields.
        artifact: The model.
        reference: Training rows, each with the answer of a fold's model.
        production: Other rows.
    """

    use_case: UseCase
    fields: tuple[str, ...]
    artifact: Artifact
    reference: AnsweredRows
    production: AnsweredRows


def build_models(name: str, data: Path) -> Iterator[MonitoredModel]:
    """Publish the original rows of a use case and train its model, or one for each fold.

    Raises:
        subprocess.CalledProcessError: The rows cannot be published.
    """
    with tempfile.TemporaryDirectory(prefix="expected-") as scratch:
        state = Path(scratch) / "state"
        run(state, "etl", name, "--source", str(write_source(name, data, Path(scratch))))
        store = bootstrap.open_lake(settings.load_settings(state_dir=state))
        manifest = read_manifest(store, name)
        parts = tuple(read_split(store, manifest, part) for part in ("train", "test"))
        for number, (training, holdout) in enumerate(_split_rows(name, parts)):
            folder = Path(scratch) / f"artifact-{number}"
            yield _build_model(find(name), manifest.schema, training, holdout, folder)


def _split_rows(name: str, parts: tuple[pl.DataFrame, ...]) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    if name not in FOLDS:
        yield parts[0], parts[1]
        return
    rows = pl.concat(parts)
    for train, test in KFold(FOLDS[name], shuffle=True, random_state=SEED).split(rows):
        yield rows[train], rows[test]


def _build_model(
    use_case: UseCase, schema: FeatureSchema, training: pl.DataFrame, holdout: pl.DataFrame, folder: Path
) -> MonitoredModel:
    problem = build_problem(use_case, schema, training, seed=SEED, threads=THREADS)
    test = build_holdout(use_case, problem.setting.schema, holdout)
    candidate = use_case.get_candidate(CANDIDATE)
    windows = score_out_of_fold(problem, candidate, candidate.start)
    built = build_candidate(problem, test, candidate, candidate.start, folder, use_case.name, windows)
    if built.folder is None:
        raise SystemExit(f"{use_case.name}: {built.exported.reason}")
    artifact = load_artifact(built.folder)
    rows, raw = (np.concatenate(arrays) for arrays in zip(*windows, strict=True))
    return MonitoredModel(
        use_case=use_case, fields=schema.field_names, artifact=artifact,
        reference=AnsweredRows(
            frame=training[rows], matrix=None, predictions=artifact.output.transform(raw),
            truth=problem.truth[rows],
        ),
        production=AnsweredRows(
            frame=holdout, matrix=test.matrix, predictions=artifact.predict(test.matrix), truth=test.truth
        ),
    )  # fmt: skip


def write_source(name: str, data: Path, scratch: Path) -> Path:
    """Write the original rows; those of rain with the later ones, which are then in its holdout."""
    source = data / SOURCES[name]
    if name != "rain_australia":
        return source
    first, later = (path.read_text().splitlines() for path in (source, data / LATER_RAIN))
    if first[0] != later[0]:
        raise SystemExit(f"{LATER_RAIN} has other columns than {source.name}")
    joined = scratch / "rain.csv"
    joined.write_text("\n".join([*first, *later[1:]]) + "\n")
    return joined
