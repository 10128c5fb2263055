"""Drafter of use cases: the `servicio-ml` command on this machine."""

import os
import sys
import time
from importlib.util import find_spec

from servicio_ml.bootstrap.retrainer import TRAINING_LIBRARY
from servicio_ml.bootstrap.storage import get_raw_folder
from servicio_ml.domain.ports.use_case_drafter import UseCaseDrafter
from servicio_ml.settings import Settings, get_variable

SERVICIO_ML = (sys.executable, "-c", "from servicio_ml.cli import main; main()")
TRAINING_COMMAND = (sys.executable, "-m", "servicio_ml.api.first_training")


def create_drafter(settings: Settings) -> UseCaseDrafter:
    """Create the drafter; where these settings allow no drafts, each call of it says why."""
    from servicio_ml.adapters.drafting import DraftingCommand
    from servicio_ml.adapters.retraining.command import CommandRetrainer

    state = settings.state_dir.absolute()
    runs = state / "first_training"
    return DraftingCommand(
        get_raw_folder(settings),
        runs,
        SERVICIO_ML,
        CommandRetrainer(runs, TRAINING_COMMAND, time.time),
        _find_problem(settings),
    )


def _find_problem(settings: Settings) -> str:
    if find_spec(TRAINING_LIBRARY) is None:
        return "no training code is installed beside this server; run `servicio-ml init` where it is"
    folder = settings.use_cases_dir.absolute()
    # made with its first file: what has to be written then is the nearest folder that is there
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        variable = get_variable("use_cases_dir")
        return f"the folder of use cases, {folder}, cannot be written; name another one in {variable}"
    return ""
