"""The keeper: a thread of each process that looks after the journals of its machine."""

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

from servicio_ml.adapters.log.journal import SqliteJournal
from servicio_ml.adapters.log.labels import LabelFile
from servicio_ml.adapters.log.slot_file import SlotFile
from servicio_ml.adapters.log.slots import try_slot
from servicio_ml.adapters.log.survey import Holding, Survey
from servicio_ml.domain.ports import Clock
from servicio_ml.domain.prediction import Chunk

if TYPE_CHECKING:
    from servicio_ml.adapters.log.shipper import Shipper

logger = logging.getLogger(__name__)
CYCLE_SECONDS = 1.0
LEAST_PRIORITY = 19
SHIP_SECONDS = 5.0
"""How long one journal is shipped before the next one has its turn."""
LAST_SHIP_SECONDS = 3.0
"""How long the last shipment may take when the process ends."""
STOP_SECONDS = 8.0
"""How long the process waits for its keeper when it ends."""
PAUSE_SECONDS = 0.001
"""Between two deletions, so that the event loop has its turn."""
DUE_SECONDS = 60.0
"""Time between two checkpoints, and between two looks for what is too old in files that are not its own."""
CHECKPOINT_CHUNKS = 10_000
"""New chunks after which a checkpoint does not wait until it is due. Commits wait for it some milliseconds,
and none is needed to outlive the process."""
PRUNED_TO = 0.95
"""Share of the size that is left when it was exceeded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What is kept.

    Attributes:
        seconds: Age from which predictions and their ground truth are deleted.
        bytes: Size of all journals of the machine from which the oldest rows go that are in the log.
    """

    seconds: float
    bytes: int


class Keeper:
    """Checkpoints, ships and prunes the journal of its process and those that dead ones left.

    Args:
        folder: Of the log.
        journal: Of this process.
        keep: What is kept.
        shipper: Brings rows to the prediction log; None when the journals are the log.
        clock: Gives the time.
    """

    def __init__(
        self, folder: Path, journal: SqliteJournal, keep: Keep, shipper: "Shipper | None", clock: Clock
    ) -> None:
        self._folder, self._journal, self._keep, self._shipper = folder, journal, keep, shipper
        self._clock, self._survey = clock, Survey(folder)
        self._stopped, self._thread = (
            threading.Event(),
            threading.Thread(target=self._run, name="servicio-ml-keeper", daemon=True),
        )
        self._failing = set[str]()
        self._checkpointed: dict[Path, int] = {}
        self._pending, self._due, self._warned = 0, 0.0, False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """One last cycle, then none; waits for it some seconds at most."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        if self._shipper is not None:
            self._shipper.close()

    def pending(self) -> int:
        """Rows of this machine that were not in the prediction log after the last cycle."""
        return self._pending

    def cycle(self) -> None:
        """Look after everything once; a fault in one thing is logged once and hinders no other."""
        due = time.monotonic() >= self._due
        if due:
            self._due = time.monotonic() + DUE_SECONDS
            self._attempt("deleting old predictions", self._forget_elsewhere)
        holdings = dict[Path, Holding]()
        self._attempt("looking at the journals", lambda: holdings.update(self._survey()))
        excess = sum(each.used_bytes for each in holdings.values()) / self._keep.bytes
        reachable = True
        for path, holding in holdings.items():
            if due or excess > 1 or path == self._journal.path or (self._shipper and holding.waiting):
                reachable = self._attempt(
                    f"opening {path.name}", partial(self._look_after, path, excess, ship=reachable, due=due)
                ) and ("shipping" not in self._failing)
        self._attempt("counting what is not shipped", self._count)

    def _look_after(self, path: Path, excess: float, *, ship: bool, due: bool) -> None:
        own = path == self._journal.path
        with self._held(path, own=own) as held:
            if not held:
                return
            guard = self._journal.lock if own else None
            with closing(SlotFile(path, guard, lambda: self._stopped.wait(PAUSE_SECONDS))) as file:
                self._checkpoint(file, due=due or self._stopped.is_set())
                if self._shipper is not None and ship:
                    self._attempt("shipping", partial(self._shipper.ship, file, self._patience()))
                self._attempt(f"pruning {path.name}", partial(self._prune, file, excess))

    def _checkpoint(self, file: SlotFile, *, due: bool) -> None:
        what, last = f"checkpoint of {file.path.name}", file.last
        newer = last - self._checkpointed.get(file.path, 0)
        wanted = newer > CHECKPOINT_CHUNKS or (newer and due) or what in self._failing
        if wanted and self._attempt(what, file.checkpoint):
            self._checkpointed[file.path] = last

    @contextmanager
    def _held(self, path: Path, *, own: bool) -> Iterator[bool]:
        if own and self._journal.slot is not None:
            yield True
            return
        slot = try_slot(path)
        try:
            yield slot is not None
        finally:
            if slot is not None:
                slot.release()

    def _patience(self) -> Callable[[], bool]:
        """Says for how long to ship; a stop ends it, except for the last time."""
        last = self._stopped.is_set()
        end = time.monotonic() + (LAST_SHIP_SECONDS if last else SHIP_SECONDS)
        return lambda: time.monotonic() < end and self._stopped.is_set() == last

    def _prune(self, file: SlotFile, excess: float) -> None:
        file.forget_before(self._clock() - self._keep.seconds)
        if excess > 1:
            # every file gives the same share
            last = file.last if self._shipper is None else file.shipped
            gone = file.forget_oldest(file.used_bytes * PRUNED_TO / excess, last)
            if gone and self._shipper is None and not self._warned:
                self._warned = True
                logger.warning(
                    "the prediction log in %s has reached SERVICIO_ML_LOG_MAX_BYTES (%d): the oldest "
                    "predictions go; set SERVICIO_ML_LOG_URL to keep them elsewhere",
                    self._folder, self._keep.bytes,
                )  # fmt: skip
        file.shrink()

    def _forget_elsewhere(self) -> None:
        before = self._clock() - self._keep.seconds
        if self._shipper is None:
            LabelFile(self._folder).forget(before)
        else:
            self._shipper.forget_before(before)

    def _count(self) -> None:
        if self._shipper is not None:
            self._pending = sum(each.waiting for each in self._survey().values())

    def _attempt(self, what: str, work: Callable[[], object]) -> bool:
        try:
            work()
        except Exception as error:  # noqa: BLE001  the keeper outlives everything
            if what not in self._failing:
                self._failing.add(what)
                logger.warning("prediction log, %s: %s; tried again every second", what, error)
            return False
        if what in self._failing:
            self._failing.discard(what)
            logger.info("prediction log, %s: works again", what)
        return True

    def _run(self) -> None:
        # Linux has a priority for each thread: requests come first
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LEAST_PRIORITY)
        while not self._stopped.wait(CYCLE_SECONDS):
            self.cycle()
        self.cycle()


class KeptJournal:
    """A journal with its keeper: the `Journal` port of a process.

    Args:
        journal: That is written.
        keeper: That looks after it; started here.
    """

    def __init__(self, journal: SqliteJournal, keeper: Keeper) -> None:
        self._journal, self._keeper = journal, keeper
        keeper.start()

    def write(self, chunks: Sequence[Chunk]) -> None:
        self._journal.write(chunks)

    def pending(self) -> int:
        return self._keeper.pending()

    def close(self) -> None:
        """Ship what can be shipped within seconds, bring everything to the disk and stop."""
        self._keeper.stop()
        self._journal.close()
