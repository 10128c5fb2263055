"""gRPC server: inference, health and reflection on a port that all workers share."""

import asyncio
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from servicio_ml.errors import SettingsError
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.oip.grpc_calls import SERVICE_NAME
from servicio_ml.serving.oip.grpc_service import InferenceService, build_handler
from servicio_ml.serving.prediction.service import Service

HEALTH_INTERVAL_SECONDS = 0.5
"""Interval between two updates of the health service."""
PING_SECONDS = 5.0
"""Default minimum interval of a client's keepalive pings: clients are commonly set to 10 seconds or more."""


class GrpcHealth:
    """Statuses of `grpc.health.v1` for the server, the inference service and each model by its name."""

    def __init__(self, models: LoadedModels) -> None:
        self._models = models
        # the task is kept: asyncio holds only weak references to tasks
        self._update_task: asyncio.Task[None] | None = None
        self.servicer: Any = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs lack it

    async def update(self) -> None:
        """Set the current statuses."""
        # the empty name is the server as a whole, by grpc.health.v1
        states = dict.fromkeys(("", SERVICE_NAME), self._models.is_ready)
        states |= {name: known.champion is not None for name, known in self._models.statuses.items()}
        statuses = health_pb2.HealthCheckResponse.ServingStatus
        for name, ready in states.items():
            await self.servicer.set(name, statuses.SERVING if ready else statuses.NOT_SERVING)

    def start_updates(self, server: grpc.aio.Server) -> None:
        """Update the statuses until the server has stopped."""
        self._update_task = asyncio.create_task(self._update_until_stopped(server))

    async def _update_until_stopped(self, server: grpc.aio.Server) -> None:
        while await server.wait_for_termination(HEALTH_INTERVAL_SECONDS):
            await self.update()


async def start_grpc_server(
    service: Service,
    host: str,
    port: int,
    announce: Callable[[], None] = lambda: None,
    *,
    ping_seconds: float = PING_SECONDS,
) -> grpc.aio.Server:
    """Start the server; its `stop` also ends the updates of its health service.

    Args:
        service: Service of this process.
        host: Address to bind to.
        port: Port, shared with the other workers.
        announce: Makes the other processes read the registry now.
        ping_seconds: Minimum seconds between two keepalive pings of a client; after several earlier ones its
            connection is closed.

    Raises:
        SettingsError: The address cannot be bound.
    """
    options = _build_options(service.limits.body_bytes, ping_seconds)
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=service.limits.concurrency)
    server.add_generic_rpc_handlers((build_handler(InferenceService(service, announce)),))
    grpc_health = GrpcHealth(service.models)
    health_pb2_grpc.add_HealthServicer_to_server(grpc_health.servicer, server)
    names = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    address = f"{f'[{host}]' if _is_ipv6(host) else host}:{port}"
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        problem = f"{address} cannot be bound; stop what listens there or choose another"
        raise SettingsError("SERVICIO_ML_GRPC_PORT", problem) from error
    # set before the start, or the first checks would find unknown services
    await grpc_health.update()
    await server.start()
    grpc_health.start_updates(server)
    return server


def _build_options(body_bytes: int, ping_seconds: float) -> list[tuple[str, int]]:
    return [
        # every worker binds the same port, and the kernel distributes the connections
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", body_bytes),
        # gRPC's own limits, 5 minutes and no ping without a call, close the idle streams of usual clients
        ("grpc.http2.min_ping_interval_without_data_ms", int(ping_seconds * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True
