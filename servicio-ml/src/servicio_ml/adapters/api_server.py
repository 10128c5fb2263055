"""A running server, told over HTTP to look for a new champion."""

import json
import time
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from threading import Event
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from servicio_ml.errors import ReloadError

TIMEOUT_SECONDS = 60
PAUSE_SECONDS = 1.0
NOT_YET = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE})
"""What a server answers that has not heard of the model yet, or not loaded it."""
SHOWN_CHARACTERS = 300


class ApiServer:
    """The server at an address.

    Args:
        url: Its address.
        key_file: Holds an API key; none is sent when None. Read each time, it may be changed.
        patience_seconds: How long a server may take to hear of the model.
    """

    def __init__(self, url: str, key_file: Path | None, patience_seconds: float) -> None:
        self._url, self._key_file, self._patience = url.rstrip("/"), key_file, patience_seconds

    def reload(self, model: str) -> int:
        """Have it look at the registry now, and give the version that answers then.

        Raises:
            ReloadError: It cannot be reached or refuses.
        """
        until = time.monotonic() + self._patience
        while True:
            try:
                return int(self._asked(model)["champion"])
            except HTTPError as error:
                with error:
                    if error.code not in NOT_YET or time.monotonic() >= until:
                        raise ReloadError(self._url, _refused(error)) from error
                Event().wait(PAUSE_SECONDS)
            except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
                problem = f"{error}; check SERVICIO_ML_API_URL and that it is up"
                raise ReloadError(self._url, problem) from error

    def _asked(self, model: str) -> Any:
        request = Request(f"{self._url}/models/{quote(model, safe='')}/reload", method="POST")  # noqa: S310  the setting takes http(s) only
        if self._key_file is not None:
            request.add_header("X-API-Key", self._key_file.read_text().strip())
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read())


def _refused(error: HTTPError) -> str:
    told = error.read().decode(errors="replace")[:SHOWN_CHARACTERS]
    remedy = {
        HTTPStatus.UNAUTHORIZED: "; name a file with an API key in SERVICIO_ML_API_KEY_FILE",
        HTTPStatus.FORBIDDEN: "; the key in SERVICIO_ML_API_KEY_FILE needs the scope admin",
    }.get(HTTPStatus(error.code), "")
    return f"it answered {error.code}: {told}{remedy}"
