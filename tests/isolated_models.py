"""Isolated models for tests: a pickle with its own module beside it, alone or as an artifact."""

import json
import pickle
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

import hostile_estimator
import value_clipper
from hostile_estimator import ACT, ACTS, NUMBER, OK, HostileEstimator
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.use_case import Task
from servicio_ml.features.artifact import (
    CARD,
    GOLDEN,
    MODEL,
    OUTPUT,
    REFERENCE,
    SCHEMA,
    build_golden_answers,
    load_artifact,
)
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.isolated.model_process import ModelProgram
from servicio_ml.features.isolated.worker_document import MODEL_FOLDER, WORKER
from servicio_ml.features.output import OutputTransform
from servicio_ml.features.profile import UnseenRows, build_profile
from servicio_ml.features.uncertainty.uncertainty import UNCERTAINTY
from small_use_case import generate_rows
from value_clipper import ValueClipper

MEMORY_BYTES, MAX_SECONDS = 2 << 30, 60
FILE = "estimator.pkl"
COLUMNS = (("Size", "size", "float64"), ("Weight", "weight", "float64"), ("Colour", "colour", "string"))
"""Name, field and type of each column of the pipeline, of the small use case."""
HOSTILE_COLUMNS = ((ACT, ACT, "string"), (NUMBER, NUMBER, "float64"))
HOSTILE_SCHEMA = FeatureSchema(
    fields=(
        Field(name=ACT, kind=Kind.CATEGORY, levels=(OK, "wrong shape", "fewer rows", "text", *ACTS)),
        # NaN is no value of a request: the probability of a number beyond 1 is none either
        Field(name=NUMBER, kind=Kind.NUMBER, minimum=0, maximum=2),
    )
)


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


def wait_until_ended(process: int) -> None:
    """Wait until a process is gone."""
    deadline = time.monotonic() + MAX_SECONDS
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def fit_pipeline() -> Any:
    """Fit a pipeline with a transformer of its own to the rows of the small use case, in pandas."""
    rows = generate_rows(Task.BINARY, 300).to_pandas()
    frame = pd.DataFrame({name: rows[field] for name, field, _ in COLUMNS})
    columns = ColumnTransformer(
        [
            ("numbers", ValueClipper(), ["Size", "Weight"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["Colour"]),
        ]
    )
    return make_pipeline(columns, DecisionTreeClassifier(max_depth=4, random_state=0)).fit(
        frame, rows["outcome"]
    )


def write_pipeline_artifact(folder: Path, onnx_folder: Path) -> Path:
    """Write the artifact of a small model with such a pipeline instead of its ONNX model."""
    shutil.copytree(onnx_folder, folder)
    (folder / MODEL).unlink()
    document = json.loads((folder / OUTPUT).read_text())
    # the calibration table of the ONNX model is not the pipeline's
    (folder / OUTPUT).write_text(json.dumps({**document, "tables": []}))
    write_model(folder / MODEL_FOLDER, fit_pipeline(), value_clipper)
    return _complete_artifact(folder, COLUMNS)


def write_hostile_artifact(folder: Path, *, name: str = "small", memory_bytes: int = MEMORY_BYTES) -> Path:
    """Write the artifact of a hostile estimator, which answers its golden rows."""
    folder.mkdir(parents=True)
    records = [{ACT: OK, NUMBER: share / 10} for share in range(11)]
    matrix = Encoder(HOSTILE_SCHEMA).encode_records(records)
    unseen = UnseenRows(
        rows=np.arange(len(matrix)), binned_values=matrix[:, 1], classes=("no", "yes"),
        performance=lambda _: {"accuracy": 1.0},
    )  # fmt: skip
    documents = {
        SCHEMA: HOSTILE_SCHEMA.to_json(),
        OUTPUT: OutputTransform(task="binary", labels=("no", "yes")).to_json(),
        REFERENCE: build_profile(HOSTILE_SCHEMA, matrix, DriftPolicy(bins=5), unseen).to_json(),
        GOLDEN: {"model": name, "records": records, "answers": []},
    }
    for file, document in documents.items():
        (folder / file).write_text(json.dumps(document))
    (folder / CARD).write_text("# Hostile\n")
    write_model(folder / MODEL_FOLDER, HostileEstimator(), hostile_estimator)
    return _complete_artifact(folder, HOSTILE_COLUMNS, memory_bytes=memory_bytes)


def _complete_artifact(
    folder: Path, columns: Sequence[tuple[str, str, str]], *, memory_bytes: int = MEMORY_BYTES
) -> Path:
    """Write the document of the process, then the golden answers, which are its own."""
    document = {
        "kind": "pickle", "file": FILE, "python": "", "row_seconds": 0.001, "memory_bytes": memory_bytes,
        "requirements": "",
        "columns": [
            {"name": name, "field": field, "type": kind, "levels": []} for name, field, kind in columns
        ],
    }  # fmt: skip
    (folder / WORKER).write_text(json.dumps(document))
    # an import calibrates no model that runs in a process of its own
    (folder / UNCERTAINTY).unlink(missing_ok=True)
    artifact = load_artifact(folder)
    golden = json.loads((folder / GOLDEN).read_text())
    matrix = artifact.encoder.encode_records(golden["records"])
    golden["answers"] = build_golden_answers(artifact.predict(matrix))
    (folder / GOLDEN).write_text(json.dumps(golden))
    return folder
