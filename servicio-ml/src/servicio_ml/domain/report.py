"""Where the drift reports of a use case are in the lake, and the pointer to the latest of them.

`<use case>/reports/<time>/report.html` and `report.json`, and `<use case>/reports/latest.json`, which is
stored last: whoever reads it first finds a whole report.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any


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
        folder = f"{use_case}/reports/{at:%Y%m%dT%H%M%S.%fZ}"
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
    return f"{use_case}/reports/latest.json"
