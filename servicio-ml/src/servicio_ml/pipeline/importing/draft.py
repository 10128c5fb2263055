"""Draft of a use case from rows without ground truth: its target is what the model predicts."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from servicio_ml.domain.defaults.candidates import build_standard_candidates
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import MISSING, Dialect, HashedSplit, Origin, Target, Task, UseCase
from servicio_ml.pipeline.drafting.answers import DraftAnswers
from servicio_ml.pipeline.drafting.cells.table import read_table
from servicio_ml.pipeline.drafting.compose import get_file_name
from servicio_ml.pipeline.drafting.corrections import ColumnCorrection
from servicio_ml.pipeline.drafting.evidence import find_features, read_columns
from servicio_ml.pipeline.drafting.quick_model import METRICS
from servicio_ml.pipeline.drafting.writing.source_text import write_source
from servicio_ml.pipeline.reading.input_file import copy_input_file

TARGET_NAMES = ("outcome", "ground_truth", "target_value")
"""Names of the target; the first that no field has."""
FLOORS = {Task.BINARY: 0.5, Task.MULTICLASS: 0.0, Task.REGRESSION: 0.0}
"""Value of the metric for a guess."""
NOTES = {
    "target": "the rows had no ground truth: give its column in later files, its unit and its range",
    "promotion": "the floor is that of a guess: set it when the ground truth of some rows is known",
}


def draft_unlabelled(
    name: str,
    task: Task,
    classes: tuple[str, ...],
    columns: Mapping[str, ColumnCorrection],
    source: Path,
    *,
    source_name: str,
) -> str:
    """Draft a use case from rows without ground truth; return the Python source of its file.

    Args:
        name: Name of the use case, in snake case.
        task: What the model predicts.
        classes: Its classes, the positive one of two last; empty in a regression.
        columns: What each column of the file is.
        source: The file.
        source_name: Name by which the user knows it, for messages.

    Raises:
        DataError: The file cannot be read, or a column cannot be what the model reads.
    """
    with tempfile.TemporaryDirectory(prefix="servicio-ml-draft-") as folder:
        file = copy_input_file(source, source_name, Path(folder))
        table = read_table(file)
        missing, raw = read_columns(table)
        findings = find_features(file, table, raw, DraftAnswers(target="", columns=columns))
    fields = tuple(each.field for each in findings if each.field)
    taken = {each.name for each in fields}
    target = next(each for each in TARGET_NAMES if each not in taken)
    use_case = UseCase(
        name=name,
        task=task,
        schema=FeatureSchema(fields=fields),
        target=Target(name=target, labels=classes),
        metric=METRICS[task],
        candidates=build_standard_candidates(task, table.rows),
        split=HashedSplit(),
        promotion=PromotionPolicy(metric=METRICS[task], floor=FLOORS[task]),
        origin=Origin(file=get_file_name(source_name)),
        dialects=(Dialect(name="original", decimal=table.decimal),),
        missing=(*MISSING, *missing),
    )
    return write_source(use_case, findings, table.rows, NOTES)
