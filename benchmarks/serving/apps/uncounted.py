"""Our server with tallies that count nothing: what `benchmarks/counting.py` compares it with.

The workers are spawned from this file, so that they have such tallies too.
"""

import numpy as np

from servicio_ml.domain.ports import ModelVersion
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.serving import tally


class Idle(tally.Tally):
    """Counts nothing."""

    def add(self, matrix: Matrix, predictions: Predictions) -> None:
        """Nothing is counted."""


class IdleTallies(tally.Tallies):
    """Open idle tallies."""

    def open(self, info: ModelVersion, artifact: Artifact) -> tally.Tally:
        made = super().open(info, artifact)
        return Idle(made.head, np.zeros(made.head.width))


# before the worker's module takes it
tally.Tallies = IdleTallies  # type: ignore[misc]

if __name__ == "__main__":
    from servicio_ml.cli import main

    main()
