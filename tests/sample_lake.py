"""A lake with the sample of a use case, published by the real ETL."""

from pathlib import Path

import numpy as np

from fakes.object_store import MemoryObjectStore
from fakes.tracker import MemoryTracker
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.raw_data.raw_files import write_csv
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.synthetic.sampler import draw_rows
from servicio_ml.pipeline.etl.run import run_etl

PERIOD = "2017-06"


def publish_sample(use_case: UseCase, rows: int, folder: Path) -> tuple[MemoryObjectStore, Manifest]:
    """Publish synthetic rows in a lake in memory; the folder takes the raw file."""
    raw, store = folder / "raw.csv", MemoryObjectStore()
    table = draw_rows(use_case, rows, np.random.default_rng(0))
    write_csv(raw, table.columns, header=table.named)
    manifest = run_etl(
        use_case, raw, source_name="sample", period=PERIOD, store=store,
        connect_tracker=lambda: MemoryTracker(folder / "runs", lambda: 0.0), progress=SilentProgress(),
        stats=NoStats(),
    )  # fmt: skip
    return store, manifest
