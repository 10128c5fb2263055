"""Requests at a fixed rate, whatever the server does: `python -m benchmarks.serving.paced`.

A client that waits for an answer before it asks again leaves out the requests that would have met a pause
(coordinated omission, Tene 2013). Here each request is due at a fixed moment, and its latency counts from it.
"""

import argparse
import json
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks.serving.processes import HOST

RECEIVE_BYTES, GRACE_SECONDS = 1 << 16, 5.0
HEAD_END, LENGTH, OK_START = b"\r\n\r\n", b"content-length:", b"HTTP/1.1 200"


class PacedClient:
    """Connections over which requests are sent when they are due.

    Args:
        port: Port of the server.
        requests: Requests in the order of their sending, over and over.
        connections: Number of connections; a request that finds none idle waits, which counts.

    Attributes:
        seconds: Latency of each answered request, from when it was due.
        refused: Number of answers that are not 200.
    """

    def __init__(self, port: int, requests: Sequence[bytes], connections: int) -> None:
        self.seconds: list[float] = []
        self.refused = 0
        self._requests, self._sent = requests, 0
        self._due: deque[float] = deque()
        self._epoll = select.epoll()
        self._connections = {each.fileno(): each for each in (_connect(port) for _ in range(connections))}
        self._idle = [*self._connections]
        self._pending: dict[int, tuple[float, bytearray]] = {}
        for descriptor in self._connections:
            self._epoll.register(descriptor, select.EPOLLIN)

    def run(self, rate: float, seconds: float) -> None:
        """Send requests for some seconds, and wait for the last answers."""
        start, total, made = time.perf_counter(), int(rate * seconds), 0
        while made < total or self._due or self._pending:
            now = time.perf_counter() - start
            if now > seconds + GRACE_SECONDS:
                return
            while made < total and made / rate <= now:
                self._due.append(start + made / rate)
                made += 1
            self._send_due()
            # polls without a pause: the client has a processor of its own, and timers are too coarse
            for descriptor, _ in self._epoll.poll(0):
                self._receive(descriptor)

    def _send_due(self) -> None:
        while self._due and self._idle:
            descriptor = self._idle.pop()
            self._pending[descriptor] = (self._due.popleft(), bytearray())
            self._connections[descriptor].sendall(self._requests[self._sent % len(self._requests)])
            self._sent += 1

    def _receive(self, descriptor: int) -> None:
        part = self._connections[descriptor].recv(RECEIVE_BYTES)
        if not part:
            raise ConnectionError("the server has closed a connection")
        due, answer = self._pending[descriptor]
        answer += part
        if _is_complete(answer):
            self.seconds.append(time.perf_counter() - due)
            self.refused += not answer.startswith(OK_START)
            del self._pending[descriptor]
            self._idle.append(descriptor)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection((HOST, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _is_complete(answer: bytearray) -> bool:
    head, end, body = answer.partition(HEAD_END)
    if not end:
        return False
    _, found, rest = head.lower().partition(LENGTH)
    if not found:
        raise ConnectionError("an answer has no Content-Length")
    return len(body) >= int(rest.partition(b"\r\n")[0])


def build_requests(path: str, bodies: Sequence[bytes]) -> list[bytes]:
    """Build HTTP requests of JSON bodies."""
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: "
    return [head.encode() + f"{len(body)}\r\n\r\n".encode() + body for body in bodies]


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("port", "connections"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("rate", "seconds"):
        parser.add_argument(f"--{name}", type=float, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--bodies", type=Path, required=True)
    given = parser.parse_args()
    bodies = given.bodies.read_bytes().splitlines()
    client = PacedClient(given.port, build_requests(given.path, bodies), given.connections)
    client.run(given.rate, given.seconds)
    microseconds = np.array(client.seconds or [0.0]) * 1e6
    tails = {name: np.quantile(microseconds, share) for name, share in QUANTILES.items()}
    unanswered = int(given.rate * given.seconds) - len(client.seconds)
    json.dump(
        {
            "requests": len(client.seconds), "microseconds": given.seconds * 1e6, "refused": client.refused,
            "broken": unanswered, **tails,
        },
        sys.stdout,
    )  # fmt: skip


QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "maximum": 1.0}

if __name__ == "__main__":
    main()
