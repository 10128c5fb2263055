"""Where a period's manifest is in the lake, and how it is read.

`<use case>/<period>/manifest.json` points at the files of the period. Whoever reads it first reads one
consistent state, because replacing it is atomic.
"""

import json
import re

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports import ObjectStore
from servicio_ml.errors import NotPublishedError, StoreError

MANIFEST = "manifest.json"
PERIOD = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])")


def read_manifest(store: ObjectStore, use_case: str, period: str | None = None) -> Manifest:
    """What was published for a period; for the latest one when none is given.

    Raises:
        NotPublishedError: Nothing was.
        StoreError: The manifest cannot be read.
    """
    remedy = f"run `servicio-ml etl {use_case}{f' --period {period}' if period else ''}` first"
    key = manifest_key(use_case, period) if period else _latest(store, use_case, remedy)
    try:
        text = store.fetch(key).read_text(encoding="utf-8")
    except NotPublishedError as error:
        raise NotPublishedError(store.uri, key, remedy) from error
    try:
        return Manifest.from_json(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(store.uri, key, f"it is no manifest ({error}); publish the period again") from error


def published_periods(store: ObjectStore, use_case: str) -> list[str]:
    """The periods that have a manifest, the latest last."""
    return sorted(key.split("/")[1] for key in store.keys(f"{use_case}/") if _is_manifest(key))


def manifest_key(use_case: str, period: str) -> str:
    return f"{use_case}/{period}/{MANIFEST}"


def _latest(store: ObjectStore, use_case: str, remedy: str) -> str:
    periods = published_periods(store, use_case)
    if not periods:
        raise NotPublishedError(store.uri, f"{use_case}/", remedy)
    return manifest_key(use_case, periods[-1])


def _is_manifest(key: str) -> bool:
    _, period, name = (*key.split("/"), "", "")[:3]
    return name == MANIFEST and PERIOD.fullmatch(period) is not None
