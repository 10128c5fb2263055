"""The journal maintainer: a thread in each process that maintains the journals of the machine."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from servicio_ml.adapters.prediction_log.ground_truth import GroundTruthFile
from servicio_ml.adapters.prediction_log.journal import AlternatingJournal, SqliteJournal
from servicio_ml.adapters.prediction_log.journal_file import JournalFile
from servicio_ml.adapters.prediction_log.journal_stats import JournalStats, JournalStatsReader
from servicio_ml.adapters.prediction_log.leases import try_acquire_lease
from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.prediction import Chunk

if TYPE_CHECKING:
    from servicio_ml.adapters.prediction_log.postgres.shipper import Shipper

logger = logging.getLogger(__name__)
CYCLE_SECONDS = 1.0
LOWEST_PRIORITY = 19
MAX_SHIP_SECONDS = 5.0
"""Maximum time to ship one journal before the next one."""
MAX_LAST_SHIP_SECONDS = 3.0
"""Maximum time of the last shipment when the process ends."""
MAX_STOP_SECONDS = 8.0
"""Maximum wait for the maintainer when the process ends."""
PAUSE_SECONDS = 0.001
"""Pause between two deletions, so that the event loop can write."""
INTERVAL_SECONDS = 60.0
"""Time between two checkpoints, and between two deletions of expired rows in other files."""
MAX_UNCHECKED_CHUNKS = 10_000
"""Number of new chunks after which a checkpoint is made early; rows outlive the process without it."""
PRUNED_SHARE = 0.95
"""Share of the maximum size to which a journal is pruned when it exceeds the maximum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionLimits:
    """Limits of age and size.

    Attributes:
        max_age_seconds: Age at which predictions and their ground truth are deleted.
        max_bytes: Size of all journals of the machine above which the oldest shipped rows are deleted.
    """

    max_age_seconds: float
    max_bytes: int


class JournalMaintainer:
    """Checkpoints, ships and prunes the journal of this process and those of processes that ended.

    Args:
        folder: Folder of the journals.
        journal: Journal of this process, one of whose files rests while it is maintained if it has two.
        limits: Age and size above which rows are deleted.
        shipper: Copies rows to the prediction log; None when the journals are the log.
        clock: Current time.
    """

    def __init__(
        self,
        folder: Path,
        journal: SqliteJournal | AlternatingJournal,
        limits: RetentionLimits,
        shipper: "Shipper | None",
        clock: Clock,
    ) -> None:
        self._folder, self._journal, self._limits, self._shipper = folder, journal, limits, shipper
        self._clock, self._read_stats = clock, JournalStatsReader(folder)
        self._stopped, self._thread = (
            threading.Event(),
            threading.Thread(target=self._run, name="servicio-ml-journal-maintainer", daemon=True),
        )
        self._failing = set[str]()
        self._checkpointed: dict[Path, int] = {}
        self._pending, self._warned = 0, False
        self._next_due: dict[Path, float] = {}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Run one last cycle and stop; wait for `MAX_STOP_SECONDS` at most."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(MAX_STOP_SECONDS)
        if self._shipper is not None:
            self._shipper.close()

    def count_pending(self) -> int:
        """Number of rows of this machine that were not shipped after the last cycle."""
        return self._pending

    def run_cycle(self) -> None:
        """Maintain every journal once; a failing step is logged once and stops no other step."""
        if self._is_due(self._folder):
            self._attempt("deleting old predictions", self._delete_expired)
        stats_by_path = dict[Path, JournalStats]()
        self._attempt("reading the journal statistics", lambda: stats_by_path.update(self._read_stats()))
        excess = sum(each.used_bytes for each in stats_by_path.values()) / self._limits.max_bytes
        resting = self._choose_own_files()
        written = {each.path for each in self._journal.files} - resting.keys()
        # one failed attempt to reach the server is enough for a cycle
        reachable = True
        for path, stats in stats_by_path.items():
            if path not in written:
                reachable = self._visit_file(path, stats, resting.get(path), excess, reachable=reachable)
        self._attempt("counting unshipped rows", self._update_pending)

    def _choose_own_files(self) -> dict[Path, SqliteJournal]:
        """Choose the files of this process to maintain: the one that rests, and in the last cycle each."""
        files = self._journal.files if self._stopped.is_set() else self._journal.release_files()
        return {each.path: each for each in files}

    def _visit_file(
        self, path: Path, stats: JournalStats, own: SqliteJournal | None, excess: float, *, reachable: bool
    ) -> bool:
        """Maintain a file where there is something to do; return whether the server can be reached."""
        due = self._is_due(path)
        if not (own or due or excess > 1 or (self._shipper and stats.unshipped_rows)):
            return reachable
        work = partial(self._maintain_file, path, own, excess, ship=reachable, due=due)
        return self._attempt(f"opening {path.name}", work) and "shipping" not in self._failing

    def _is_due(self, path: Path) -> bool:
        # monotonic: a change of the wall clock must not delay maintenance
        now = time.monotonic()
        if now < self._next_due.get(path, 0.0):
            return False
        self._next_due[path] = now + INTERVAL_SECONDS
        return True

    def _maintain_file(
        self, path: Path, own: SqliteJournal | None, excess: float, *, ship: bool, due: bool
    ) -> None:
        with self._hold_lease(path, own) as held:
            if not held:
                return
            write_lock = own.lock if own else None
            with closing(JournalFile(path, write_lock, lambda: self._stopped.wait(PAUSE_SECONDS))) as file:
                self._checkpoint_file(file, due=due or self._stopped.is_set())
                if self._shipper is not None and ship:
                    self._attempt("shipping", partial(self._shipper.ship, file, self._limit_shipping()))
                self._attempt(f"pruning {path.name}", partial(self._prune, file, excess))

    def _checkpoint_file(self, file: JournalFile, *, due: bool) -> None:
        what, last = f"checkpoint of {file.path.name}", file.last_seq
        newer = last - self._checkpointed.get(file.path, 0)
        wanted = newer > MAX_UNCHECKED_CHUNKS or (newer and due) or what in self._failing
        if wanted and self._attempt(what, file.checkpoint):
            self._checkpointed[file.path] = last

    @contextmanager
    def _hold_lease(self, path: Path, own: SqliteJournal | None) -> Iterator[bool]:
        # the journal holds the lease already; flock would refuse a second descriptor of the same process
        if own is not None and own.lease is not None:
            yield True
            return
        lease = try_acquire_lease(path)
        try:
            yield lease is not None
        finally:
            if lease is not None:
                lease.release()

    def _limit_shipping(self) -> Callable[[], bool]:
        """Build the condition for shipping on: within its time, and not stopped, except in the last cycle."""
        last = self._stopped.is_set()
        end = time.monotonic() + (MAX_LAST_SHIP_SECONDS if last else MAX_SHIP_SECONDS)
        return lambda: time.monotonic() < end and self._stopped.is_set() == last

    def _prune(self, file: JournalFile, excess: float) -> None:
        file.delete_before(self._clock() - self._limits.max_age_seconds)
        if excess > 1:
            # each file is pruned by the same share
            last = file.last_seq if self._shipper is None else file.shipped_seq
            gone = file.delete_oldest(file.used_bytes * PRUNED_SHARE / excess, last)
            if gone and self._shipper is None and not self._warned:
                self._warned = True
                logger.warning(
                    "the prediction log in %s has reached SERVICIO_ML_LOG_MAX_BYTES (%d bytes): its oldest "
                    "predictions are deleted; set SERVICIO_ML_LOG_URL to keep them in PostgreSQL",
                    self._folder, self._limits.max_bytes,
                )  # fmt: skip
        file.shrink()

    def _delete_expired(self) -> None:
        before = self._clock() - self._limits.max_age_seconds
        if self._shipper is None:
            GroundTruthFile(self._folder).delete_before(before)
        else:
            self._shipper.delete_before(before)

    def _update_pending(self) -> None:
        if self._shipper is not None:
            self._pending = sum(each.unshipped_rows for each in self._read_stats().values())

    def _attempt(self, what: str, work: Callable[[], object]) -> bool:
        try:
            work()
        except Exception as error:  # noqa: BLE001  the maintainer survives every error
            if what not in self._failing:
                self._failing.add(what)
                logger.warning("prediction log, %s: %s; retried every second", what, error)
            return False
        if what in self._failing:
            self._failing.discard(what)
            logger.info("prediction log, %s: works again", what)
        return True

    def _run(self) -> None:
        # Linux has a priority for each thread: requests have precedence
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
        while not self._stopped.wait(CYCLE_SECONDS):
            self.run_cycle()
        self.run_cycle()


class MaintainedJournal:
    """A journal with its maintainer: the `Journal` port of a process.

    Args:
        journal: Journal to write.
        maintainer: Maintainer of the journal, started here.
    """

    def __init__(self, journal: SqliteJournal | AlternatingJournal, maintainer: JournalMaintainer) -> None:
        self._journal, self._maintainer = journal, maintainer
        maintainer.start()

    def write(self, chunks: Sequence[Chunk]) -> None:
        self._journal.write(chunks)

    def count_pending(self) -> int:
        return self._maintainer.count_pending()

    def close(self) -> None:
        """Ship what can be shipped within seconds, write everything to the disk and stop."""
        self._maintainer.stop()
        self._journal.close()
