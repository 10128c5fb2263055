"""`servicio-ml stream-worker` and `servicio-ml stream-sample`."""

import json
import tempfile
import threading
import time
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servicio_ml.cli.options import (
    ClaimSeconds,
    Debug,
    DriftAfter,
    Json,
    MetricsPort,
    RequestCount,
    RequestRate,
    RequestSeed,
    StreamModels,
    UseCaseName,
)
from servicio_ml.cli.session import CommandSession, open_session

if TYPE_CHECKING:
    from servicio_ml.domain.schema import FeatureSchema

# idle time that a live worker does not reach with one batch of requests
CLAIM_AFTER_SECONDS = 30.0
# a generator of ranks needs a few hundred rows; beyond the maximum they are repeated
MIN_DRAWN, MAX_DRAWN = 200, 10_000
"""Limits of the number of synthetic rows: fewer do not show what the data is like; more are repeated."""


def stream_worker(
    model: StreamModels = None,
    metrics_port: MetricsPort = 0,
    claim_after: ClaimSeconds = CLAIM_AFTER_SECONDS,
    debug: Debug = False,
) -> None:
    """Answer the requests of the models' Redis or Valkey streams; run any number of workers."""
    with open_session(as_json=False, debug=debug) as here:
        from servicio_ml.api.stream import run_worker
        from servicio_ml.settings import load_settings

        settings = load_settings(models=",".join(model)) if model else here.settings
        run_worker(settings, metrics_port=metrics_port, claim_after_seconds=claim_after)


def stream_sample(
    name: UseCaseName,
    rows: RequestCount = 1000,
    rate: RequestRate = 100,
    seed: RequestSeed = 0,
    drift_after: DriftAfter = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Put synthetic rows on a model's stream, as requests for the champion."""
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml.api.stream import connect_broker
        from servicio_ml.domain.stream import KEY, RECORD, StreamKind, build_stream_name
        from servicio_ml.pipeline.shifted_numbers import shift_numbers

        broker = connect_broker(here.settings)
        records, schema = _generate_records(here, name, min(max(rows, MIN_DRAWN), MAX_DRAWN), seed)
        drifted = [shift_numbers(record, schema.fields) for record in records]
        started, pause = time.monotonic(), threading.Event()
        with here.progress.open_bar(f"requests of {name}", total=rows) as advance:
            for number, pair in enumerate(islice(cycle(zip(records, drifted, strict=True)), rows)):
                record = pair[drift_after is not None and number >= drift_after]
                if rate:
                    # against the planned time and not the last request, so that delays do not add up
                    pause.wait(max(0.0, started + number / rate - time.monotonic()))
                broker.append(name, {RECORD: json.dumps(record), KEY: f"sample-{number}"})
                advance()
        broker.close()
        stream = build_stream_name(name, StreamKind.REQUESTS)
        here.print_line(f"{rows} requests on {stream}")
        here.print_document({"use_case": name, "stream": stream, "rows": rows, "seed": seed})


def _generate_records(
    here: CommandSession, name: str, rows: int, seed: int
) -> "tuple[list[dict[str, Any]], FeatureSchema]":
    """Synthetic rows with the fields that the champion takes, and its schema."""
    import numpy as np

    from servicio_ml import bootstrap
    from servicio_ml.domain.fields.identifier import IDENTIFIER
    from servicio_ml.features.artifact import download_artifact, load_artifact
    from servicio_ml.features.synthetic.sampler import draw_rows
    from servicio_ml.lifecycle.versions import find_version
    from servicio_ml.pipeline.synthetic_requests import read_typed_records
    from servicio_ml.use_cases.catalogue import find

    use_case = find(name, here.settings.use_cases_dir)
    _, registry = bootstrap.connect_mlflow(here.settings)
    with download_artifact(registry, name, find_version(registry, name, "").version) as folder:
        # the champion's schema may lack fields that the use case has
        artifact = load_artifact(folder)
    table = draw_rows(use_case, rows, np.random.default_rng(seed))
    with tempfile.TemporaryDirectory(prefix="servicio-ml-sample-") as scratch:
        target = Path(scratch) / "sample.csv"
        bootstrap.write_csv(target, table.columns, header=table.named)
        names = [*artifact.encoder.schema.field_names, *[IDENTIFIER] * bool(artifact.identifier)]
        return read_typed_records(use_case, target, names), artifact.encoder.schema
