"""A port in use is named, with who has it and what to do."""

import os
import socket
from collections.abc import Iterator, Mapping

import pytest

from deploy.embedded import ports
from deploy.embedded.part import Part
from deploy.embedded.settings import PlatformError
from servers import free_port


def _part(title: str, used: Mapping[int, str]) -> Part:
    return Part(name=title.lower(), title=title, command=["true"], ports=used, ready="tcp://127.0.0.1:1")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_named_with_its_process(taken: int) -> None:
    with pytest.raises(PlatformError) as refused:
        ports.check([_part("Pages", {taken: "STREAMLIT_PORT"})])
    said = str(refused.value)
    assert f"port {taken}, which Pages wants, is taken by process {os.getpid()} (" in said
    assert "make up STREAMLIT_PORT=" in said


def test_a_port_wanted_twice_is_named() -> None:
    port = free_port()
    with pytest.raises(
        PlatformError, match=f"port {port} is wanted by API and by MLflow; change MLFLOW_PORT"
    ):
        ports.check([_part("API", {port: "SERVICIO_ML_PORT"}), _part("MLflow", {port: "MLFLOW_PORT"})])


def test_free_ports_are_fine() -> None:
    ports.check([_part("API", {free_port(): "SERVICIO_ML_PORT"})])


def test_the_next_free_port_passes_over_those_in_use_and_those_promised(taken: int) -> None:
    assert ports.free_from(taken, ()) > taken
    assert ports.free_from(taken, [taken + 1]) > taken + 1
