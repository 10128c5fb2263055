"""The gRPC server: inference, health and reflection on a port that all workers share."""

import asyncio
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from servicio_ml.errors import SettingsError
from servicio_ml.serving.models import Models
from servicio_ml.serving.oip.grpc_guard import SERVICE
from servicio_ml.serving.oip.grpc_service import Inference, handler
from servicio_ml.serving.service import Service

LOOK_SECONDS = 0.5
"""Between two looks at what the health service tells."""


class Health:
    """`grpc.health.v1`: the server, the inference service, and each model by its name."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._following: asyncio.Task[None] | None = None
        self.servicer: Any = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs lack it

    async def look(self) -> None:
        """Tell what is ready now."""
        states = dict.fromkeys(("", SERVICE), self._models.ready)
        states |= {name: known.champion is not None for name, known in self._models.known.items()}
        statuses = health_pb2.HealthCheckResponse.ServingStatus
        for name, ready in states.items():
            await self.servicer.set(name, statuses.SERVING if ready else statuses.NOT_SERVING)

    def follow(self, server: grpc.aio.Server) -> None:
        """Go on telling until the server has stopped."""
        self._following = asyncio.create_task(self._follow(server))

    async def _follow(self, server: grpc.aio.Server) -> None:
        while await server.wait_for_termination(LOOK_SECONDS):
            await self.look()


async def start(
    service: Service, host: str, port: int, announce: Callable[[], None] = lambda: None
) -> grpc.aio.Server:
    """Start the server; `stop` ends it with everything it began.

    Args:
        service: Of this process.
        host: Address to bind to.
        port: Shared with the other workers.
        announce: Tells the other processes to look at the registry now.

    Raises:
        SettingsError: The address cannot be bound.
    """
    options = [("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", service.limits.body_bytes)]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=service.limits.concurrency)
    server.add_generic_rpc_handlers((handler(Inference(service, announce)),))
    told = Health(service.models)
    health_pb2_grpc.add_HealthServicer_to_server(told.servicer, server)
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    address = f"{f'[{host}]' if _is_ipv6(host) else host}:{port}"
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        problem = f"{address} cannot be bound; stop what listens there or choose another"
        raise SettingsError("SERVICIO_ML_GRPC_PORT", problem) from error
    await told.look()
    await server.start()
    told.follow(server)
    return server


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True
