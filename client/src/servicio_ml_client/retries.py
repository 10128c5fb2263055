"""Whether a call is sent again, and how long the client waits before."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from servicio_ml_client.call import Repeat

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures before the first byte of a request."""
PASSING_STATUSES = {
    Repeat.ALWAYS: {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    },
    Repeat.IF_REFUSED: {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE},
    Repeat.IF_UNSENT: {HTTPStatus.TOO_MANY_REQUESTS},
}
"""Statuses after which a call is repeated."""
Outcome = httpx.Response | httpx.HTTPError


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Number of attempts and the waits between them.

    A wait is random below a bound that doubles with each attempt, and is added to the server's `Retry-After`:
    the clients of a server that was down do not come back all at once.

    Attributes:
        max_attempts: Maximum number of times that a call is sent; 1 repeats nothing.
        backoff_seconds: Bound of the random wait before the first repetition.
        max_pause_seconds: Maximum wait; a call whose `Retry-After` is longer fails at once.
        random: Returns a random number from 0 to 1.
        clock: Returns the time in seconds since 1970.

    Raises:
        ValueError: A number is out of its range.
    """

    max_attempts: int = 4
    backoff_seconds: float = 0.25
    max_pause_seconds: float = 30.0
    random: Callable[[], float] = random.random
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts is {self.max_attempts}; it takes 1 or more")
        for name in ("backoff_seconds", "max_pause_seconds"):
            # negated, so that NaN fails
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it takes 0 or more")

    def compute_pause(self, repeat: Repeat, outcome: Outcome, attempt: int) -> float | None:
        """Compute the seconds to wait before the call is sent again; None if it is not.

        Args:
            repeat: When the call may be sent again.
            outcome: Response or failure of this attempt.
            attempt: Number of this attempt, from 1.
        """
        if attempt >= self.max_attempts or not _is_repeatable(repeat, outcome):
            return None
        asked = parse_retry_after(outcome, self.clock()) or 0.0
        if asked > self.max_pause_seconds:
            return None
        bound = self.backoff_seconds * 2.0 ** (attempt - 1)
        return min(asked + self.random() * bound, self.max_pause_seconds)


def _is_repeatable(repeat: Repeat, outcome: Outcome) -> bool:
    if isinstance(outcome, httpx.Response):
        return outcome.status_code in PASSING_STATUSES[repeat]
    if isinstance(outcome, NOT_SENT):
        return True
    # what the client itself refuses to send will not pass a second time
    passing = isinstance(outcome, httpx.TransportError) and not isinstance(
        outcome, (httpx.LocalProtocolError, httpx.UnsupportedProtocol)
    )
    return passing and repeat is Repeat.ALWAYS


def parse_retry_after(outcome: Outcome, now: float) -> float | None:
    """Parse the header `Retry-After`, seconds or a date; None without one that can be read.

    Args:
        outcome: Response or failure of an attempt.
        now: Current time, in seconds since 1970.
    """
    text = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None
