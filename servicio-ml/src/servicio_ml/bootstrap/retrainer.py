"""Retrainer: a command on this machine or Airflow."""

import sys
import time
from importlib.util import find_spec

from servicio_ml.domain.ports.retrainer import Retrainer
from servicio_ml.errors import SettingsError
from servicio_ml.settings import Settings, get_variable

RETRAINING_COMMAND = (sys.executable, "-m", "servicio_ml.api.retraining")
"""Command of a retraining on this machine."""
# found without importing it: the server must not load the training code
TRAINING_LIBRARY = "optuna"
"""Library whose presence shows that models can be trained here."""


def create_retrainer(settings: Settings) -> Retrainer:
    """Create the retrainer: a command on this machine by default, Airflow by setting.

    Raises:
        SettingsError: These settings could never start a retraining.
    """
    if settings.airflow_url:
        from servicio_ml.adapters.retraining.airflow import AirflowRetrainer

        # read at each start later; here it only has to exist
        file = settings.airflow_password_file
        if file is None or not file.is_file():
            problem = f"{file or 'empty'}: SERVICIO_ML_AIRFLOW_URL needs a file with the user's password"
            raise SettingsError(get_variable("airflow_password_file"), problem)
        return AirflowRetrainer(settings.airflow_url, settings.airflow_user, file)
    # checked at the start: otherwise the first alert, perhaps weeks later, would be the first to fail
    if find_spec(TRAINING_LIBRARY) is None:
        problem = (
            "empty, and no training code is installed here that a retraining could run; name Airflow's "
            "address, or install servicio-ml[pipeline], or leave SERVICIO_ML_HOOK_TOKEN_FILE unset"
        )
        raise SettingsError(get_variable("airflow_url"), problem)
    from servicio_ml.adapters.retraining.command import CommandRetrainer

    return CommandRetrainer(settings.state_dir / "retraining", RETRAINING_COMMAND, time.time)
