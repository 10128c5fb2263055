"""The server's processes: the parent that holds registry and sockets, and the workers that answer."""
