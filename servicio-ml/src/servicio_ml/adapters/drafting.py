"""Drafts of use cases by the `servicio-ml` command, in processes of their own."""

import fcntl
import json
import os
import re
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from servicio_ml.adapters.retraining.command import METRICS_FOLDER_VARIABLE, CommandRetrainer
from servicio_ml.domain.checks.attributes import SNAKE_CASE, SNAKE_CASE_RULE
from servicio_ml.domain.ports.use_case_drafter import FAILED_PREFIX, FINISHED_LINE, FirstTraining, RunState
from servicio_ml.errors import DraftingClosedError, DraftingError, RetrainingError

FILE_NAME = re.compile(r"\w[\w .()+-]{0,149}")
"""Name of a raw file: no folder, and no hidden file."""
MAX_DRAFT_SECONDS = 300.0
"""Time limit of a draft: a file of the largest size that is taken needs about a minute."""
WAIT_SECONDS = 30.0
"""Time for which one waits for another that reads a file."""
ERROR_PREFIX = "error: "
SHOWN_LINES = 40


class DraftingCommand:
    """Runs the command for each draft, one at a time, and trains in a process that outlives the server.

    Args:
        files: Folder of the raw files.
        runs: Folder of the logs of first trainings.
        command: The `servicio-ml` command.
        trainer: Starter of first trainings, whose logs are in `runs`.
        problem: Why use cases cannot be drafted here; empty where they can.
    """

    def __init__(
        self, files: Path, runs: Path, command: Sequence[str], trainer: CommandRetrainer, problem: str
    ) -> None:
        self._files, self._runs, self._command = files.absolute(), runs, tuple(command)
        self._trainer, self._problem, self._lock = trainer, problem, threading.Lock()

    def list_files(self) -> list[str]:
        self._check_open()
        if not self._files.is_dir():
            return []
        return sorted(each.name for each in self._files.iterdir() if _is_raw_file(each))

    def save_file(self, file: str, content: bytes) -> None:
        self._check_open()
        path = self._files / _check_file_name(file)
        if not content:
            raise DraftingError(f"the upload of {file!r} is empty; send the content of the file")
        if path.exists():
            if path.is_file() and path.read_bytes() == content:
                return
            raise DraftingError(f"there is another file {file!r} already; give the upload another name")
        try:
            self._write_file(path, content)
        except FileExistsError:
            raise DraftingError(f"another upload of {file!r} was faster; try again") from None
        except OSError as error:
            problem = (
                f"{file!r} cannot be kept in {self._files}: {error.strerror}; the server must write there"
            )
            raise DraftingClosedError(problem) from error

    def _write_file(self, path: Path, content: bytes) -> None:
        self._files.mkdir(parents=True, exist_ok=True)
        draft = self._files / f".{uuid.uuid4().hex}"
        try:
            draft.write_bytes(content)
            # the other names appear whole, and no other upload of the same name is overwritten
            os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)

    def list_columns(self, file: str) -> Mapping[str, Any]:
        return self._run_command(["data", "columns", "--source", str(self._find_file(file)), "--json"])

    def build_draft(self, name: str, file: str, answers: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._run_init(name, file, answers, "--preview")

    def write_draft(
        self, name: str, file: str, answers: Mapping[str, Any], *, replace: bool
    ) -> Mapping[str, Any]:
        return self._run_init(name, file, answers, *(["--force"] if replace else []))

    def _run_init(self, name: str, file: str, answers: Mapping[str, Any], *options: str) -> Mapping[str, Any]:
        _check_use_case_name(name)
        source = self._find_file(file)
        with tempfile.TemporaryDirectory(prefix="servicio-ml-answers-") as folder:
            path = Path(folder, "answers.json")
            path.write_text(json.dumps(answers), encoding="utf-8")
            words = ["init", name, "--source", str(source), "--answers", str(path), "--json", "--yes"]
            return self._run_command([*words, *options])

    def _run_command(self, words: Sequence[str]) -> Mapping[str, Any]:
        # one at a time: each reads a whole file into memory; a page that is drawn anew asks again at once
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            raise DraftingClosedError("another raw file is being read; try again in a moment")
        try:
            return self._run_process(words)
        finally:
            self._lock.release()

    def _run_process(self, words: Sequence[str]) -> Mapping[str, Any]:
        environment = {name: text for name, text in os.environ.items() if name != METRICS_FOLDER_VARIABLE}
        try:
            done = subprocess.run(  # noqa: S603  our own command, and words that no shell reads
                [*self._command, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                timeout=MAX_DRAFT_SECONDS, env=environment, encoding="utf-8", errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise DraftingError(f"reading the file took more than {MAX_DRAFT_SECONDS:.0f} s") from None
        if done.returncode:
            raise DraftingError(_find_problem(done.stderr))
        document: Mapping[str, Any] = json.loads(done.stdout)
        return document

    def start_training(self, name: str, file: str) -> None:
        source = self._find_file(file)
        if self.get_training(name).state is RunState.RUNNING:
            raise DraftingError(f"a first training of {name!r} runs already")
        try:
            # the reason is in the first line of the log, where the process finds its file
            self._trainer.start(name, uuid.uuid4().hex, str(source))
        except RetrainingError as error:
            raise DraftingError(str(error)) from error

    def get_training(self, name: str) -> FirstTraining:
        self._check_open()
        logs = sorted(self._runs.glob(f"{_check_use_case_name(name)}-*.log"))
        if not logs:
            return FirstTraining(state=RunState.NONE)
        # the first line is the key and the file
        lines = logs[-1].read_text(encoding="utf-8", errors="replace").splitlines()[1:]
        return FirstTraining(state=self._find_state(name, lines), lines=lines[-SHOWN_LINES:])

    def _find_state(self, name: str, lines: Sequence[str]) -> RunState:
        last = lines[-1] if lines else ""
        if last == FINISHED_LINE:
            return RunState.FINISHED
        if last.startswith(FAILED_PREFIX) or not self._is_locked(name):
            return RunState.FAILED
        return RunState.RUNNING

    def _is_locked(self, name: str) -> bool:
        """Whether a process of a run holds the lock that its server took for it."""
        with suppress(OSError), (self._runs / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        return True

    def _find_file(self, file: str) -> Path:
        self._check_open()
        path = self._files / _check_file_name(file)
        if not _is_raw_file(path):
            raise DraftingError(f"there is no raw file {file!r}; upload it, or put it into {self._files}")
        return path

    def _check_open(self) -> None:
        if self._problem:
            raise DraftingClosedError(self._problem)


def _is_raw_file(path: Path) -> bool:
    # a link could lead out of the folder
    return path.is_file() and not path.is_symlink() and FILE_NAME.fullmatch(path.name) is not None


def _check_file_name(file: str) -> str:
    if not FILE_NAME.fullmatch(file):
        raise DraftingError(f"{file!r} is no name of a file; take letters, digits, spaces and . ( ) + - _")
    return file


def _check_use_case_name(name: str) -> str:
    if not SNAKE_CASE.fullmatch(name):
        raise DraftingError(f"{name!r} is no name of a use case; names are {SNAKE_CASE_RULE}")
    return name


def _find_problem(output: str) -> str:
    """Find the message of a failed command: that of an error of ours, else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    found = [line.removeprefix(ERROR_PREFIX) for line in lines if line.startswith(ERROR_PREFIX)]
    return found[-1] if found else f"the command failed: {lines[-1] if lines else 'it says nothing'}"
