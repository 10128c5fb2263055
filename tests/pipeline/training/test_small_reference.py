"""The reference of a model of few rows: fresh rows of the same distribution are no drift."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sample_lake import publish_sample
from servicio_ml.domain.drift import measure_drift
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.training.build_candidate import build_reference_profile
from servicio_ml.pipeline.training.calibrate import build_calibrated_output
from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
from servicio_ml.pipeline.training.fitting import compute_scores, fit, score_out_of_fold
from servicio_ml.use_cases.catalogue import load_catalogue

HEART = load_catalogue()["heart_disease"]
ROWS, MODELS, WINDOW = 300, 4, 100
PARAMS = {"max_depth": 8, "min_samples_leaf": 1, "max_features": 0.5}


@pytest.mark.slow
@pytest.mark.parametrize("is_unseen", [True, False], ids=["unseen rows", "its own training rows"])
def test_the_prediction_of_fresh_rows_has_not_drifted(tmp_path: Path, *, is_unseen: bool) -> None:
    store, manifest = publish_sample(HEART, 6_000, tmp_path)
    pool = pl.concat([read_split(store, manifest, side) for side in ("train", "test")])
    pool = pool.sample(fraction=1, shuffle=True, seed=1)
    fresh = build_holdout(HEART, manifest.schema, pool[MODELS * ROWS :]).matrix
    alarms = []
    for i in range(MODELS):
        frame = pool[i * ROWS : (i + 1) * ROWS]
        problem = build_problem(HEART, manifest.schema, frame, seed=i, threads=1)
        candidate, every = HEART.get_candidate("random_forest"), np.arange(ROWS)
        windows = score_out_of_fold(problem, candidate, PARAMS)
        rows, raw = (np.concatenate(arrays) for arrays in zip(*windows, strict=True))
        output, model = (
            build_calibrated_output(HEART, problem.truth[rows], raw),
            fit(problem, candidate, PARAMS, every),
        )
        if not is_unseen:
            rows, raw = every, compute_scores(model, problem.matrix)
        reference = build_reference_profile(problem, output, rows, raw)
        answers = output.transform(compute_scores(model, fresh)).binned_values
        for start in range(0, len(answers) - WINDOW, WINDOW):
            found = measure_drift(
                reference.prediction.count(answers[start : start + WINDOW]).tolist(),
                reference.seasons["all"].shares[-1],
                reference_rows=ROWS,
                columns=len(reference.features),
                policy=HEART.drift,
            )
            assert found is not None
            alarms.append(found.drifted)
    nominal = HEART.drift.false_alarm_rate / len(manifest.schema.fields)
    # 0.4 % of about 190 windows: two at most by chance; from its own rows nearly all
    assert (
        np.mean(alarms) <= nominal + 3 * np.sqrt(nominal / len(alarms))
        if is_unseen
        else np.mean(alarms) > 0.2
    )
