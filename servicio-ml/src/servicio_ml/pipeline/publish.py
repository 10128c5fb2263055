"""The lake's layout: an immutable raw copy, and data files named by content, at which a manifest points.

`<use case>/raw/<sha256>.<ext>`, and in `<use case>/<period>/` `{train,test,quarantine}-<digest>.parquet` and
`overview-<digest>.json`; `domain.published` tells of the manifest. One writer per period: a second one at the
same moment may sweep the first one's files before they are pointed at.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import polars as pl

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports import ObjectStore
from servicio_ml.domain.published import MANIFEST, manifest_key, read_manifest
from servicio_ml.errors import NotPublishedError, StoreError

Part = Literal["train", "test"]
SHOWN_DIGITS = 12


def read_part(store: ObjectStore, manifest: Manifest, part: Part) -> pl.DataFrame:
    """The rows of one side: `line`, the fields of the manifest's schema and the target, by source line.

    Raises:
        StoreError: The file is gone or damaged.
    """
    key = manifest.files[part]
    try:
        return pl.read_parquet(store.fetch(key))
    except NotPublishedError as error:
        remedy = f"the period was published again meanwhile; read {MANIFEST} anew"
        raise NotPublishedError(store.uri, key, remedy) from error
    except (pl.exceptions.PolarsError, OSError) as error:
        remedy = f"run `servicio-ml etl {manifest.use_case} --period {manifest.period}` again"
        raise StoreError(store.uri, key, f"the file is damaged; {remedy}") from error


def raw_key(use_case: str, digest: str, suffix: str) -> str:
    """Key of the immutable copy of a raw file; `suffix` with its dot."""
    return f"{use_case}/raw/{digest}{suffix}"


def part_keys(use_case: str, period: str, files: Mapping[str, Path]) -> Mapping[str, str]:
    """Key of each local data file, named by its content."""
    return {
        name: f"{use_case}/{period}/{name}-{file_digest(path)[:SHOWN_DIGITS]}{path.suffix}"
        for name, path in files.items()
    }


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def previous_manifest(store: ObjectStore, use_case: str, period: str) -> Manifest | None:
    """What the period's pointer names now; None if nothing can be read there (publishing mends it)."""
    try:
        return read_manifest(store, use_case, period)
    except StoreError:
        return None


def publish(store: ObjectStore, manifest: Manifest, files: Mapping[str, Path], pointer: Path) -> None:
    """Store what the manifest names, then the manifest: until then, readers see the previous state.

    Args:
        store: The lake.
        manifest: The new state.
        files: `raw`, `train`, `test`, `quarantine` and `overview` as local files.
        pointer: The manifest as a local file.

    Raises:
        StoreError: The lake refuses; the previous state still holds.
    """
    present = set(store.keys(f"{manifest.use_case}/"))
    for name, key in {"raw": manifest.raw, **manifest.files}.items():
        if key not in present:  # named by its content: what is there is the same
            store.put(key, files[name])
    store.put(manifest_key(manifest.use_case, manifest.period), pointer)


def sweep(store: ObjectStore, manifest: Manifest, previous: Manifest | None) -> None:
    """Delete the period's files that neither state names; a reader may still be in the previous one.

    Raises:
        StoreError: The lake refuses; what is published is not affected.
    """
    kept = {manifest_key(manifest.use_case, manifest.period), *manifest.files.values()}
    kept.update(previous.files.values() if previous else ())
    for key in store.keys(f"{manifest.use_case}/{manifest.period}/"):
        if key not in kept:
            store.delete(key)
