"""When each step last ended well follows from what it has left."""

import json
import time
from pathlib import Path

from fakes.object_store import MemoryObjectStore
from fakes.registry import MemoryRegistry
from servicio_ml.lifecycle.published import build_manifest_key
from servicio_ml.lifecycle.step_times import read_step_times

NAME = "small"
REGISTERED = 1_700_000_000.5


def _put(store: MemoryObjectStore, folder: Path, key: str, document: object) -> None:
    path = folder / "document.json"
    path.write_text(json.dumps(document))
    store.put(key, path)


def _create_registry(folder: Path) -> MemoryRegistry:
    return MemoryRegistry(folder / "registry", lambda: REGISTERED)


def test_a_use_case_without_anything_has_no_times(tmp_path: Path) -> None:
    assert read_step_times(MemoryObjectStore(), _create_registry(tmp_path), NAME) == {}


def test_each_step_has_its_time(tmp_path: Path) -> None:
    store, registry = MemoryObjectStore(), _create_registry(tmp_path)
    (tmp_path / "artifact").mkdir()
    registry.register(NAME, tmp_path / "artifact", run_id="run", tags={})
    before = time.time()
    _put(store, tmp_path, build_manifest_key(NAME, "2016-06"), {})
    times = read_step_times(store, registry, NAME)
    assert before <= times["etl"] <= time.time()
    assert times["train"] == REGISTERED
    assert set(times) == {"etl", "train"}
