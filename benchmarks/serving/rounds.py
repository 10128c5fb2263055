"""One row a request: every server in turn, in short rounds."""

import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.serving.load import Load, MeasurementError
from benchmarks.serving.processes import Memory
from benchmarks.serving.servers import ECHO, Server, ServerKind, build_our_server
from benchmarks.serving.stand import Stand, Up

CONNECTIONS = (1, 8, 32)
SCALED_CONNECTIONS = 32
STARTS = 3
SHARES = (50, 80)
"""Fixed rates, in percent of the echo's over many connections."""
Advance = Callable[[int, str], None]
Keep = Callable[[str, int, Load], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was found of one server.

    Attributes:
        server: What it is.
        seconds: From its start to its first answer, on one processor.
        loads: Level to round to load; a round in which a peer failed is left out.
        memory: After the last round of most connections.
    """

    server: Server
    seconds: float
    loads: Mapping[int, dict[int, Load]]
    memory: list[Memory] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How every server is measured.

    Attributes:
        levels: Numbers of connections, or shares of the echo's rate in percent.
        count: Number of rounds at each level.
        load: Loads a server at a level.
        advance: Called before each load with its number and its name.
        keep: Called after each load with the server's name, the level and what was found.
    """

    levels: Sequence[int]
    count: int
    load: Callable[[Up, int], Load]
    advance: Advance
    keep: Keep


def measure(stand: Stand, servers: Sequence[Server], rounds: Rounds) -> list[Measured]:
    """Every server at every level, interleaved; held while another is measured.

    A peer that does not start, or fails in a round, is named on standard error and left out there.

    Raises:
        MeasurementError, TimeoutError: Ours or the echo failed.
    """
    with ExitStack() as stack:
        ups = [up for server in servers if (up := start_or_leave_out(stack, stand, server))]
        found = [
            Measured(server=up.server, seconds=up.seconds, loads={each: {} for each in rounds.levels})
            for up in ups
        ]
        for level in rounds.levels:
            for turn in range(rounds.count):
                for place in range(len(ups)):
                    each = (place + turn) % len(ups)
                    _measure_round(ups[each], found[each].loads[level], level, turn, rounds)
        for up, measured in zip(ups, found, strict=True):
            measured.memory.append(up.running.measure_memory())
    return found


def _measure_round(up: Up, loads: dict[int, Load], level: int, turn: int, rounds: Rounds) -> None:
    rounds.advance(1, f"{up.server.name}, {level}")
    if up.running.ended:
        leave_out(up.server, MeasurementError("it has ended"))
        return
    try:
        loads[turn] = rounds.load(up, level)
    except (MeasurementError, subprocess.TimeoutExpired) as error:
        leave_out(up.server, error)
    else:
        rounds.keep(up.server.name, level, loads[turn])


def find_echo_rate(stand: Stand, seconds: int) -> float:
    """Find the requests per second of the echo over many connections."""
    with stand.start(ECHO, stand.server) as up:
        stand.warm(up, stand.client)
        return stand.load(up, connections=SCALED_CONNECTIONS, seconds=seconds, processors=stand.client).rate


def start_or_leave_out(stack: ExitStack, stand: Stand, server: Server) -> Up | None:
    """Start a server and warm it up; None of a peer that fails, which is named on standard error.

    Raises:
        MeasurementError, TimeoutError: Ours or the echo failed.
    """
    try:
        up = stack.enter_context(stand.start(server, stand.server))
        stand.warm(up, stand.client)
    except (MeasurementError, TimeoutError, subprocess.CalledProcessError) as error:
        leave_out(server, error)
        return None
    return up


def leave_out(server: Server, error: Exception) -> None:
    """Name a peer that has failed on standard error.

    Raises:
        Exception: The error, of ours or of the echo.
    """
    if server.kind in {ServerKind.OURS, ServerKind.CEILING, ServerKind.IMPORTED}:
        raise error
    print(f"{server.title} is left out: {error}", file=sys.stderr)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Two workers against one, on two processors that wrk shares with them.

    Attributes:
        rate: Ratio of requests per second.
        efficiency: Requests per processor second of the servers, two workers ÷ one.
    """

    rate: float
    efficiency: float


def measure_scaling(stand: Stand, rounds: int, seconds: int) -> Scaling:
    """Two workers and one in turns, each round a pair; medians of ratios."""
    rates, efficiencies = [], []
    with (
        stand.start(build_our_server(1), stand.both) as one,
        stand.start(build_our_server(2), stand.both) as two,
    ):
        for up in (one, two):
            stand.warm(up, stand.both)
        for _ in range(rounds):
            (rate, per_second), (rate_two, per_second_two) = (
                _measure_spent(stand, up, seconds) for up in (one, two)
            )
            rates.append(rate_two / rate)
            efficiencies.append(per_second_two / per_second)
    return Scaling(rate=statistics.median(rates), efficiency=statistics.median(efficiencies))


def _measure_spent(stand: Stand, up: Up, seconds: int) -> tuple[float, float]:
    """Requests per second, and per second of the server's processor time."""
    before = up.running.measure_seconds()
    found = stand.load(up, connections=SCALED_CONNECTIONS, seconds=seconds, processors=stand.both)
    return found.rate, found.rate * seconds / (up.running.measure_seconds() - before)


def start(stand: Stand) -> float:
    """Median seconds from our start to the first answer, with two processors."""
    taken = []
    for _ in range(STARTS):
        with stand.start(build_our_server(1), stand.both) as up:
            taken.append(up.seconds)
    return statistics.median(taken)
