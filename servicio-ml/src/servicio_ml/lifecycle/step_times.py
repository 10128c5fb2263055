"""Times at which ETL and training last ended well, from what they leave: a manifest and a version.

A drift report is missing on purpose: one of a window without rows ends well and leaves nothing.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.registry import RegistryReader
from servicio_ml.errors import NotPublishedError
from servicio_ml.lifecycle.published import read_publication_time


def read_step_times(store: ObjectStore, registry: RegistryReader, use_case: str) -> Mapping[str, float]:
    """Read the time of each step's last success, in seconds since 1970; a step without one is absent.

    Raises:
        StoreError: The lake cannot be read.
        RegistryError: MLflow cannot be reached.
    """
    times: dict[str, float] = {}
    with suppress(NotPublishedError):
        times["etl"] = read_publication_time(store, use_case)
    # a training registers its candidate, also one that is rejected
    if versions := registry.list_versions(use_case):
        times["train"] = versions[0].created
    return times


ReadStepTimes = Callable[[str], Mapping[str, float]]
"""Reads the times of a use case's steps."""
