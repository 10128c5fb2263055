"""Manifests of published periods in the lake.

`<use case>/<period>/manifest.json` points to the files of the period and is stored last. A reader of the
manifest sees one consistent state, because replacing it is atomic.
"""

import json
import re

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.errors import NotPublishedError, StoreError

MANIFEST = "manifest.json"
PERIOD = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])")


def read_manifest(store: ObjectStore, use_case: str, period: str | None = None) -> Manifest:
    """Read the manifest of a period, by default the latest one.

    Raises:
        NotPublishedError: Nothing is published.
        StoreError: The manifest cannot be read.
    """
    remedy = f"run `servicio-ml etl {use_case}{f' --period {period}' if period else ''}` first"
    key = (
        build_manifest_key(use_case, period) if period else _find_latest_manifest_key(store, use_case, remedy)
    )
    try:
        text = store.fetch(key).read_text(encoding="utf-8")
    except NotPublishedError as error:
        raise NotPublishedError(store.uri, key, remedy) from error
    try:
        return Manifest.from_json(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(store.uri, key, f"it is no manifest ({error}); publish the period again") from error


def list_published_periods(store: ObjectStore, use_case: str) -> list[str]:
    """List the periods that have a manifest, the latest last."""
    return sorted(key.split("/")[1] for key in store.list_keys(f"{use_case}/") if _is_manifest(key))


def read_publication_time(store: ObjectStore, use_case: str) -> float:
    """Read when the latest period was published last, in seconds since 1970.

    Raises:
        NotPublishedError: Nothing is published.
        StoreError: The lake cannot be read.
    """
    remedy = f"run `servicio-ml etl {use_case}` first"
    return store.get_time(_find_latest_manifest_key(store, use_case, remedy))


def build_manifest_key(use_case: str, period: str) -> str:
    return f"{use_case}/{period}/{MANIFEST}"


def _find_latest_manifest_key(store: ObjectStore, use_case: str, remedy: str) -> str:
    periods = list_published_periods(store, use_case)
    if not periods:
        raise NotPublishedError(store.uri, f"{use_case}/", remedy)
    return build_manifest_key(use_case, periods[-1])


def _is_manifest(key: str) -> bool:
    # `<use case>/reports/latest.json` and staged files have keys of the same depth
    _, period, name = (*key.split("/"), "", "")[:3]
    return name == MANIFEST and PERIOD.fullmatch(period) is not None
