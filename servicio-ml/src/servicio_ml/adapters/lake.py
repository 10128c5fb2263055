"""The lake: files under keys in a folder or in any S3, whole or not at all."""

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

from servicio_ml.domain.ports import ObjectStore
from servicio_ml.errors import NotPublishedError, SettingsError, StoreError

S3_SCHEME = "s3://"
LAKE_SETTING = "SERVICIO_ML_LAKE_URL"
CONNECT_SECONDS, REQUEST_SECONDS, ATTEMPTS = 5, 60, 3
PARTIAL_SUFFIX = ".partial"
NOTHING_THERE = "check the key or publish it first"


def open_lake(url: str, *, endpoint: str = "", named: str = LAKE_SETTING) -> ObjectStore:
    """The lake of `s3://bucket/prefix` or of a folder.

    Args:
        url: The root.
        endpoint: Address of an S3 service other than Amazon's, `http://host:port`.
        named: The setting or option that names it, for messages.

    Raises:
        SettingsError: The address names no bucket, or has a scheme other than `s3`.
    """
    if url.startswith(S3_SCHEME):
        return S3Lake(url, s3_filesystem(endpoint), endpoint=endpoint, named=named)
    if "://" in url:
        raise SettingsError(named, f"{url!r} is neither a folder nor s3://bucket/prefix")
    return FolderLake(Path(url))


def s3_filesystem(endpoint: str) -> fs.S3FileSystem:
    """An S3 file system with the usual AWS credentials, patient but not for ever."""
    service = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}") if endpoint else None
    return fs.S3FileSystem(
        endpoint_override=service.netloc if service else None,
        scheme=service.scheme if service else None,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
    )


class FolderLake:
    """A lake in a folder: written beside its place, then renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    @property
    def uri(self) -> str:
        return str(self._root)

    def put(self, key: str, source: Path) -> str:
        target = self._root / key
        with self._told(key):
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=PARTIAL_SUFFIX)
            try:
                with os.fdopen(handle, "wb") as sink, source.open("rb") as origin:
                    shutil.copyfileobj(origin, sink)
                    sink.flush()
                    os.fsync(sink.fileno())
                Path(name).chmod(0o644)  # a temporary file is its owner's only
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        return target.as_uri()

    def fetch(self, key: str) -> Path:
        path = self._root / key
        with self._told(key):
            path.open("rb").close()
        return path

    def keys(self, prefix: str) -> Sequence[str]:
        with self._told(prefix):
            folder = self._root / prefix.rpartition("/")[0]
            found = (path for path in folder.rglob("*") if path.is_file())
            keys = (
                path.relative_to(self._root).as_posix() for path in found if path.suffix != PARTIAL_SUFFIX
            )
            return sorted(key for key in keys if key.startswith(prefix))

    def delete(self, key: str) -> None:
        with self._told(key):
            (self._root / key).unlink(missing_ok=True)

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise NotPublishedError(self.uri, key, NOTHING_THERE) from error
        except OSError as error:
            raise StoreError(self.uri, key, _problem(error)) from error


class S3Lake:
    """A lake in a bucket: an object appears when its upload is completed."""

    def __init__(
        self, url: str, filesystem: fs.FileSystem, *, endpoint: str = "", named: str = LAKE_SETTING
    ) -> None:
        self._root = url.removeprefix(S3_SCHEME).rstrip("/")
        self._url = S3_SCHEME + self._root
        if not self._root:
            raise SettingsError(named, f"{url!r} names no bucket; give s3://bucket/prefix")
        self._filesystem = filesystem
        self._endpoint = endpoint
        self._cache = Path(tempfile.mkdtemp(prefix="servicio-ml-lake-"))
        weakref.finalize(self, shutil.rmtree, self._cache, ignore_errors=True)

    @property
    def uri(self) -> str:
        return self._url

    def put(self, key: str, source: Path) -> str:
        with self._told(key):
            # One write of the mapped file: closing a stream completes its upload even after an error, so
            # nothing that can fail on this side may stand between opening and closing.
            content = pa.memory_map(str(source)).read_buffer() if source.stat().st_size else b""
            with self._filesystem.open_output_stream(self._path(key)) as sink:
                sink.write(content)
        return f"{self._url}/{key}"

    def fetch(self, key: str) -> Path:
        handle, name = tempfile.mkstemp(dir=self._cache, suffix=Path(key).suffix)
        with self._told(key):
            with os.fdopen(handle, "wb") as sink, self._filesystem.open_input_file(self._path(key)) as origin:
                shutil.copyfileobj(origin, sink)
            return Path(name)

    def keys(self, prefix: str) -> Sequence[str]:
        folder = self._path(prefix.rpartition("/")[0])
        with self._told(prefix):
            found = self._filesystem.get_file_info(
                fs.FileSelector(folder, allow_not_found=True, recursive=True)
            )
            paths = (info.path for info in found if info.type == fs.FileType.File)
            keys = (path.removeprefix(f"{self._root}/") for path in paths)
            return sorted(key for key in keys if key.startswith(prefix))

    def delete(self, key: str) -> None:
        with self._told(key), suppress(FileNotFoundError):
            self._filesystem.delete_file(self._path(key))

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}".rstrip("/")

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise NotPublishedError(self.uri, key, NOTHING_THERE) from error
        except OSError as error:
            where = f"{self.uri} at {self._endpoint}" if self._endpoint else self.uri
            raise StoreError(where, key, _problem(error)) from error


def _problem(error: OSError) -> str:
    """What went wrong and what to do about it."""
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
