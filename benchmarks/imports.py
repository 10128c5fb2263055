"""Differences between imported models and their libraries, for the table of docs/import.md.

python -m benchmarks.imports --output imports.md
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np

# the models are those of the tests
sys.path.append(str(Path(__file__).parents[1] / "tests"))

from benchmarks.quality.report import MarkdownTable

from imported_models import CONVERTIBLE, INCONVERTIBLE, ModelCase, build_columns, encode_rows, make_rows
from servicio_ml.features.runtimes.scorer import OnnxScorer
from servicio_ml.model_worker.conversion.convert import convert_model
from servicio_ml.model_worker.errors import UnconvertibleError
from servicio_ml.model_worker.loading.estimators import describe_estimator

TRAINING_ROWS, ROWS, CALLS = 800, 10_000, 200


def measure_case(case: ModelCase) -> tuple[str, str, str]:
    """Measure the greatest difference and the median microseconds of a row; or say why it is isolated."""
    rows = make_rows(ROWS, seed=5)
    model = describe_estimator(case.fit(make_rows(TRAINING_ROWS)))
    columns = build_columns(list(case.columns), is_category=case.is_category)
    try:
        scorer = OnnxScorer(convert_model(model, columns, rows.shape[1]))
    except UnconvertibleError as error:
        return "isolated", str(error), ""
    matrix, theirs = encode_rows(rows), model.score(case.select(rows))
    difference = np.max(np.abs(scorer.score(matrix) - theirs) / np.maximum(1.0, np.abs(theirs)))
    taken = []
    for place in range(CALLS):
        started = time.perf_counter()
        scorer.score(matrix[place : place + 1])
        taken.append(time.perf_counter() - started)
    return "ONNX", f"{difference:.0e}", f"{np.median(taken) * 1e6:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("imports.md"), help="file to write")
    table = MarkdownTable(parser.parse_args().output, "model", "runs as", "difference", "one row [µs]")
    warnings.simplefilter("ignore")
    for name, case in {**CONVERTIBLE, **INCONVERTIBLE}.items():
        table.add(name, *measure_case(case))


if __name__ == "__main__":
    main()
