"""An uncertainty document that was made, on its way into an artifact."""

import json
from dataclasses import dataclass
from pathlib import Path

from servicio_ml.features.uncertainty.uncertainty import ERROR_MODEL, UNCERTAINTY, Uncertainty


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltUncertainty:
    """An uncertainty document and its files.

    Attributes:
        uncertainty: The document.
        rows: Number of calibration rows.
        onnx: Model of the errors of a regression; None for classes.
    """

    uncertainty: Uncertainty
    rows: int
    onnx: bytes | None = None

    def write(self, folder: Path) -> None:
        """Write the files into the folder of an artifact."""
        document = {"rows": self.rows, **self.uncertainty.to_json()}
        (folder / UNCERTAINTY).write_text(json.dumps(document, indent=1))
        if self.onnx is not None:
            (folder / ERROR_MODEL).write_bytes(self.onnx)
