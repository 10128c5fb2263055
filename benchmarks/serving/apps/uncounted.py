"""Our server with bin counts that count nothing: what `benchmarks/counting.py` compares it with.

The workers are spawned from this file, so that they have such bin counts too.
"""

import numpy as np

from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.serving.models import bin_counts


class Idle(bin_counts.BinCounts):
    """Counts nothing."""

    def add(self, matrix: Matrix, predictions: Predictions) -> None:
        """Nothing is counted."""


class IdleBinCountsFolder(bin_counts.BinCountsFolder):
    """Open idle bin counts."""

    def open(self, info: ModelVersion, artifact: Artifact) -> bin_counts.BinCounts:
        made = super().open(info, artifact)
        return Idle(made.header, np.zeros(made.header.size))


# before the worker's module takes it
bin_counts.BinCountsFolder = IdleBinCountsFolder  # type: ignore[misc]

if __name__ == "__main__":
    from servicio_ml.cli import main

    main()
