"""What went wrong, told as what is missing and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import streamlit as st

from streamlit_app import session
from streamlit_app.client.transport import Refused, Unreachable
from streamlit_app.text import t


@contextmanager
def explained() -> Iterator[None]:
    """Tell what the services refuse; what comes after the block goes on."""
    try:
        yield
    except Unreachable as error:
        _unreachable(error)
    except Refused as error:
        _refused(error)
    except session.NoKeyFile as error:
        head = t(
            "The file with the API key cannot be read: set `SERVICIO_ML_API_KEY_FILE` right, or unset it."
        )
        _shown(head, t("Or type a key into the field at the side."), str(error))


def _unreachable(error: Unreachable) -> None:
    if error.url == session.settings().prometheus_url:
        head = t("Prometheus at {url} does not answer.", url=error.url)
        remedy = t(
            "Install it and start it with `make up`, or name another in `SERVICIO_ML_PROMETHEUS_URL`. "
            "Everything else works without it."
        )
    else:
        head = t("The server at {url} does not answer.", url=error.url)
        remedy = t(
            "Start it with `make up` or `servicio-ml serve`, or name another in `SERVICIO_ML_API_URL`. "
            "This page asks again when you reload it."
        )
    _shown(head, remedy, error.problem)


def _refused(error: Refused) -> None:
    match error.status:
        case HTTPStatus.UNAUTHORIZED if not session.key():
            head = t(
                "The server asks for an API key. Type one into the field at the side, or name a file with "
                "one in `SERVICIO_ML_API_KEY_FILE`; `servicio-ml key NAME` makes one."
            )
        case HTTPStatus.UNAUTHORIZED:
            head = t("The server does not know this API key. Check the one in the field at the side.")
        case HTTPStatus.FORBIDDEN:
            head = t(
                "This API key may not do that: it needs the scope `admin` (`servicio-ml key NAME --admin`). "
                "Type another into the field at the side."
            )
        case HTTPStatus.NOT_FOUND:
            head = t("This is not there yet.")
        case HTTPStatus.SERVICE_UNAVAILABLE:
            head = t("The server is busy or not ready. Try again in a moment.")
        case _:
            head = t("The server refused this.")
    _shown(head, "", error.detail)


def _shown(head: str, remedy: str, detail: str) -> None:
    # what a service said is no Markdown of ours
    st.error(f"{head} {remedy}".strip(), icon=":material/error:")
    st.caption(t("Details"))
    st.code(detail, language=None, wrap_lines=True)
