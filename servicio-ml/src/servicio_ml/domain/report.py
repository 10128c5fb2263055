"""Where the drift reports of a use case are in the lake, and the pointer to the latest of them.

`<use case>/reports/<time>/report.html` and `report.json`, and `<use case>/reports/latest.json`, which is
stored last: whoever reads it first finds a whole report.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from servicio_ml.domain.ports import ObjectStore
from servicio_ml.errors import StoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """The latest report.

    Attributes:
        html: Key of the page.
        json: Key of the document.
        at: When it was made, as ISO text.
        version: Of the model.
    """

    html: str
    json: str
    at: str
    version: int

    @classmethod
    def of(cls, use_case: str, version: int, now: float) -> "Pointer":
        """The pointer to a report that is made now, in seconds since 1970."""
        at = datetime.fromtimestamp(now, UTC)
        folder = f"{reports_prefix(use_case)}{at:%Y%m%dT%H%M%S.%fZ}"
        return cls(
            html=f"{folder}/report.html", json=f"{folder}/report.json", at=at.isoformat(), version=version
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Pointer":
        return cls(**document)


def latest_key(use_case: str) -> str:
    """Key of the pointer."""
    return f"{reports_prefix(use_case)}latest.json"


def reports_prefix(use_case: str) -> str:
    """What the keys of its reports begin with; they are in the order of time, the pointer's key the last."""
    return f"{use_case}/reports/"


def read_latest(store: ObjectStore, use_case: str) -> Pointer:
    """The pointer to the latest report.

    Raises:
        NotPublishedError: There is none.
        StoreError: The lake cannot be read, or holds something else there.
    """
    key = latest_key(use_case)
    try:
        return Pointer.from_json(json.loads(store.fetch(key).read_bytes()))
    except (ValueError, TypeError) as error:
        problem = f"it is no pointer to a report ({error}); run `servicio-ml report {use_case}`"
        raise StoreError(store.uri, key, problem) from error
