"""Repeated keys of JSON objects: parsers take the first value, the last one, or refuse."""

import json
from typing import Any

from pydantic import BaseModel


class RepeatedKeyError(ValueError):
    """A key stands twice in one object.

    Args:
        key: Name of the key.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the key {key!r} stands twice in one object")


def check_keys(body: bytes, members: int) -> None:
    """Check that no key of a valid JSON body is repeated.

    Args:
        body: Body that was parsed already.
        members: Number of members of all its objects after parsing, where a repeated key counts once.

    Raises:
        RepeatedKeyError: A key is repeated.
    """
    # each member has a colon; texts may hold more of them, which only a second reading distinguishes
    if body.count(b":") != members:
        load_json(body.decode())


def load_json(text: str) -> Any:
    """Parse JSON whose objects hold each key once.

    Raises:
        RepeatedKeyError: A key is repeated.
        json.JSONDecodeError: The text is not JSON.
        RecursionError: The text is nested too deeply.
    """
    # as floats: Python refuses integers of thousands of digits
    return json.loads(text, object_pairs_hook=_build_object, parse_int=float)


def count_members(value: object) -> int:
    """Count the members that a client has sent of a Pydantic model and of all models within it."""
    if isinstance(value, BaseModel):
        sent = value.model_fields_set
        return len(sent) + sum(count_members(getattr(value, name)) for name in sent)
    if isinstance(value, list) and value and isinstance(value[0], BaseModel):
        return sum(map(count_members, value))
    return 0


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise RepeatedKeyError(key)
            seen.add(key)
    return found
