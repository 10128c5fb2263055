"""Download of the original data of a use case from its publisher, by kagglehub or ucimlrepo."""

import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from servicio_ml.adapters.raw_data.raw_files import write_atomically
from servicio_ml.domain.use_case import Origin, UseCase
from servicio_ml.errors import SourceError, UseCaseError

Result = TypeVar("Result")


def fetch_original(use_case: UseCase, target: Path, *, timeout_seconds: float) -> None:
    """Download the original to `target`, atomically.

    Args:
        use_case: Use case whose `origin` names the publisher.
        target: File to write; an older one is replaced.
        timeout_seconds: Maximum time of the download.

    Raises:
        UseCaseError: The use case names no publisher.
        SourceError: The publisher cannot be reached in time, or refuses.
        OutputError: The file cannot be written.
    """
    origin = use_case.origin
    if origin.kaggle:
        downloaded = _download(use_case, origin.page, lambda: _download_kaggle(origin), timeout_seconds)
        with write_atomically(target) as temporary:
            shutil.copyfile(downloaded, temporary)
    elif origin.uci:
        table = _download(use_case, origin.page, lambda: _download_uci(origin), timeout_seconds)
        with write_atomically(target) as temporary:
            table.to_csv(temporary, index=False)
    else:
        raise UseCaseError(use_case.name, "its origin names neither a Kaggle handle nor a UCI id to fetch")


def _download_kaggle(origin: Origin) -> Path:
    import kagglehub  # noqa: PLC0415  an extra

    logging.getLogger("kagglehub").setLevel(logging.WARNING)  # it prints its progress to standard output
    return Path(kagglehub.dataset_download(origin.kaggle, path=origin.file))


def _download_uci(origin: Origin) -> Any:
    """Download the published table, a data frame with the column names of the UCI documentation."""
    from ucimlrepo import fetch_ucirepo  # noqa: PLC0415  an extra

    return fetch_ucirepo(id=origin.uci).data.original


def _download(use_case: UseCase, page: str, download: Callable[[], Result], timeout_seconds: float) -> Result:
    try:
        return _run_within(timeout_seconds, download)
    except ImportError as error:
        problem = f"{error.name} is not installed; install servicio-ml[fetch]"
    except TimeoutError:
        problem = f"no answer within {timeout_seconds:g} s; check the network or raise --timeout"
    except Exception as error:  # noqa: BLE001  the clients let through whatever their HTTP stack raises
        problem = f"{_describe_root_cause(error)}; check the network"
    raise SourceError(
        page,
        f"{problem}. Or download {use_case.origin.file} from there by hand into the folder that"
        f" SERVICIO_ML_DATA_DIR names, or draw synthetic rows by `servicio-ml data sample {use_case.name}`",
    )


def _run_within(timeout_seconds: float, task: Callable[[], Result]) -> Result:
    """Run a task in a thread and return its result; the thread is abandoned after the timeout.

    The clients of the publishers have no timeout of their own.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(task())
        except BaseException as error:  # noqa: BLE001  raised again in the waiting thread
            outcome.set_exception(error)

    # a daemon, so that a hanging download does not keep the process alive
    threading.Thread(target=run, daemon=True, name="fetch").start()
    return outcome.result(timeout=timeout_seconds)


def _describe_root_cause(error: BaseException) -> str:
    """Describe the root cause in one line; the errors that the clients wrap around it say less."""
    while deeper := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = deeper
    first_line = (str(error).strip() or "no reason given").split("\n", 1)[0]
    return f"{type(error).__name__}: {first_line}"
