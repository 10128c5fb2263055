"""Entry point of a retraining process: runs the training command and records start and end."""

import subprocess
import sys
import time

from servicio_ml import bootstrap
from servicio_ml.domain.ports.decision_log import DecisionLog
from servicio_ml.domain.ports.retrainer import RetrainingEnd
from servicio_ml.domain.retraining import (
    MONTH_SECONDS,
    get_pending_start,
)
from servicio_ml.errors import ServicioError
from servicio_ml.lifecycle.decision_history import list_decisions
from servicio_ml.lifecycle.retraining_starts import confirm_start, find_verdict, finish_retraining
from servicio_ml.settings import Settings, load_settings

TRAIN_COMMAND = (sys.executable, "-c", "from servicio_ml.cli import main; main()", "train")


def run_and_record(settings: Settings, command: list[str], model: str, reference: str, key: str) -> int:
    """Run a command, record its start and its end in the decision log, and return its exit code.

    Args:
        settings: Settings of the decision log.
        command: Command to run.
        model: Model that it retrains.
        reference: Reference of the run in the decision log.
        key: Key of the run.
    """
    log = bootstrap.open_decision_log(settings)
    # before the command: a server that crashed after starting this process finds the start confirmed
    confirm(log, model, key, reference)
    # the inherited lock of the model stays open, so that it is held as long as the command runs
    started = time.time()
    code = subprocess.call(command, close_fds=False)  # noqa: S603  our own command
    end, verdict = RetrainingEnd(error=f"exit code {code}, see {reference}" if code else ""), None
    if not code:
        try:
            verdict = find_verdict(list_decisions(model, bootstrap.connect_tracker(settings)), started)
        except ServicioError as error:
            end = RetrainingEnd(error=f"what it has led to is unknown: {error}")
    since = time.time() - MONTH_SECONDS
    # the newest entry, returned again, adds nothing
    log.record(
        model, since,
        lambda history: finish_retraining(model, history, reference, end, verdict, time.time()) or history[0],
    )  # fmt: skip
    return code


def confirm(log: DecisionLog, model: str, key: str, reference: str) -> None:
    """Record that the run of a pending start exists; without a pending start, record nothing."""
    since = time.time() - MONTH_SECONDS
    if get_pending_start(log.load_history(model, since)) is not None:
        # the newest entry, returned again, adds nothing
        log.record(model, since, lambda history: confirm_start(history, key, reference) or history[0])


if __name__ == "__main__":
    given_model, given_reference, given_key = sys.argv[1:]
    arguments = [*TRAIN_COMMAND, given_model]
    sys.exit(run_and_record(load_settings(), arguments, given_model, given_reference, given_key))
