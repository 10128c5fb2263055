"""Check of the JSON bodies that the framework parses: UTF-8, and each key once in its object."""

import asyncio
import json

from fastapi import Request

from servicio_ml.errors import JsonError
from servicio_ml.serving.models.json_keys import RepeatedKeyError, load_json
from servicio_ml.serving.models.truncation import truncate_value

MAX_BODY_BYTES_IN_LOOP = 1 << 16
"""Number of bytes above which a body is checked in a thread."""


async def check_json_body(request: Request) -> None:
    """Check the body of a request that the framework has parsed.

    Raises:
        JsonError: As in `check_json`.
    """
    # the other routes read and check their bodies themselves
    if request.scope["route"].body_field is None:
        return
    body = await request.body()
    if not body:
        return
    if len(body) > MAX_BODY_BYTES_IN_LOOP:
        await asyncio.to_thread(check_json, body)
    else:
        check_json(body)


def check_json(body: bytes) -> None:
    """Check that a body, which is JSON already, is UTF-8 and that its objects hold each key once.

    Raises:
        JsonError: The encoding is another one, or a key stands twice.
    """
    try:
        # decoded first: the parser itself would also accept UTF-16 and UTF-32
        load_json(body.decode())
    except UnicodeDecodeError as error:
        raise JsonError(f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg} at character {error.pos}") from error
    except RepeatedKeyError as error:
        raise JsonError(f"the key {truncate_value(error.key)!r} stands twice in one object") from error
    except RecursionError:
        # the route refuses what it cannot read
        return
