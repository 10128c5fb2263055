"""The lake: atomic storage of files by key in a folder or an S3 bucket."""

import errno
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.errors import NotPublishedError, SettingsError, StoreError

S3_SCHEME = "s3://"
LAKE_SETTING = "SERVICIO_ML_LAKE_URL"
CONNECT_SECONDS, REQUEST_SECONDS, MAX_ATTEMPTS = 5, 60, 3
PARTIAL_SUFFIX = ".partial"
MISSING_KEY_HINT = "check the key or publish it first"


def open_lake(url: str, *, endpoint: str = "", setting: str = LAKE_SETTING) -> ObjectStore:
    """Open the lake in a folder or at `s3://bucket/prefix`.

    Args:
        url: Root of the lake.
        endpoint: Address of an S3 service other than AWS, `http://host:port`.
        setting: Setting or option that gives the URL, for messages.

    Raises:
        SettingsError: The address names no bucket, or has a scheme other than `s3`.
    """
    if url.startswith(S3_SCHEME):
        return S3Lake(url, create_s3_filesystem(endpoint), endpoint=endpoint, setting=setting)
    if "://" in url:
        raise SettingsError(setting, f"{url!r} is neither a folder nor s3://bucket/prefix")
    return FolderLake(Path(url))


def create_s3_filesystem(endpoint: str) -> fs.S3FileSystem:
    """Create an S3 file system with the usual AWS credentials, timeouts and retries."""
    service = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}") if endpoint else None
    return fs.S3FileSystem(
        endpoint_override=service.netloc if service else None,
        scheme=service.scheme if service else None,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=MAX_ATTEMPTS),
    )


class FolderLake:
    """A lake in a folder; a file is written under a temporary name and renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    @property
    def uri(self) -> str:
        return str(self._root)

    def put(self, key: str, source: Path) -> str:
        target = self._root / key
        with self._translate_errors(key):
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=PARTIAL_SUFFIX)
            try:
                with os.fdopen(handle, "wb") as sink, source.open("rb") as origin:
                    shutil.copyfileobj(origin, sink)
                    sink.flush()
                    # before the rename, or a crash could leave an empty file under the final name
                    os.fsync(sink.fileno())
                Path(name).chmod(0o644)  # `mkstemp` lets only the owner read it
                # readers see the old file or the new one
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        return target.as_uri()

    def fetch(self, key: str) -> Path:
        path = self._root / key
        with self._translate_errors(key):
            path.open("rb").close()
        return path

    def get_time(self, key: str) -> float:
        path = self._root / key
        with self._translate_errors(key):
            modified = path.stat().st_mtime
        if not path.is_file():
            raise NotPublishedError(self.uri, key, MISSING_KEY_HINT)
        return modified

    def list_keys(self, prefix: str) -> Sequence[str]:
        with self._translate_errors(prefix):
            folder = self._root / prefix.rpartition("/")[0]
            found = (path for path in folder.rglob("*") if path.is_file())
            keys = (
                path.relative_to(self._root).as_posix() for path in found if path.suffix != PARTIAL_SUFFIX
            )
            return sorted(key for key in keys if key.startswith(prefix))

    def delete(self, key: str) -> None:
        with self._translate_errors(key):
            (self._root / key).unlink(missing_ok=True)

    @contextmanager
    def _translate_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise NotPublishedError(self.uri, key, MISSING_KEY_HINT) from error
        except OSError as error:
            raise StoreError(self.uri, key, _describe_error(error)) from error


class S3Lake:
    """A lake in a bucket; an object appears when its upload is complete."""

    def __init__(
        self, url: str, filesystem: fs.FileSystem, *, endpoint: str = "", setting: str = LAKE_SETTING
    ) -> None:
        self._root = url.removeprefix(S3_SCHEME).rstrip("/")
        self._url = S3_SCHEME + self._root
        if not self._root:
            raise SettingsError(setting, f"{url!r} names no bucket; give s3://bucket/prefix")
        self._filesystem = filesystem
        self._endpoint = endpoint
        # files stay as long as the store, since callers read them after `fetch`
        self._cache = Path(tempfile.mkdtemp(prefix="servicio-ml-lake-"))
        weakref.finalize(self, shutil.rmtree, self._cache, ignore_errors=True)

    @property
    def uri(self) -> str:
        return self._url

    def put(self, key: str, source: Path) -> str:
        with self._translate_errors(key):
            # Closing a stream completes its upload even after an error, so nothing that can fail here may
            # happen between opening and closing: one write of the mapped file.
            content = pa.memory_map(str(source)).read_buffer() if source.stat().st_size else b""
            with self._filesystem.open_output_stream(self._build_path(key)) as sink:
                sink.write(content)
        return f"{self._url}/{key}"

    def fetch(self, key: str) -> Path:
        handle, name = tempfile.mkstemp(dir=self._cache, suffix=Path(key).suffix)
        with self._translate_errors(key):
            with (
                os.fdopen(handle, "wb") as sink,
                self._filesystem.open_input_file(self._build_path(key)) as origin,
            ):
                shutil.copyfileobj(origin, sink)
            return Path(name)

    def get_time(self, key: str) -> float:
        with self._translate_errors(key):
            info = self._filesystem.get_file_info(self._build_path(key))
        if info.type != fs.FileType.File:
            raise NotPublishedError(self.uri, key, MISSING_KEY_HINT)
        return float(info.mtime.timestamp())

    def list_keys(self, prefix: str) -> Sequence[str]:
        folder = self._build_path(prefix.rpartition("/")[0])
        with self._translate_errors(prefix):
            found = self._filesystem.get_file_info(
                fs.FileSelector(folder, allow_not_found=True, recursive=True)
            )
            paths = (info.path for info in found if info.type == fs.FileType.File)
            keys = (path.removeprefix(f"{self._root}/") for path in paths)
            return sorted(key for key in keys if key.startswith(prefix))

    def delete(self, key: str) -> None:
        with self._translate_errors(key), suppress(FileNotFoundError):
            self._filesystem.delete_file(self._build_path(key))

    def _build_path(self, key: str) -> str:
        return f"{self._root}/{key}".rstrip("/")

    @contextmanager
    def _translate_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise NotPublishedError(self.uri, key, MISSING_KEY_HINT) from error
        except OSError as error:
            where = f"{self.uri} at {self._endpoint}" if self._endpoint else self.uri
            raise StoreError(where, key, _describe_error(error)) from error


def _describe_error(error: OSError) -> str:
    """Describe what went wrong and what to do."""
    remedy = {
        errno.ENOSPC: "the disk is full; free some space and run the command again",
        errno.EDQUOT: "the quota is used up; free some space and run the command again",
        errno.EACCES: "permission denied; let this user write there or set SERVICIO_ML_LAKE_URL",
        errno.EROFS: "the file system is read-only; set SERVICIO_ML_LAKE_URL to another folder",
    }.get(error.errno or 0)
    if remedy:
        return remedy
    first = str(error).splitlines()[0]
    if "AWS Error" in first:
        return f"{first}; check SERVICIO_ML_S3_ENDPOINT, the bucket and the AWS credentials"
    return first
