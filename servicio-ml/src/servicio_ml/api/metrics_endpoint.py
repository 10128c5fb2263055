"""The metrics of all processes of a server, as Prometheus scrapes them."""

import os
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector


def render_metrics(folder: Path, collectors: Sequence[Collector]) -> bytes:
    """Render the metrics of all processes as text."""
    # prometheus_client removes gauges of a dead process only when it is given its id
    for path in folder.glob("gauge_live*.db"):
        pid = int(path.stem.rsplit("_", 1)[1])
        if not _is_alive(pid):
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]  # it has no types
    # a new registry for each scrape: the multiprocess collector reads the files again
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # it has no types
    for each in collectors:
        registry.register(each)
    return generate_latest(registry)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
