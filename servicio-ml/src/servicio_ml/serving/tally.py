"""Counts of each model version by bin, in memory that all processes of a server share.

Each process writes a file of its own for each version; whoever is scraped adds them up. A file stays when its
process dies, so that counters never fall.
"""

import json
import mmap
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.ports import ModelVersion
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.features.profile import Profile

BUFFERED_ROWS = 256
"""Rows that are counted in one go: one by one they would cost as much as the prediction."""
FLOAT_BYTES = 8
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a file counts.

    Attributes:
        model: Name of the model.
        version: Its version.
        run_id: Of the run that trained it.
        labels: Of the classes; none of a regression.
        reference: Bins and shares of the training rows.
    """

    model: str
    version: int
    run_id: str
    labels: tuple[str, ...]
    reference: Profile

    @property
    def width(self) -> int:
        """Numbers in the file: each feature's bins, the prediction's, the seasons, the expected confusion."""
        return sum(self._lengths) + len(self.labels) ** 2

    @property
    def _lengths(self) -> list[int]:
        return [*(len(each.labels) for each in self.reference.every), len(self.reference.seasons)]

    def split(self, counts: Counts) -> "Parts":
        """What the numbers of the file are."""
        *bins, seasons, confusion = np.split(counts, np.cumsum(self._lengths))
        side = len(self.labels)
        return Parts(columns=bins, seasons=seasons, confusion=confusion.reshape(side, side))

    def to_json(self) -> dict[str, Any]:
        document = {name: getattr(self, name) for name in ("model", "version", "run_id", "labels")}
        return {**document, "reference": self.reference.to_json()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Head":
        reference = Profile.from_json(document["reference"])
        return cls(**{**document, "labels": tuple(document["labels"]), "reference": reference})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Counts of a version.

    Attributes:
        columns: By bin, of each feature, then of the prediction.
        seasons: By season.
        confusion: Expected, `[predicted, actual]`.
    """

    columns: list[Counts]
    seasons: Counts
    confusion: Counts


class Tally:
    """Counts the rows of one version in this process; may be used from several threads."""

    def __init__(self, head: Head, counts: Counts) -> None:
        self.head = head
        self._counts, self._parts = counts, head.split(counts)
        self._lock = threading.Lock()
        self._rows = 0
        self._pending: list[tuple[Matrix, Predictions]] = []

    def add(self, matrix: Matrix, predictions: Predictions) -> None:
        """Count rows `[n, features]` and their answers, by and by."""
        with self._lock:
            self._pending.append((matrix, predictions))
            self._rows += len(matrix)
            if self._rows < BUFFERED_ROWS:
                return
        self.flush()

    def flush(self) -> None:
        """Count what is pending."""
        with self._lock:
            pending, self._pending, self._rows = self._pending, [], 0
            if not pending:
                return
            matrix = np.concatenate([rows for rows, _ in pending])
            outcomes = np.concatenate([answer.outcomes for _, answer in pending])
            probabilities = [
                answer.probabilities for _, answer in pending if answer.probabilities is not None
            ]
            joined = np.concatenate(probabilities) if probabilities else None
            self._count(matrix, Predictions(outcomes=outcomes, probabilities=joined))

    def _count(self, matrix: Matrix, answers: Predictions) -> None:
        reference, parts = self.head.reference, self._parts
        fresh = [*reference.count(matrix), reference.prediction.count(answers.shown)]
        for counts, more in zip(parts.columns, fresh, strict=True):
            np.add(counts, more, out=counts)
        np.add(parts.seasons, reference.count_seasons(matrix), out=parts.seasons)
        if answers.probabilities is not None:
            np.add.at(parts.confusion, answers.outcomes.astype(np.intp), answers.probabilities)


class Tallies:
    """The files of all processes in one folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._mine: dict[Path, Tally] = {}

    def open(self, info: ModelVersion, artifact: Artifact) -> Tally:
        """The tally of a version in this process; the same file again when it is loaded again."""
        head = Head(
            model=info.model, version=info.version, run_id=info.run_id,
            labels=artifact.output.labels, reference=artifact.reference,
        )  # fmt: skip
        name = blake2b(f"{info.model}/{info.version}".encode(), digest_size=8).hexdigest()
        place = self._folder / f"{name}-{os.getpid()}"
        if place in self._mine:
            return self._mine[place]
        with place.with_suffix(".counts").open("a+b") as file:
            file.truncate(head.width * FLOAT_BYTES)
            shared = mmap.mmap(file.fileno(), head.width * FLOAT_BYTES)
        # the description appears last, whole: a reader never meets a file without its counts
        draft = place.with_suffix(".draft")
        draft.write_text(json.dumps(head.to_json()))
        draft.replace(place.with_suffix(".json"))
        made = Tally(head, np.frombuffer(shared, dtype=np.float64))
        self._mine[place] = made
        return made

    def flush(self) -> None:
        """Count what is pending in this process."""
        for tally in list(self._mine.values()):
            tally.flush()

    def totals(self) -> Iterator[tuple[Head, Counts]]:
        """Each version with its counts summed over the processes."""
        self.flush()
        heads: dict[tuple[str, int], Head] = {}
        sums: dict[tuple[str, int], Counts] = {}
        for path in sorted(self._folder.glob("*.json")):
            head = Head.from_json(json.loads(path.read_text()))
            counts = np.fromfile(path.with_suffix(".counts"), dtype=np.float64)
            key = (head.model, head.version)
            heads[key] = head
            sums[key] = sums[key] + counts if key in sums else counts
        yield from ((heads[key], sums[key]) for key in sorted(sums))
