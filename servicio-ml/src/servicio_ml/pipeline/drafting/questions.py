"""Questions of a draft: what was guessed from the file."""

from collections.abc import Iterator

from servicio_ml.pipeline.drafting.answers import DraftQuestion
from servicio_ml.pipeline.drafting.dates.time_order import list_time_columns
from servicio_ml.pipeline.drafting.evidence import Evidence
from servicio_ml.pipeline.drafting.targets.labels import RARER


def find_questions(evidence: Evidence) -> Iterator[DraftQuestion]:
    """Find the guesses that the user has not answered."""
    labels = evidence.target.target.labels
    if RARER in evidence.target.reason:
        text = "class whose probability is predicted"
        yield DraftQuestion(answer="positive", text=text, choices=labels, guess=labels[-1])
    times = tuple(each.column for each in list_time_columns(evidence.findings))
    if len(times) > 1 and not evidence.answers.time:
        text = "column of the date by which rows are split"
        yield DraftQuestion(answer="time", text=text, choices=times, guess=times[0])
