"""A retraining in a process of its own: runs the command, then notes its end in the decision log."""

import subprocess
import sys
import time

from servicio_ml import bootstrap
from servicio_ml.domain.retraining import MONTH_SECONDS, Entry, History, ended
from servicio_ml.settings import Settings, load

TRAIN = (sys.executable, "-c", "from servicio_ml.cli import main; main()", "train")


def follow(settings: Settings, command: list[str], model: str, reference: str) -> int:
    """Run a command to its end, write down how it ended, and give its exit code.

    Args:
        settings: Of the decision log.
        command: What to run.
        model: That it retrains.
        reference: By which the decision log knows the run.
    """
    # what holds the model's lock is inherited, so that it is held as long as the command runs
    code = subprocess.call(command, close_fds=False)  # noqa: S603  our own command
    problem = f"exit code {code}, see {reference}" if code else ""

    def end(history: History) -> Entry:
        return ended(model, history, reference, problem, time.time())

    bootstrap.decision_log(settings).settle(model, time.time() - MONTH_SECONDS, end)
    return code


if __name__ == "__main__":
    given_model, given_reference = sys.argv[1:]
    sys.exit(follow(load(), [*TRAIN, given_model], given_model, given_reference))
