"""Counts of each model version by bin, in memory that all processes of a server share.

Each process writes its own file for each version; the process that is scraped adds them up. A file stays when
its process dies, so that counters never decrease.
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

from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.outliers.outlier_model import OutlierModel
from servicio_ml.features.output import BINARY_CLASSES, POSITIVE, Predictions
from servicio_ml.features.performance.rank_counts import RANK_BINS, RankCounts, count_ranks
from servicio_ml.features.performance.segment_counts import (
    SegmentCounts,
    compute_expected_losses,
    compute_length,
    count_segment,
    split_segment,
)
from servicio_ml.features.profile import ReferenceProfile
from servicio_ml.features.uncertainty.error_model import ErrorModel

BUFFERED_ROWS = 256
"""Number of rows that are counted at once: one by one they would cost as much as the prediction."""
FLOAT_BYTES = 8
ERRORS = 3
"""Numbers of the errors: rows, sum of the absolute and of the squared ones."""
SCORED_STEP = 4
"""Distance of the rows of a full buffer that get an outlier score, which costs as much as other counts."""
OUTLIERS = 2
"""Numbers of the outliers: rows with a score, and those above the limit."""
CountArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BinCountsHeader:
    """Description of a file of counts.

    Attributes:
        model: Name of the model.
        version: Version of the model.
        run_id: Id of the run that trained it.
        labels: Labels of the classes; empty for a regression.
        reference: Bins and shares of the training rows.
        has_errors: Whether the version estimates the errors of its numbers.
        outlier_share: Share of its training rows that are outliers; None for a version without their score.
    """

    model: str
    version: int
    run_id: str
    labels: tuple[str, ...]
    reference: ReferenceProfile
    has_errors: bool = False
    outlier_share: float | None = None

    @property
    def size(self) -> int:
        """Number of counts."""
        return sum(self._lengths)

    @property
    def _lengths(self) -> list[int]:
        """Number of the bins of each feature and of the prediction, and of the other counts in order."""
        ranks = len(RANK_BINS) if len(self.labels) == BINARY_CLASSES else 0
        bins = (len(each.labels) for each in self.reference.all_bins)
        return [
            *bins,
            len(self.reference.seasons),
            len(self.labels) ** 2,
            ranks,
            ranks,
            ERRORS * self.has_errors,
            OUTLIERS * (self.outlier_share is not None),
            *(compute_length(each, len(self.labels)) for each in self.reference.segments),
        ]

    def split_counts(self, counts: CountArray) -> "VersionCounts":
        """Split the counts of the file by their meaning."""
        columns, side = len(self.reference.all_bins), len(self.labels)
        parts = np.split(counts, np.cumsum(self._lengths)[:-1])
        bins, (seasons, confusion, positives, negatives, errors, outliers, *segments) = (
            parts[:columns],
            parts[columns:],
        )
        return VersionCounts(
            columns=bins, seasons=seasons, confusion=confusion.reshape(side, side),
            ranks=RankCounts(positives=positives, negatives=negatives), errors=errors,
            outliers=outliers,
            segments=[
                split_segment(profile, side, numbers)
                for profile, numbers in zip(self.reference.segments, segments, strict=True)
            ],
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        names = ("model", "version", "run_id", "labels", "has_errors", "outlier_share")
        document = {name: getattr(self, name) for name in names}
        return {**document, "reference": self.reference.to_json()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "BinCountsHeader":
        reference = ReferenceProfile.from_json(document["reference"])
        return cls(**{**document, "labels": tuple(document["labels"]), "reference": reference})


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionCounts:
    """Counts of a version.

    Attributes:
        columns: Counts by bin of each feature, then of the prediction.
        seasons: Rows by season.
        confusion: Expected confusion, `[predicted, actual]`.
        ranks: Expected rows of both classes by their probability; without bins unless there are two classes.
        errors: Rows with an expected error, and the sums of the expected absolute and squared errors; empty
            for a version without.
        outliers: Rows with an outlier score, and those above the limit; empty for a version without.
        segments: Counts of each segment.
    """

    columns: list[CountArray]
    seasons: CountArray
    confusion: CountArray
    ranks: RankCounts
    errors: CountArray
    outliers: CountArray
    segments: list[SegmentCounts]


class BinCounts:
    """Counts of one version in this process; safe to use from several threads.

    Args:
        header: Description of the counts.
        counts: Counts of the process, `[header.size]`, which are added to.
        error_model: Model of the errors of a version that has one.
        outliers: Outlier model of a version that has one.
    """

    def __init__(
        self,
        header: BinCountsHeader,
        counts: CountArray,
        error_model: ErrorModel | None = None,
        outliers: OutlierModel | None = None,
    ) -> None:
        self.header, self._error_model, self._outliers = header, error_model, outliers
        self._counts, self._split_counts = counts, header.split_counts(counts)
        # the event loop, the thread of large requests and the shadow thread add rows
        self._lock = threading.Lock()
        self._rows = 0
        self._pending: list[tuple[Matrix, Predictions]] = []

    def add(self, matrix: Matrix, predictions: Predictions) -> None:
        """Buffer rows `[n, features]` with their predictions, and count them once there are enough."""
        with self._lock:
            self._pending.append((matrix, predictions))
            self._rows += len(matrix)
            if self._rows < BUFFERED_ROWS:
                return
        self.flush()

    def flush(self) -> None:
        """Count the buffered rows."""
        with self._lock:
            pending, self._pending, self._rows = self._pending, [], 0
            if not pending:
                return
            matrix = np.concatenate([rows for rows, _ in pending])
            outcomes = np.concatenate([answer.outcomes for _, answer in pending])
            probabilities = [
                answer.probabilities for _, answer in pending if answer.probabilities is not None
            ]
            # rows of a regression have no probabilities
            joined = np.concatenate(probabilities) if probabilities else None
            self._add_to_counts(matrix, Predictions(outcomes=outcomes, probabilities=joined))

    def _add_to_counts(self, matrix: Matrix, predictions: Predictions) -> None:
        reference, split = self.header.reference, self._split_counts
        added = [*reference.count(matrix), reference.prediction.count(predictions.binned_values)]
        for counts, number in zip(split.columns, added, strict=True):
            # in place: the arrays are views of the memory-mapped file
            np.add(counts, number, out=counts)
        np.add(split.seasons, reference.count_seasons(matrix), out=split.seasons)
        if predictions.probabilities is not None:
            np.add.at(split.confusion, predictions.outcomes.astype(np.intp), predictions.probabilities)
        losses = self._add_losses(matrix, predictions)
        self._add_segments(matrix, losses, predictions)
        if self._outliers is not None:
            # a share is exact enough from a part of many rows
            scored = matrix[::SCORED_STEP] if len(matrix) >= BUFFERED_ROWS else matrix
            np.add(split.outliers, (len(scored), self._outliers.count_outliers(scored)), out=split.outliers)
        if predictions.probabilities is not None and len(split.ranks.positives):
            positive = predictions.probabilities[:, POSITIVE]
            ranks = count_ranks(positive, positive)
            np.add(split.ranks.positives, ranks.positives, out=split.ranks.positives)
            np.add(split.ranks.negatives, ranks.negatives, out=split.ranks.negatives)

    def _add_losses(self, matrix: Matrix, predictions: Predictions) -> CountArray:
        """Compute the expected loss of each row, `[n]`, and add those of numbers; NaN where unknown."""
        if predictions.probabilities is not None:
            return compute_expected_losses(predictions)
        if self._error_model is None:
            return np.full(len(matrix), np.nan)
        # here and not with the answer: one call for many rows costs a fraction
        estimates = self._error_model.estimate_errors(matrix, predictions.outcomes).astype(np.float64)
        errors, counts = self._error_model.sum_estimates(estimates), self._split_counts.errors
        np.add(counts, (errors.rows, errors.absolute, errors.squared), out=counts)
        return estimates

    def _add_segments(self, matrix: Matrix, losses: CountArray, predictions: Predictions) -> None:
        segments = self.header.reference.segments
        if not segments:
            return
        fields = len(self.header.reference.features)
        missing = np.isnan(matrix[:, :fields]).sum(axis=1).astype(np.float64)
        for profile, counts in zip(segments, self._split_counts.segments, strict=True):
            counts.add(count_segment(profile, matrix, missing, losses, predictions))


class BinCountsFolder:
    """The files of all processes in one folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._opened: dict[Path, BinCounts] = {}

    def open(self, info: ModelVersion, artifact: Artifact) -> BinCounts:
        """Open the counts of a version in this process; a version that is loaded again keeps its file."""
        error_model = None if artifact.uncertainty is None else artifact.uncertainty.error_model
        header = BinCountsHeader(
            model=info.model, version=info.version, run_id=info.run_id, labels=artifact.output.labels,
            reference=artifact.reference, has_errors=error_model is not None,
            outlier_share=artifact.outliers.expected_share if artifact.outliers else None,
        )  # fmt: skip
        # a digest, as a model's name may hold characters that a file system refuses
        name = blake2b(f"{info.model}/{info.version}".encode(), digest_size=8).hexdigest()
        path = self._folder / f"{name}-{os.getpid()}"
        if path in self._opened:
            return self._opened[path]
        # "a+b" creates the file without truncating counts of an earlier load
        with path.with_suffix(".counts").open("a+b") as file:
            file.truncate(header.size * FLOAT_BYTES)
            shared = mmap.mmap(file.fileno(), header.size * FLOAT_BYTES)
        # the description appears last and atomically: a reader never finds one without its counts
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(header.to_json()))
        draft.replace(path.with_suffix(".json"))
        opened = BinCounts(header, np.frombuffer(shared, dtype=np.float64), error_model, artifact.outliers)
        self._opened[path] = opened
        return opened

    def flush(self) -> None:
        """Count the buffered rows of this process."""
        for bin_counts in list(self._opened.values()):
            bin_counts.flush()

    def sum_versions(self) -> Iterator[tuple[BinCountsHeader, CountArray]]:
        """Yield each version with its counts summed over the processes."""
        self.flush()
        headers: dict[tuple[str, int], BinCountsHeader] = {}
        sums: dict[tuple[str, int], CountArray] = {}
        # files of dead processes are included: counters must never decrease
        for path in sorted(self._folder.glob("*.json")):
            header = BinCountsHeader.from_json(json.loads(path.read_text()))
            counts = np.fromfile(path.with_suffix(".counts"), dtype=np.float64)
            key = (header.model, header.version)
            headers[key] = header
            sums[key] = sums[key] + counts if key in sums else counts
        yield from ((headers[key], sums[key]) for key in sorted(sums))
