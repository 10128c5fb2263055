"""`servicio-ml stream-worker` and `servicio-ml stream-sample`."""

import json
import tempfile
import threading
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import typer

from servicio_ml.cli.session import Debug, Json, Session, UseCaseName, session

CLAIM_AFTER_SECONDS = 30.0
LEAST_DRAWN, MOST_DRAWN = 200, 10_000
"""Look-alike rows: few would not show what the data is like; beyond many they are sent again."""


def stream_worker(
    model: Annotated[
        list[str] | None, typer.Option(help="Serve only this model; may be given again. SERVICIO_ML_MODELS.")
    ] = None,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the worker's own metrics; none when 0.")
    ] = 0,
    claim_after: Annotated[
        float, typer.Option(min=0.1, help="Seconds after which the requests of a dead worker are taken over.")
    ] = CLAIM_AFTER_SECONDS,
    debug: Debug = False,
) -> None:
    """Answer the requests of the models' Redis or Valkey streams until stopped; any number may run."""
    with session(as_json=False, debug=debug) as here:
        from servicio_ml.api.stream import work
        from servicio_ml.settings import load

        settings = load(models=",".join(model)) if model else here.settings
        work(settings, metrics_port=metrics_port, claim_after_seconds=claim_after)


def stream_sample(
    name: UseCaseName,
    rows: Annotated[int, typer.Option(min=1, help="How many requests.")] = 1000,
    rate: Annotated[float, typer.Option(min=0, help="Requests a second; as fast as it goes when 0.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same requests.")] = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Put look-alike rows of a use case on its model's stream, as requests that the champion understands."""
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml.api.stream import connected
        from servicio_ml.domain.stream import KEY, RECORD, Stream, stream_name

        broker = connected(here.settings)
        records = _records(here, name, min(max(rows, LEAST_DRAWN), MOST_DRAWN), seed)
        started, pause = time.monotonic(), threading.Event()
        with here.progress.bar(f"requests of {name}", total=rows) as advance:
            for number, record in enumerate(islice(cycle(records), rows)):
                if rate:
                    pause.wait(max(0.0, started + number / rate - time.monotonic()))
                broker.append(name, {RECORD: json.dumps(record), KEY: f"sample-{number}"})
                advance()
        broker.close()
        stream = stream_name(name, Stream.REQUESTS)
        here.line(f"{rows} requests on {stream}")
        here.document({"use_case": name, "stream": stream, "rows": rows, "seed": seed})


def _records(here: Session, name: str, rows: int, seed: int) -> list[dict[str, Any]]:
    """Look-alike rows, with the fields that the champion takes."""
    import numpy as np

    from servicio_ml import bootstrap
    from servicio_ml.adapters.raw_files import write_csv
    from servicio_ml.features.artifact import downloaded, load_artifact
    from servicio_ml.features.sampler import draw
    from servicio_ml.pipeline.look_alike import typed_records
    from servicio_ml.pipeline.score import find_version
    from servicio_ml.use_cases.catalogue import find

    use_case = find(name, here.settings.use_cases_dir)
    _, registry = bootstrap.runs_and_models(here.settings)
    with downloaded(registry, name, find_version(registry, name, "").version) as folder:
        schema = load_artifact(folder).encoder.schema
    table = draw(use_case, rows, np.random.default_rng(seed))
    with tempfile.TemporaryDirectory(prefix="servicio-ml-sample-") as scratch:
        target = Path(scratch) / "sample.csv"
        write_csv(target, table.columns, header=table.named)
        return typed_records(use_case, target, schema.field_names)
