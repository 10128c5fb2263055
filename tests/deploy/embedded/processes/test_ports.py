"""A port in use is reported with the process that has it and with another port."""

import os
import socket
from collections.abc import Iterator, Mapping

import pytest

from deploy.embedded.components.component import Component
from deploy.embedded.processes import ports
from deploy.embedded.settings import PlatformError
from servers import find_free_port


def _build_component(title: str, used: Mapping[int, str]) -> Component:
    return Component(name=title.lower(), title=title, command=["true"], ports=used, ready="tcp://127.0.0.1:1")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_reported_with_its_process(taken: int) -> None:
    with pytest.raises(PlatformError) as refused:
        ports.check_ports([_build_component("Pages", {taken: "STREAMLIT_PORT"})])
    message = str(refused.value)
    assert f"port {taken}, which Pages wants, is taken by process {os.getpid()} (" in message
    assert "make up STREAMLIT_PORT=" in message


def test_a_port_wanted_twice_is_reported() -> None:
    port = find_free_port()
    with pytest.raises(
        PlatformError, match=f"port {port} is wanted by API and by MLflow; change MLFLOW_PORT"
    ):
        ports.check_ports(
            [
                _build_component("API", {port: "SERVICIO_ML_PORT"}),
                _build_component("MLflow", {port: "MLFLOW_PORT"}),
            ]
        )


def test_free_ports_pass_the_check() -> None:
    ports.check_ports([_build_component("API", {find_free_port(): "SERVICIO_ML_PORT"})])


def test_the_next_free_port_passes_over_used_and_excluded_ports(taken: int) -> None:
    assert ports.find_free_port(taken, ()) > taken
    assert ports.find_free_port(taken, [taken + 1]) > taken + 1
