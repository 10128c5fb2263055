"""Client of a running server: asks it over HTTP to load a new champion."""

import time
from http import HTTPStatus
from pathlib import Path
from threading import Event
from urllib.parse import quote

import httpx

from servicio_ml.errors import ReloadError

TIMEOUT_SECONDS = 60
"""Timeout of each request; a server loads the model before it answers."""
RETRY_SECONDS = 1.0
RETRIED_STATUSES = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE})
"""Statuses of a server that does not know the model yet, or has not loaded it."""
MAX_SHOWN_CHARACTERS = 300
REMEDIES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "; name a file with an API key in SERVICIO_ML_API_KEY_FILE",
    HTTPStatus.FORBIDDEN: "; the key in SERVICIO_ML_API_KEY_FILE needs the scope admin",
}


class ApiServer:
    """Server at an address.

    Args:
        url: Address of the server.
        key_file: File with an API key, read at each request because it may be rotated; None sends no key.
        timeout_seconds: Time that the server may take to learn of the model.
    """

    def __init__(self, url: str, key_file: Path | None, timeout_seconds: float) -> None:
        self._url, self._key_file, self._timeout_seconds = url.rstrip("/"), key_file, timeout_seconds

    def reload(self, model: str) -> int:
        """Make the server read the registry now; return the version of its champion afterwards.

        Raises:
            ReloadError: The server cannot be reached or refuses.
        """
        deadline = time.monotonic() + self._timeout_seconds
        while True:
            try:
                response = self._post_reload(model)
                if response.is_success:
                    return int(response.json()["champion"])
            except (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
                problem = f"{error}; check SERVICIO_ML_API_URL and that it is up"
                raise ReloadError(self._url, problem) from error
            if response.status_code not in RETRIED_STATUSES or time.monotonic() >= deadline:
                raise ReloadError(self._url, _describe_refusal(response))
            # a fresh event, never set: an interruptible sleep of one second
            Event().wait(RETRY_SECONDS)

    def _post_reload(self, model: str) -> httpx.Response:
        headers = {} if self._key_file is None else {"X-API-Key": self._key_file.read_text().strip()}
        url = f"{self._url}/models/{quote(model, safe='')}/reload"
        return httpx.post(url, headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True)


def _describe_refusal(response: httpx.Response) -> str:
    # looked up by number: proxies answer with statuses that HTTPStatus does not know, such as 520
    remedy = REMEDIES.get(response.status_code, "")
    return f"it answered {response.status_code}: {response.text[:MAX_SHOWN_CHARACTERS]}{remedy}"
