"""API keys: hashed in a file, compared in constant time, each with its scopes.

A line of the file is `name scopes sha256`, the scopes with a comma between; `#` begins a comment. Keys are
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
DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class Scope(StrEnum):
    """What a key is good for; `admin` includes `predict`."""

    PREDICT = "predict"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One known key."""

    name: str
    scopes: frozenset[Scope]
    digest: str


class Keys:
    """The keys of a server; with none of them, everything is open."""

    def __init__(self, known: tuple[Key, ...] = ()) -> None:
        self._known = known

    @property
    def open(self) -> bool:
        """Whether no key is asked for."""
        return not self._known

    def admit(self, presented: str, scope: Scope) -> str:
        """The name of whoever presents a key that is good for a scope; empty where everything is open.

        Raises:
            UnauthorizedError: The key is absent or unknown.
            ForbiddenError: It is not good for the scope.
        """
        if not self._known:
            return ""
        digest, found = digested(presented), None
        # all of them are compared, so that the time tells nothing
        for key in self._known:
            if compare_digest(digest, key.digest):
                found = key
        if found is None or not presented:
            raise UnauthorizedError
        if scope not in found.scopes and Scope.ADMIN not in found.scopes:
            raise ForbiddenError(found.name, scope.value)
        return found.name


def digested(key: str) -> str:
    """The SHA-256 of a key, as the file holds it."""
    return sha256(key.encode()).hexdigest()


def new_key() -> str:
    """A random key, safe in a URL and a header."""
    return secrets.token_urlsafe(KEY_BYTES)


def presented(headers: dict[bytes, bytes]) -> str:
    """The key of a request: `X-API-Key`, or `Authorization: Bearer`."""
    key = headers.get(b"x-api-key")
    if key is None:
        kind, _, key = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() != b"bearer":
            return ""
    return key.decode("latin-1").strip()


def line(name: str, scopes: frozenset[Scope], key: str) -> str:
    """The line of the file for a key."""
    return f"{name} {','.join(sorted(scopes))} {digested(key)}"


def read_keys(path: Path) -> Keys:
    """The keys of a file.

    Raises:
        SettingsError: It cannot be read, holds no key, or a line is not `name scopes sha256`.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeError) as error:
        raise SettingsError("SERVICIO_ML_KEYS_FILE", f"{error}; make one with `servicio-ml key`") from error
    lines = [(number, each.split("#")[0].split()) for number, each in enumerate(text.splitlines(), 1)]
    known = tuple(_key(path, number, parts) for number, parts in lines if parts)
    if not known:
        problem = f"{path} holds no key; make one with `servicio-ml key`"
        raise SettingsError("SERVICIO_ML_KEYS_FILE", problem)
    return Keys(known)


def _key(path: Path, number: int, parts: list[str]) -> Key:
    try:
        name, scopes, digest = parts
        known = frozenset(map(Scope, scopes.split(",")))
        if not DIGEST.fullmatch(digest):
            raise ValueError  # noqa: TRY301  told below
        return Key(name=name, scopes=known, digest=digest.lower())
    except ValueError as error:
        problem = f"{path}, line {number}: a line is `name scopes sha256`, scopes being predict or admin"
        raise SettingsError("SERVICIO_ML_KEYS_FILE", problem) from error
