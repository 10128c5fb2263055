"""Sets and intervals of MAPIE and crepes from the same answers as ours, in their own environment."""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from benchmarks.environments import get_python
from benchmarks.quality.peers.run import CACHE

from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.features.uncertainty.uncertainty import LABEL_SET, LOWER, UPPER, UncertaintyColumns

SCRIPT = Path(__file__).parent / "peers" / "conform.py"
AnsweredRows = tuple[Matrix, Predictions]


def run_peers(
    unseen: AnsweredRows, unseen_truth: npt.NDArray[Any], test: AnsweredRows
) -> Mapping[str, UncertaintyColumns]:
    """Run each method of the peers, by its name.

    Args:
        unseen: Calibration rows and the answers to them.
        unseen_truth: Their truth, `[n]`.
        test: Test rows and the answers to them.

    Raises:
        subprocess.CalledProcessError: A peer fails.
    """
    given = {"unseen_truth": unseen_truth}
    for part, (matrix, answers) in (("unseen", unseen), ("test", test)):
        given |= {f"{part}_matrix": matrix, f"{part}_outcomes": answers.outcomes}
        if answers.probabilities is not None:
            given[f"{part}_probabilities"] = answers.probabilities
    with tempfile.TemporaryDirectory(prefix="quality-") as scratch:
        np.savez(Path(scratch) / "given.npz", allow_pickle=False, **given)
        python = get_python(CACHE / "environments", "conformal")
        subprocess.run([str(python), "-W", "ignore", str(SCRIPT), scratch], check=True)
        found = np.load(Path(scratch) / "found.npz")
        return {name: _name_columns(found[name]) for name in found.files}


def _name_columns(values: npt.NDArray[Any]) -> UncertaintyColumns:
    return {LABEL_SET: values} if values.dtype == bool else {LOWER: values[:, 0], UPPER: values[:, 1]}
