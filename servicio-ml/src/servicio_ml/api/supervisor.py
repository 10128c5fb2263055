"""The supervisor of the workers: uvicorn's, that lets go of the port before it waits for them."""

from uvicorn.supervisors import Multiprocess


class Supervisor(Multiprocess):
    """Starts the workers, replaces those that die, and drains them at a signal."""

    def terminate_all(self) -> None:
        """Tell the workers to finish; whoever connects now is refused at once, not left waiting."""
        for socket in self.sockets:
            socket.close()
        super().terminate_all()
