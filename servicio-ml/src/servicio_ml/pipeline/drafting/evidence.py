"""What was found in a raw file, from which a use case is composed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from servicio_ml.pipeline.drafting.answers import DraftAnswers
from servicio_ml.pipeline.drafting.cells.table import TextTable
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding
from servicio_ml.pipeline.drafting.matrix import build_problem, split_by_date
from servicio_ml.pipeline.drafting.quick_model import estimate_quality
from servicio_ml.pipeline.drafting.targets.finding import TargetFinding
from servicio_ml.pipeline.reading.input_file import InputFile


# without slots, which would leave no place for the cached property
@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was found in a file.

    Attributes:
        answers: Answers of the user.
        file: The file.
        table: Its cells.
        target: What is predicted.
        findings: Every other column, in the order of the file.
        missing: Texts that mean missing, besides the default ones.
    """

    answers: DraftAnswers
    file: InputFile
    table: TextTable
    target: TargetFinding
    findings: Sequence[ColumnFinding]
    missing: tuple[str, ...]

    @cached_property
    def quality(self) -> tuple[float, float]:
        """Metric of a guess and of a quick model; a draft that is built anew does not fit it again."""
        return estimate_quality(build_problem(self.findings, self.target))

    def estimate_later_quality(self, date: str) -> tuple[float, float]:
        """Estimate the metric of a guess and of a quick model on the last rows by a date.

        Args:
            date: Name of its field.
        """
        days = {each.field.name: each.values for each in self.findings if each.field}[date]
        problem = build_problem(self.findings, self.target)
        return self.quality if days is None else estimate_quality(split_by_date(problem, days))
