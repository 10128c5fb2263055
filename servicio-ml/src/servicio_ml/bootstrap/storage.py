"""Object stores, raw files and study database."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from servicio_ml.adapters.raw_data.raw_files import RawFiles
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.use_case import UseCase
from servicio_ml.settings import Settings

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem


def open_lake(settings: Settings) -> ObjectStore:
    """Open the lake: a folder by default, S3 by setting."""
    from servicio_ml.adapters.lake import open_lake

    return open_lake(settings.lake_url or str(settings.state_dir / "lake"), endpoint=settings.s3_endpoint)


def open_store(settings: Settings, url: str) -> ObjectStore:
    """Open the store at `url`: a folder, or `s3://bucket/prefix`."""
    from servicio_ml.adapters.lake import open_lake

    # the name of the option is passed on for error messages
    return open_lake(url, endpoint=settings.s3_endpoint, setting="--output")


def open_source(settings: Settings, address: str) -> AbstractContextManager[Path]:
    """Open a local file with the content of a path, an http(s) or an S3 address."""
    from servicio_ml.adapters.raw_data.sources import open_source

    return open_source(address, s3_endpoint=settings.s3_endpoint)


def open_raw_files(settings: Settings) -> RawFiles:
    """Open the raw files on this machine."""
    return RawFiles(settings.state_dir, get_raw_folder(settings))


def get_raw_folder(settings: Settings) -> Path:
    """Folder of the raw files that users supply, by hand or as uploads."""
    return settings.data_dir or settings.state_dir / "raw"


def use_environments(settings: Settings) -> None:
    """Use the folder of the environments of isolated models in this process, from now on."""
    from servicio_ml.features.isolated.environments import set_environments_folder

    set_environments_folder(settings.environments_dir or settings.state_dir / "environments")


def write_csv(target: Path, columns: Mapping[str, Sequence[str]], *, header: bool) -> None:
    """Write columns of text as a raw file, atomically.

    Raises:
        OutputError: The system refuses.
    """
    from servicio_ml.adapters.raw_data.raw_files import write_csv

    write_csv(target, columns, header=header)


def write_text(target: Path, text: str) -> None:
    """Write a text as UTF-8, atomically.

    Raises:
        OutputError: The system refuses.
    """
    from servicio_ml.adapters.raw_data.raw_files import write_atomically

    with write_atomically(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_atomically(target: Path) -> AbstractContextManager[Path]:
    """Give a temporary path that replaces a file at the end, or is deleted on an error.

    Raises:
        OutputError: The system refuses.
    """
    from servicio_ml.adapters.raw_data.raw_files import write_atomically

    return write_atomically(target)


def fetch_original(use_case: UseCase, target: Path, *, timeout_seconds: float) -> None:
    """Download the original data of a use case from its publisher, atomically.

    Raises:
        UseCaseError: The use case names no publisher.
        SourceError: The publisher cannot be reached in time, or refuses.
        OutputError: The file cannot be written.
    """
    from servicio_ml.adapters.raw_data.publishers import fetch_original

    fetch_original(use_case, target, timeout_seconds=timeout_seconds)


def create_s3_filesystem(endpoint: str) -> "S3FileSystem":
    """An S3 file system with the timeouts and retries of the lake."""
    from servicio_ml.adapters.lake import create_s3_filesystem

    return create_s3_filesystem(endpoint)


def build_study_url(settings: Settings) -> str:
    """Build the address of the Optuna studies, which all processes share."""
    if settings.study_url:
        return settings.study_url
    # SQLite creates the file, but not its folder
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    return build_sqlite_url(settings.state_dir.resolve() / "studies.db")


def build_sqlite_url(database: Path) -> str:
    """Build the address of a SQLite database; its path must be absolute."""
    from servicio_ml.adapters.sqlite_url import build_sqlite_url

    return build_sqlite_url(database)
