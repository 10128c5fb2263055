"""Entry point of a first training: the ETL of a raw file, a short training and the decision of promotion."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from servicio_ml.domain.ports.use_case_drafter import FAILED_PREFIX, FINISHED_LINE

COMMAND = (sys.executable, "-c", "from servicio_ml.cli import main; main()")
SECONDS = "60"
"""Time limit of the tuning."""


def run_steps(model: str, source: str, command: Sequence[str] = COMMAND) -> int:
    """Run the steps and write a line about each; return the exit code of the first that fails, else 0."""
    steps = {"etl": ["--source", source], "train": ["--timeout", SECONDS]}
    for step, words in steps.items():
        print(f"step: {step}", flush=True)  # noqa: T201  the log of the run
        # the inherited lock of the model stays open, so that it is held as long as the command runs
        code = subprocess.call([*command, step, model, *words], close_fds=False)  # noqa: S603  our own command
        if code:
            print(f"{FAILED_PREFIX}{step} ended with exit code {code}", flush=True)  # noqa: T201
            return code
    print(FINISHED_LINE, flush=True)  # noqa: T201
    return 0


def read_source(log: Path) -> str:
    """Read the raw file from the first line of the log, which is the key of the run and the file."""
    with log.open(encoding="utf-8") as lines:
        return lines.readline().rstrip("\n").partition(": ")[2]


if __name__ == "__main__":
    given_model, given_log, given_key = sys.argv[1:]
    path = Path(given_log)
    # the server renames the log as soon as this process runs
    started = path if path.exists() else path.with_suffix(".starting")
    sys.exit(run_steps(given_model, read_source(started)))
