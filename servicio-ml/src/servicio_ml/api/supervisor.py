"""The supervisor of the workers: uvicorn's, which closes the port before it waits for them."""

from uvicorn.supervisors import Multiprocess


class Supervisor(Multiprocess):
    """Starts the workers, replaces dead ones, and drains them at a signal."""

    def terminate_all(self) -> None:
        """Stop the workers; new connections are refused at once instead of waiting."""
        # the workers have their own copies, and finish what they have accepted
        for socket in self.sockets:
            socket.close()
        super().terminate_all()
