"""What the parent passes to each worker, and the function that a worker starts with.

The parent imports only this: what answers requests takes half a second and 50 MB.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from servicio_ml.settings import Settings

if TYPE_CHECKING:
    from servicio_ml.serving.http.asgi import AsgiApp

PROTOCOL = "servicio_ml.api.protocol:FastPathProtocol"
"""Class of the connections, which each worker imports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan:
    """Settings and shared resources that the parent passes to each worker.

    Attributes:
        settings: Settings of the server.
        folder: Run folder: metrics, bin counts and the registry's socket.
        key: Authentication key of that socket.
        parent: Process id of the parent; a worker stops when it is gone.
    """

    settings: Settings
    folder: Path
    key: bytes
    parent: int

    @property
    def socket(self) -> Path:
        """Socket of the parent's registry."""
        return self.folder / "registry.sock"

    @property
    def metrics(self) -> Path:
        """Folder of the files that prometheus_client shares between processes."""
        return self.folder / "metrics"

    @property
    def reload_file(self) -> Path:
        """File whose modification time makes every worker refresh its models."""
        return self.folder / "reload"

    def announce(self) -> None:
        """Make every worker refresh its models."""
        self.reload_file.touch()


def create_app(plan: WorkerPlan) -> "AsgiApp":
    """Create the ASGI application of a worker, in its process."""
    from servicio_ml.api.worker import build_worker_app  # noqa: PLC0415

    return build_worker_app(plan)
