"""Scoring a table block by block: rows that are refused are told, the others are answered, each once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streamlit_app.client.predict import Batch, Prediction, Record
from streamlit_app.client.transport import Fault, Refused, Unreachable
from streamlit_app.prediction.table import Table

BLOCK_ROWS = 500
MOST_ASKED = 40
"""Times that a block is asked for: the server names a hundred wrong values at a time, and a file of another
use case has some in every row."""
UNPROCESSABLE = 422
Ask = Callable[[Sequence[Record]], Batch]


@dataclass(slots=True, kw_only=True)
class Scoring:
    """What became of the rows of a table.

    Attributes:
        name: Of the file.
        table: Its rows.
        answers: By the place of the row, each with the version that gave it.
        refusals: What is wrong with a row, by its place.
        problem: Why the rest is not scored; None when nothing is left.
    """

    name: str
    table: Table
    answers: dict[int, Prediction] = field(default_factory=dict)
    refusals: dict[int, list[Fault]] = field(default_factory=dict)
    problem: Exception | None = None

    @property
    def versions(self) -> list[int]:
        """Those that answered: more than one where the champion changed meanwhile."""
        return sorted({answer.version for answer in self.answers.values()})

    @property
    def left(self) -> list[int]:
        """Places of the rows that are neither answered nor refused."""
        return [
            place
            for place in range(len(self.table.records))
            if place not in self.answers and place not in self.refusals
        ]

    def go_on(self, ask: Ask, progress: Callable[[float], object] = lambda _: None) -> None:
        """Score the rows that are left; what fails is kept in `problem`, and can be tried again.

        Args:
            ask: Gives the answers to records, all or none.
            progress: Told the share that is done (0–1).
        """
        self.problem = None
        for place in self.table.long:
            self.refusals[place] = [Fault(row=place, reason="long")]
        left = self.left
        for start in range(0, len(left), BLOCK_ROWS):
            try:
                self._block(ask, left[start : start + BLOCK_ROWS])
            except (Refused, Unreachable) as error:
                self.problem = error
                return
            progress(min(1.0, (start + BLOCK_ROWS) / len(left)))

    def _block(self, ask: Ask, places: Sequence[int]) -> None:
        for _ in range(MOST_ASKED):
            if not places:
                return
            try:
                batch = ask([self.table.records[place] for place in places])
            except Refused as error:
                self._refuse(places, error)
                places = [place for place in places if place not in self.refusals]
                continue
            for place, answer in zip(places, batch.predictions, strict=True):
                by = {"model": batch.model, "version": batch.version}
                self.answers[place] = Prediction.model_validate({**answer.model_dump(), **by})
            return
        for place in places:
            self.refusals[place] = [Fault(row=place, reason="unasked")]

    def _refuse(self, places: Sequence[int], error: Refused) -> None:
        """Note the rows that an answer names; an answer that names none is raised."""
        named = [fault for fault in error.faults if fault.row is not None and fault.row < len(places)]
        if error.status != UNPROCESSABLE or not named:
            raise error
        for fault in named:
            place = places[fault.row or 0]
            self.refusals.setdefault(place, []).append(fault)
