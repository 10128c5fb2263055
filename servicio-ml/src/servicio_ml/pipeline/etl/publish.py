"""The lake's layout: an immutable raw copy, and data files named by content, at which a manifest points.

`<use case>/raw/<sha256>.<ext>`, and in `<use case>/<period>/` `{train,test,quarantine}-<digest>.parquet` and
`overview-<digest>.json`; `lifecycle.published` describes the manifest. One writer per period: a second one at
the same time may delete the first one's files before its manifest points at them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import polars as pl

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.lifecycle.published import MANIFEST, build_manifest_key, read_manifest
from servicio_ml.pipeline.reading.input_file import compute_file_digest

SplitName = Literal["train", "test"]
DIGEST_DIGITS = 12


def read_split(store: ObjectStore, manifest: Manifest, split: SplitName) -> pl.DataFrame:
    """Read the training or test rows by source line: `line`, the schema's fields, a weight, the target.

    Raises:
        StoreError: The file is missing or damaged.
    """
    key = manifest.files[split]
    try:
        return pl.read_parquet(store.fetch(key))
    except NotPublishedError as error:
        remedy = f"the period was published again meanwhile; read {MANIFEST} again"
        raise NotPublishedError(store.uri, key, remedy) from error
    except (pl.exceptions.PolarsError, OSError) as error:
        remedy = f"run `servicio-ml etl {manifest.use_case} --period {manifest.period}` again"
        raise StoreError(store.uri, key, f"the file is damaged; {remedy}") from error


def build_raw_key(use_case: str, digest: str, suffix: str) -> str:
    """Build the key of the immutable copy of a raw file; `suffix` has its dot."""
    return f"{use_case}/raw/{digest}{suffix}"


def build_data_keys(use_case: str, period: str, files: Mapping[str, Path]) -> Mapping[str, str]:
    """Build the key of each local data file from its content."""
    return {
        name: f"{use_case}/{period}/{name}-{compute_file_digest(path)[:DIGEST_DIGITS]}{path.suffix}"
        for name, path in files.items()
    }


def read_previous_manifest(store: ObjectStore, use_case: str, period: str) -> Manifest | None:
    """Read the manifest in force; None if it cannot be read, which publishing repairs."""
    try:
        return read_manifest(store, use_case, period)
    except StoreError:
        return None


def publish_manifest(
    store: ObjectStore, manifest: Manifest, files: Mapping[str, Path], pointer: Path
) -> None:
    """Store the files, then the manifest: until then, readers see the previous state.

    Args:
        store: The lake.
        manifest: The new state.
        files: `raw`, `train`, `test`, `quarantine` and `overview` as local files.
        pointer: The manifest as a local file.

    Raises:
        StoreError: The lake refuses; the previous state still holds.
    """
    # one listing instead of a request per key
    present = set(store.list_keys(f"{manifest.use_case}/"))
    for name, key in {"raw": manifest.raw, **manifest.files}.items():
        # a key holds the content's digest: a file that is there is the same
        if key not in present:
            store.put(key, files[name])
    store.put(build_manifest_key(manifest.use_case, manifest.period), pointer)


def delete_unreferenced(store: ObjectStore, manifest: Manifest, previous: Manifest | None) -> None:
    """Delete the period's files that neither state names; readers may still use the previous one.

    Raises:
        StoreError: The lake refuses; the published data is not affected.
    """
    kept = {build_manifest_key(manifest.use_case, manifest.period), *manifest.files.values()}
    kept.update(previous.files.values() if previous else ())
    for key in store.list_keys(f"{manifest.use_case}/{manifest.period}/"):
        if key not in kept:
            store.delete(key)
