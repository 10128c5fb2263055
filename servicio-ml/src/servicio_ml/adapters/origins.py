"""The original data of a use case, as its publisher gives it out, through kagglehub or ucimlrepo."""

import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from servicio_ml.adapters.raw_files import written_whole
from servicio_ml.domain.use_case import Origin, UseCase
from servicio_ml.errors import SourceError, UseCaseError

KAGGLE_PAGE = "https://www.kaggle.com/datasets/{}"
UCI_PAGE = "https://archive.ics.uci.edu/dataset/{}"

T = TypeVar("T")


def fetch_original(use_case: UseCase, target: Path, *, seconds: float) -> None:
    """Download the original and put it at `target`, whole or not at all.

    Args:
        use_case: Whose `origin` says where it is.
        target: The file to write; an older one is replaced.
        seconds: How long the publisher may take.

    Raises:
        UseCaseError: The use case names no publisher.
        SourceError: The publisher cannot be reached in time or refuses; the message says what to do.
        OutputError: The file cannot be written.
    """
    origin = use_case.origin
    if origin.kaggle:
        downloaded = _ask(use_case, KAGGLE_PAGE.format(origin.kaggle), lambda: _kaggle(origin), seconds)
        with written_whole(target) as part:
            shutil.copyfile(downloaded, part)
    elif origin.uci:
        table = _ask(use_case, UCI_PAGE.format(origin.uci), lambda: _uci(origin), seconds)
        with written_whole(target) as part:
            table.to_csv(part, index=False)
    else:
        raise UseCaseError(use_case.name, "its origin names neither a Kaggle handle nor a UCI id to fetch")


def _kaggle(origin: Origin) -> Path:
    import kagglehub  # noqa: PLC0415  an extra

    logging.getLogger("kagglehub").setLevel(logging.WARNING)  # it tells its progress on standard output
    return Path(kagglehub.dataset_download(origin.kaggle, path=origin.file))


def _uci(origin: Origin) -> Any:
    """The published table, a data frame whose column names are those of the UCI documentation."""
    from ucimlrepo import fetch_ucirepo  # noqa: PLC0415  an extra

    return fetch_ucirepo(id=origin.uci).data.original


def _ask(use_case: UseCase, page: str, download: Callable[[], T], seconds: float) -> T:
    try:
        return _within(seconds, download)
    except ImportError as error:
        problem = f"{error.name} is not installed; install servicio-ml[fetch]"
    except TimeoutError:
        problem = f"no answer within {seconds:g} s; check the network or give it more --timeout"
    except Exception as error:  # noqa: BLE001  the clients let through whatever their HTTP stack raises
        problem = f"{_reason(error)}; check the network"
    raise SourceError(
        page,
        f"{problem}. Or download {use_case.origin.file} from there by hand into the folder that"
        f" SERVICIO_ML_DATA_DIR names, or make look-alike rows by `servicio-ml data sample {use_case.name}`",
    )


def _within(seconds: float, task: Callable[[], T]) -> T:
    """The task's result; the clients set no limits of their own, so it is left behind when time is up."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(task())
        except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True, name="fetch").start()
    return outcome.result(timeout=seconds)


def _reason(error: BaseException) -> str:
    """The first thing that went wrong, in one line; what the clients wrap around it says less."""
    while deeper := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = deeper
    first_line = (str(error).strip() or "no reason given").split("\n", 1)[0]
    return f"{type(error).__name__}: {first_line}"
