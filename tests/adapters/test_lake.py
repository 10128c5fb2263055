"""Every lake keeps the same contract: the one in memory, the folder, and S3 over HTTP."""

import errno
import gc
import os
import socket
import time
from pathlib import Path
from typing import IO, Any

import boto3
import pytest
from moto.s3.models import FakeMultipart
from pyarrow import fs

from fakes.object_store import MemoryObjectStore
from fakes.tracker import MemoryTracker
from orchard_use_case import build_rows, build_use_case, write_csv
from servicio_ml.adapters import lake
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.lake import FolderLake, S3Lake, open_lake
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.errors import NotPublishedError, SettingsError, StoreError
from servicio_ml.lifecycle.published import read_manifest
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.etl.run import run_etl

KINDS = ("memory", "folder", pytest.param("s3", marks=pytest.mark.slow))
LARGER_THAN_ONE_PART = 12 * 1024 * 1024
"""Bytes above which PyArrow uploads in several parts."""


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "memory":
        return MemoryObjectStore()
    if request.param == "folder":
        return open_lake(str(tmp_path / "lake" / "below"))
    endpoint = request.getfixturevalue("s3_endpoint")
    return open_lake(f"s3://data/{tmp_path.name}", endpoint=endpoint)


def _write_file(folder: Path, content: bytes) -> Path:
    path = folder / "source.bin"
    path.write_bytes(content)
    return path


class TestObjectStoreContract:
    @pytest.mark.parametrize("size", [0, 1, LARGER_THAN_ONE_PART], ids=["empty", "byte", "parts"])
    def test_gives_back_what_was_put(self, store: ObjectStore, tmp_path: Path, size: int) -> None:
        content = os.urandom(size)
        uri = store.put("rain/2016-06/train.parquet", _write_file(tmp_path, content))
        assert uri.endswith("rain/2016-06/train.parquet")
        fetched = store.fetch("rain/2016-06/train.parquet")
        assert fetched.read_bytes() == content
        assert fetched.suffix == ".parquet"

    def test_replaces(self, store: ObjectStore, tmp_path: Path) -> None:
        store.put("a/manifest.json", _write_file(tmp_path, b"old, and longer"))
        store.put("a/manifest.json", _write_file(tmp_path, b"new"))
        assert store.fetch("a/manifest.json").read_bytes() == b"new"
        assert store.list_keys("") == ["a/manifest.json"]

    def test_a_fetched_copy_does_not_change_what_is_stored(self, store: ObjectStore, tmp_path: Path) -> None:
        source = _write_file(tmp_path, b"first")
        store.put("a/x", source)
        source.write_bytes(b"second")
        assert store.fetch("a/x").read_bytes() == b"first"

    def test_an_unknown_key_is_not_published(self, store: ObjectStore) -> None:
        with pytest.raises(NotPublishedError, match="rain/none"):
            store.fetch("rain/none")

    def test_the_time_of_a_key_is_that_of_its_last_put(self, store: ObjectStore, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.write_text("1")
        before = time.time()
        store.put("a/b", source)
        # stores round to a second
        assert before - 1 <= store.get_time("a/b") <= time.time() + 1
        with pytest.raises(NotPublishedError):
            store.get_time("a/c")
        with pytest.raises(NotPublishedError):
            store.get_time("a")

    def test_keys_are_sorted_and_start_with_the_prefix(self, store: ObjectStore, tmp_path: Path) -> None:
        source = _write_file(tmp_path, b"x")
        for key in ("rain/2016-07/b", "rain/2016-06/a", "rainier/a", "heart/deep/er/c"):
            store.put(key, source)
        assert store.list_keys("rain/") == ["rain/2016-06/a", "rain/2016-07/b"]
        assert store.list_keys("rain/2016-0") == ["rain/2016-06/a", "rain/2016-07/b"]
        assert store.list_keys("rain") == ["rain/2016-06/a", "rain/2016-07/b", "rainier/a"]
        assert len(store.list_keys("")) == 4
        assert store.list_keys("nothing/here/") == []

    def test_delete_forgets_and_forgives(self, store: ObjectStore, tmp_path: Path) -> None:
        store.put("a/x", _write_file(tmp_path, b"x"))
        store.delete("a/x")
        store.delete("a/x")
        assert store.list_keys("a/") == []


class TestFolderLake:
    @pytest.mark.parametrize(
        ("error", "remedy"),
        [(errno.ENOSPC, "free some space"), (errno.EACCES, "permission denied"), (errno.EIO, "Input/output")],
        ids=["full", "permission", "io"],
    )
    def test_a_refused_write_leaves_the_old_file_and_no_partial_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, remedy: str
    ) -> None:
        store = FolderLake(tmp_path / "lake")
        store.put("a/manifest.json", _write_file(tmp_path, b"old"))

        def refuse(*_: object) -> None:
            raise OSError(error, os.strerror(error))

        monkeypatch.setattr("servicio_ml.adapters.lake.shutil.copyfileobj", refuse)
        with pytest.raises(StoreError, match=remedy):
            store.put("a/manifest.json", _write_file(tmp_path, b"new"))
        assert store.fetch("a/manifest.json").read_bytes() == b"old"
        assert [path.name for path in (tmp_path / "lake" / "a").iterdir()] == ["manifest.json"]

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
    def test_a_really_full_device_is_reported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

        def open_full_device(handle: int, mode: str) -> IO[bytes]:
            os.close(handle)
            return Path("/dev/full").open(mode)

        monkeypatch.setattr("servicio_ml.adapters.lake.os.fdopen", open_full_device)
        with pytest.raises(StoreError, match="the disk is full"):
            FolderLake(tmp_path).put("a", _write_file(tmp_path, b"x"))

    def test_a_file_where_the_folder_should_be_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "lake").write_text("in the way")
        with pytest.raises(StoreError, match="lake"):
            FolderLake(tmp_path / "lake").put("a/x", _write_file(tmp_path, b"x"))

    def test_files_are_readable_by_others(self, tmp_path: Path) -> None:
        store = FolderLake(tmp_path / "lake")
        store.put("a", _write_file(tmp_path, b"x"))
        assert store.fetch("a").stat().st_mode & 0o044


class TestS3Lake:
    def test_an_unreachable_service_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        monkeypatch.setattr(lake, "MAX_ATTEMPTS", 1)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        endpoint = f"http://127.0.0.1:{port}"
        store = open_lake("s3://data/x", endpoint=endpoint)
        with pytest.raises(StoreError, match=f"{endpoint}.*SERVICIO_ML_S3_ENDPOINT"):
            store.put("a", _write_file(tmp_path, b"x"))

    @pytest.mark.slow
    def test_a_missing_bucket_is_reported(self, s3_endpoint: str, tmp_path: Path) -> None:
        store = open_lake("s3://absent/x", endpoint=s3_endpoint)
        with pytest.raises(StoreError, match="check SERVICIO_ML_S3_ENDPOINT, the bucket"):
            store.put("a", _write_file(tmp_path, b"x"))

    @pytest.mark.slow
    def test_an_upload_that_breaks_off_leaves_no_object(
        self, s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second part of the upload fails on the wire; the object must not appear."""
        store = open_lake(f"s3://data/{tmp_path.name}", endpoint=s3_endpoint)
        store.put("a", _write_file(tmp_path, b"old"))
        client = boto3.client("s3", endpoint_url=s3_endpoint)
        original = FakeMultipart.set_part

        def refuse_the_second(self: Any, part_id: int, *args: Any, **named: Any) -> Any:
            if part_id > 1:
                raise OSError("refused")
            return original(self, part_id, *args, **named)

        monkeypatch.setattr(FakeMultipart, "set_part", refuse_the_second)
        with pytest.raises(StoreError):
            store.put("a", _write_file(tmp_path, os.urandom(2 * LARGER_THAN_ONE_PART)))
        body = client.get_object(Bucket="data", Key=f"{tmp_path.name}/a")["Body"].read()
        assert body == b"old"

    @pytest.mark.slow
    def test_a_period_is_published_and_read_back(self, s3_endpoint: str, tmp_path: Path) -> None:
        store = open_lake(f"s3://data/{tmp_path.name}", endpoint=s3_endpoint)
        tracker = MemoryTracker(tmp_path / "runs", lambda: 0.0)
        for count in (200, 300, 400):
            published = run_etl(
                build_use_case(),
                write_csv(tmp_path / "a.csv", build_rows(count)),
                source_name="a.csv",
                period="2020-12",
                store=store,
                connect_tracker=lambda: tracker,
                progress=SilentProgress(),
                stats=NoStats(),
            )
        manifest = read_manifest(store, "orchard")
        assert manifest == published
        sides = [len(read_split(store, manifest, split)) for split in ("train", "test")]
        assert sum(sides) == 400
        assert len(store.list_keys("orchard/2020-12/")) == 1 + 4 + 3  # quarantines of all runs are alike

    def test_downloads_go_with_the_lake(self, tmp_path: Path) -> None:
        (tmp_path / "bucket").mkdir()
        (tmp_path / "bucket" / "a").write_bytes(b"x")
        store = S3Lake("s3://bucket", fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()))
        path = store.fetch("a")
        assert path.exists()
        del store
        gc.collect()
        assert not path.exists()

    @pytest.mark.parametrize("url", ["s3://", "gs://bucket/x"], ids=["no bucket", "other scheme"])
    def test_a_wrong_address_is_a_wrong_setting(self, url: str) -> None:
        with pytest.raises(SettingsError, match="SERVICIO_ML_LAKE_URL"):
            open_lake(url)
