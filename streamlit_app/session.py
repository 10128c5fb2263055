"""State that the pages of one reader share: the use case, the API key, and calls to the services."""

from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

import streamlit as st

from streamlit_app.client.transport import Transport, connect
from streamlit_app.settings import PageSettings
from streamlit_app.translation import translate

USE_CASE, KEY = "use_case", "api_key"
"""Session keys of the reader's choices; the use case is in the URL too."""
CACHE_SECONDS = 10
CACHE_ENTRIES = 256
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class KeyFileError(Exception):
    """The file with the API key of the settings cannot be read."""


@st.cache_resource
def get_settings() -> PageSettings:
    """Return the settings of this process."""
    return PageSettings()


@st.cache_resource
def _connect_services() -> tuple[Transport, Transport]:
    """Return the transports to the server and to Prometheus, which all readers share."""
    return connect(get_settings().api_url), connect(get_settings().prometheus_url)


def get_use_case() -> str:
    """Return the name of the chosen use case."""
    use_case: str = st.session_state[USE_CASE]
    return use_case


def label_use_case(name: str, titles: Mapping[str, str]) -> str:
    """Return a use case's title in the reader's language; its name in words where the server has no title."""
    return translate(titles[name]) if name in titles else name.replace("_", " ").capitalize()


def get_key() -> str:
    """Return the reader's API key, else the one of the settings; empty without one.

    Raises:
        KeyFileError: The file of the settings cannot be read.
    """
    typed: str = st.session_state.get(KEY) or ""
    try:
        return typed or get_settings().api_key
    except (OSError, UnicodeError) as error:
        raise KeyFileError(str(error)) from error


def read(
    call: Callable[Concatenate[Transport, Arguments], Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Call the server, or return its answer of the last seconds; for calls that change nothing.

    Args:
        call: Function of the client, such as `service.fetch_model`.
        args: Positional arguments after the transport.
        kwargs: Keyword arguments.
    """
    result: Result = _read_cached(
        _get_api(), get_key(), call.__module__, call.__qualname__, args, kwargs, _call=call
    )
    return result


def send(
    call: Callable[Concatenate[Transport, Arguments], Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Call the server without the cache: for predictions and all calls that change something."""
    return call(_get_api(), *args, **kwargs)


def query_prometheus(
    call: Callable[Concatenate[Transport, Arguments], Result],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Result:
    """Call Prometheus without the cache."""
    return call(_connect_services()[1], *args, **kwargs)


def clear_cache() -> None:
    """Forget all cached answers, after a change."""
    _read_cached.clear()


def _get_api() -> Transport:
    api = _connect_services()[0]
    return Transport(http=api.http, url=api.url, key=get_key())


@st.cache_data(ttl=CACHE_SECONDS, max_entries=CACHE_ENTRIES, show_spinner=False)
def _read_cached(
    _api: Transport, key: str, module: str, name: str, args: Any, kwargs: Any, *, _call: Callable[..., Any]
) -> Any:
    # the API key is part of the cache key: a reader must not see what only another's key may read
    del key, module, name
    return _call(_api, *args, **kwargs)
