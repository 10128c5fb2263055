"""Which version answers which client: shares of versions, and how they change without a flip back."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

DIGEST_BITS, FRACTION_BITS = 64, 52
"""Bits of a digest, and those of them that a number in (0, 1) holds exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionShares:
    """Shares of the traffic of the versions besides the champion, which gets the rest.

    Attributes:
        shadow: Share of the rows (0–1) that each version which does not answer scores, too.
        shares: Share of the clients (0–1) that each version answers.
        later: Shares from `since` on; until then `shares` apply. All replicas change at that time.
        since: Time in seconds since 1970.
        marks_champion: Whether the champion's answers to clients that the shares route are logged with the
            purpose `canary`, too, so that they can be compared with those of the other versions.
    """

    shadow: float = 0.0
    shares: Mapping[int, float] = field(default_factory=dict)
    later: Mapping[int, float] = field(default_factory=dict)
    since: float = math.inf
    marks_champion: bool = False

    def get_shares(self, now: float) -> Mapping[int, float]:
        """Return the shares that apply at a time."""
        return self.later if now >= self.since else self.shares


def choose_version(client_key: str, champion: int, shares: Mapping[int, float]) -> int:
    """Choose the version that answers a client: always the same one as long as the shares are the same.

    Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights after Schindelhauer and Schomaker 2005):
    a version whose share grows in relation to each other's wins clients and loses none.

    Args:
        client_key: Key of the client.
        champion: Version that gets the rest, whatever share is named for it.
        shares: Share of each other version, 0 to 1 together.
    """
    weights = {version: share for version, share in shares.items() if version != champion and share > 0}
    rest = 1 - math.fsum(weights.values())
    if rest > 0:
        weights[champion] = rest
    return max(weights, key=lambda version: weights[version] / -math.log(_hash_client(client_key, version)))


def _hash_client(client_key: str, version: int) -> float:
    digest = blake2b(f"{version} {client_key}".encode(), digest_size=DIGEST_BITS // 8).digest()
    return scale_digest(digest)


def scale_digest(digest: bytes) -> float:
    """Map a uniform digest of 8 bytes to a uniform number above 0 and below 1."""
    whole = int.from_bytes(digest, "big") >> (DIGEST_BITS - FRACTION_BITS)
    return (whole + 0.5) / (1 << FRACTION_BITS)
