"""API keys: hashed in a file, compared in constant time, each with its scopes.

A line of the file is `name scopes sha256`, the scopes separated by commas; `#` starts a comment. Keys are
random, so that a plain hash cannot be reversed.
"""

import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from servicio_ml.errors import ForbiddenError, SettingsError, UnauthorizedError

KEY_BYTES = 32
DIGEST_PATTERN = re.compile(r"[0-9a-fA-F]{64}")


class Scope(StrEnum):
    """Permission of a key; `admin` includes `predict`."""

    PREDICT = "predict"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One known key."""

    name: str
    scopes: frozenset[Scope]
    digest: str


class ApiKeys:
    """The keys of a server; without any, every route is open."""

    def __init__(self, known: tuple[ApiKey, ...] = ()) -> None:
        self._known = known

    @property
    def is_open(self) -> bool:
        """Whether no key is required."""
        return not self._known

    def authorize(self, presented_key: str, scope: Scope) -> str:
        """Return the name of a key that has a scope; empty where every route is open.

        Raises:
            UnauthorizedError: The key is absent or unknown.
            ForbiddenError: The key does not have the scope.
        """
        if not self._known:
            return ""
        # only digests are compared: their length is fixed, and reveals nothing about the key
        digest, matching = hash_key(presented_key), None
        # every key is compared, so that the duration reveals nothing
        for key in self._known:
            if compare_digest(digest, key.digest):
                matching = key
        # an empty key is refused even if its digest stands in the file by mistake
        if matching is None or not presented_key:
            raise UnauthorizedError
        if scope not in matching.scopes and Scope.ADMIN not in matching.scopes:
            raise ForbiddenError(matching.name, scope.value)
        return matching.name


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key as hexadecimal digits."""
    return sha256(key.encode()).hexdigest()


def generate_key() -> str:
    """Generate a random key that is safe in a URL and a header."""
    return secrets.token_urlsafe(KEY_BYTES)


def read_presented_key(headers: dict[bytes, bytes]) -> str:
    """Return the key of a request, from `X-API-Key` or `Authorization: Bearer`; empty without one."""
    key = headers.get(b"x-api-key")
    if key is None:
        kind, _, key = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() != b"bearer":
            return ""
    return key.decode("latin-1").strip()


def format_key_line(name: str, scopes: frozenset[Scope], key: str) -> str:
    """Format the line of the key file for a key."""
    return f"{name} {','.join(sorted(scopes))} {hash_key(key)}"


def read_keys(path: Path) -> ApiKeys:
    """Read the keys of a file.

    Raises:
        SettingsError: The file cannot be read, holds no key, or has a line that is not `name scopes sha256`.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeError) as error:
        raise SettingsError("SERVICIO_ML_KEYS_FILE", f"{error}; make one with `servicio-ml key`") from error
    # a comment may follow a key, so that a file can say who holds it
    lines = [(number, each.split("#")[0].split()) for number, each in enumerate(text.splitlines(), 1)]
    known = tuple(_parse_key(path, number, words) for number, words in lines if words)
    # a file without keys would open the server, so it is an error
    if not known:
        problem = f"{path} holds no key; make one with `servicio-ml key`"
        raise SettingsError("SERVICIO_ML_KEYS_FILE", problem)
    return ApiKeys(known)


def _parse_key(path: Path, number: int, words: list[str]) -> ApiKey:
    try:
        name, scopes, digest = words
        known = frozenset(map(Scope, scopes.split(",")))
        if not DIGEST_PATTERN.fullmatch(digest):
            raise ValueError  # noqa: TRY301  translated below
        return ApiKey(name=name, scopes=known, digest=digest.lower())
    except ValueError as error:
        problem = f"{path}, line {number}: a line is `name scopes sha256`, scopes being predict or admin"
        raise SettingsError("SERVICIO_ML_KEYS_FILE", problem) from error
