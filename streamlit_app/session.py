"""What the pages of one reader share: the use case, and the ways to the server and to Prometheus."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import streamlit as st

from streamlit_app.client.transport import Transport, opened
from streamlit_app.settings import Settings

USE_CASE, KEY = "use_case", "api_key"
"""Keys of the choices in the session; the use case's is in the URL too."""
FRESH_SECONDS = 10
"""How long what was read is shown again without asking."""
KEPT_ANSWERS = 256
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class NoKeyFile(Exception):  # noqa: N818  it says what is the matter
    """The file with the API key of the settings cannot be read."""


@st.cache_resource
def settings() -> Settings:
    """Of this process."""
    return Settings()


@st.cache_resource
def _connections() -> tuple[Transport, Transport]:
    """To the server and to Prometheus, shared by all readers."""
    return opened(settings().api_url), opened(settings().prometheus_url)


def use_case() -> str:
    """The chosen one."""
    chosen: str = st.session_state[USE_CASE]
    return chosen


def key() -> str:
    """The reader's API key, or the one of the settings; empty without one.

    Raises:
        NoKeyFile: The file of the settings cannot be read.
    """
    typed: str = st.session_state.get(KEY) or ""
    try:
        return typed or settings().api_key
    except (OSError, UnicodeError) as error:
        raise NoKeyFile(str(error)) from error


def read(
    call: Callable[Concatenate[Transport, Given], Answer], *args: Given.args, **kwargs: Given.kwargs
) -> Answer:
    """What the server answered not long ago, or answers now; for reading only.

    Args:
        call: A function of the client, such as `service.model`.
        args: Its arguments after the transport.
        kwargs: The same, by name.
    """
    answer: Answer = _read(_api(), key(), call.__module__, call.__qualname__, args, kwargs, _call=call)
    return answer


def ask(
    call: Callable[Concatenate[Transport, Given], Answer], *args: Given.args, **kwargs: Given.kwargs
) -> Answer:
    """What the server answers now: for predictions and all that changes something."""
    return call(_api(), *args, **kwargs)


def measured(
    call: Callable[Concatenate[Transport, Given], Answer], *args: Given.args, **kwargs: Given.kwargs
) -> Answer:
    """What Prometheus answers now."""
    return call(_connections()[1], *args, **kwargs)


def forget() -> None:
    """Read everything anew: something was changed."""
    _read.clear()


def _api() -> Transport:
    api = _connections()[0]
    return Transport(http=api.http, url=api.url, key=key())


@st.cache_data(ttl=FRESH_SECONDS, max_entries=KEPT_ANSWERS, show_spinner=False)
def _read(
    _api: Transport, key: str, module: str, name: str, args: Any, kwargs: Any, *, _call: Callable[..., Any]
) -> Any:
    # what one key may read is not shown to another: it is part of what an answer is kept under
    del key, module, name
    return _call(_api, *args, **kwargs)
