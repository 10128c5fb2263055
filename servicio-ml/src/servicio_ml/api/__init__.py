"""The server's processes: the parent, which holds registry and sockets, and its workers."""
