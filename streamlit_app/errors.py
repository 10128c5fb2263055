"""Messages about failed calls: what happened, to which service, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import streamlit as st

from streamlit_app import session
from streamlit_app.client.transport import RefusedError, UnreachableError
from streamlit_app.translation import t


@contextmanager
def report_errors() -> Iterator[None]:
    """Show the errors of the services on the page; the code after the block runs on."""
    try:
        yield
    except UnreachableError as error:
        _report_unreachable(error)
    except RefusedError as error:
        _report_refused(error)
    except session.KeyFileError as error:
        message = t("The file with the API key, `SERVICIO_ML_API_KEY_FILE`, cannot be read.")
        _show(message, t("Correct or unset the setting, or type a key in the sidebar."), str(error))


def _report_unreachable(error: UnreachableError) -> None:
    if error.url == session.get_settings().prometheus_url:
        message = t("Prometheus at {url} does not respond.", url=error.url)
        remedy = t(
            "Start it with `make up`, or set another address in `SERVICIO_ML_PROMETHEUS_URL`. "
            "The other pages work without it."
        )
    else:
        message = t("The server at {url} does not respond.", url=error.url)
        remedy = t(
            "Start it with `make up` or `servicio-ml serve`, or set another address in "
            "`SERVICIO_ML_API_URL`. Then reload this page."
        )
    _show(message, remedy, error.reason)


def _report_refused(error: RefusedError) -> None:
    _show(_explain_status(error.status), "", error.detail)


def _explain_status(status: int) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED if not session.get_key():
            return t(
                "The server requires an API key. Type one in the sidebar, or set `SERVICIO_ML_API_KEY_FILE` "
                "to a file with one. `servicio-ml key NAME` creates a key."
            )
        case HTTPStatus.UNAUTHORIZED:
            return t("The server does not know this API key. Check the key in the sidebar.")
        case HTTPStatus.FORBIDDEN:
            return t(
                "This API key lacks the scope `admin`. Type a key with that scope in the sidebar; "
                "`servicio-ml key NAME --admin` creates one."
            )
        case HTTPStatus.NOT_FOUND:
            return t("This does not exist yet.")
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return t("The server is busy or not ready. Try again in a moment.")
        case _:
            return t("The server refused the request.")


def _show(message: str, remedy: str, detail: str) -> None:
    st.error(f"{message} {remedy}".strip(), icon=":material/error:")
    st.caption(t("Details"))
    # as code: a detail from outside must not be read as Markdown
    st.code(detail, language=None, wrap_lines=True)
