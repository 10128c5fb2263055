"""What the card of an imported model says of its origin."""

from typing import TYPE_CHECKING

from servicio_ml.pipeline.training.model_card import ModelOrigin

if TYPE_CHECKING:
    from servicio_ml.pipeline.importing.build import Proof

CANDIDATE = "imported"
"""Name of an imported model among the candidates."""


def describe_import(uri: str, kind: str, proof: "Proof", latency_seconds: float) -> ModelOrigin:
    """Describe an imported model, and how it runs."""
    if proof.onnx is not None and proof.parity is not None:
        way = (
            f"- Runs as ONNX, whose scores differ from those of its library by at most"
            f" {proof.parity.difference:.1e} on {proof.parity.rows} rows."
        )
    else:
        way = f"- Runs in an isolated process, and not as ONNX: {proof.reason}"
    lines = (
        f"- Model: imported from {uri} ({kind}); it was trained elsewhere, perhaps on rows of the holdout.",
        way,
        f"- One row takes {latency_seconds * 1000:.3f} ms on the machine that imported it.",
    )
    return ModelOrigin(name=CANDIDATE, lines=lines)
