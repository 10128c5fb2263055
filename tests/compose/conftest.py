"""One stack for all tests of this folder."""

import time
from collections.abc import Iterator

import pytest

from compose import engine


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[engine.Stack]:
    """Everything but Grafana, built and healthy."""
    engine.require_engine()
    engine.build(tmp_path_factory.mktemp("context"))
    started = time.monotonic()
    with engine.run_stack(tmp_path_factory.mktemp("stack")) as running:
        print(f"healthy after {time.monotonic() - started:.0f} s")  # noqa: T201  a figure for whoever asks with -s
        yield running
