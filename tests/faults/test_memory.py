"""Memory of a worker after many large requests."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from fault_load import PREDICT, RECORD
from model_server import ModelServer, ModelShelf, run_model_server, wait_until

pytestmark = pytest.mark.slow
ROWS, REQUESTS = 60_000, 12
MEBIBYTE = 1 << 20
MAX_GROWTH = 50 * MEBIBYTE


def test_large_batches_at_once_leave_a_worker_as_small_as_one_did(
    tmp_path: Path, artifact_folder: Path
) -> None:
    ModelShelf(tmp_path).add("small", artifact_folder)
    with run_model_server(tmp_path, workers=1) as platform:
        send_batches(platform, 1)
        worker = psutil.Process(platform.list_workers()[0])
        after_one = worker.memory_info().rss
        assert send_batches(platform, REQUESTS) <= {200, 503}
        wait_until("its memory is back", lambda: worker.memory_info().rss < after_one + MAX_GROWTH)


def send_batches(platform: ModelServer, count: int) -> set[int]:
    """Send large batches at once; return the statuses."""
    body = {"records": [RECORD] * ROWS}
    with ThreadPoolExecutor(count) as pool:
        return {
            each.status
            for each in pool.map(lambda _: platform("POST", f"{PREDICT}/batch", body), range(count))
        }
