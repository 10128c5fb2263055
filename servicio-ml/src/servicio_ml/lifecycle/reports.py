"""Drift reports of a use case in the lake, and the pointer to the latest one.

`<use case>/reports/<time>/report.html` and `report.json`, and `<use case>/reports/latest.json`, which is
stored last, so that its reader finds a complete report.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.errors import StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestReport:
    """Pointer to the latest report.

    Attributes:
        html: Key of the page.
        json: Key of the document.
        at: Time of the report, as ISO text.
        version: Version of the model.
    """

    html: str
    json: str
    at: str
    version: int

    @classmethod
    def build(cls, use_case: str, version: int, now: float) -> "LatestReport":
        """Build the pointer to a report of the time `now`, in seconds since 1970."""
        at = datetime.fromtimestamp(now, UTC)
        folder = f"{build_reports_prefix(use_case)}{at:%Y%m%dT%H%M%S.%fZ}"
        return cls(
            html=f"{folder}/report.html", json=f"{folder}/report.json", at=at.isoformat(), version=version
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "LatestReport":
        return cls(**document)


def build_latest_key(use_case: str) -> str:
    """Build the key of the pointer."""
    return f"{build_reports_prefix(use_case)}latest.json"


def build_reports_prefix(use_case: str) -> str:
    """Build the prefix of the keys of reports."""
    # sorted keys are in the order of time, and `latest.json` sorts after every time
    return f"{use_case}/reports/"


def read_latest(store: ObjectStore, use_case: str) -> LatestReport:
    """Read the pointer to the latest report.

    Raises:
        NotPublishedError: No report exists.
        StoreError: The lake cannot be read, or the file is no pointer.
    """
    key = build_latest_key(use_case)
    try:
        return LatestReport.from_json(json.loads(store.fetch(key).read_bytes()))
    except (ValueError, TypeError) as error:
        problem = f"it is no pointer to a report ({error}); run `servicio-ml report {use_case}`"
        raise StoreError(store.uri, key, problem) from error
