"""Optuna studies that several processes share and that a restart resumes."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Event

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from servicio_ml.domain.metric import METRICS
from servicio_ml.errors import TrainingError

# a trial without a heartbeat for the grace period belongs to a dead process
HEARTBEAT_SECONDS = 10
GRACE_SECONDS = 30
RETRIES = 2
# SQLite's default of 5 s is too short when several processes write trials
LOCK_SECONDS = 60
# few, as budgets are small: each random trial is one that the sampler cannot guide
STARTUP_TRIALS = 4
OTHERS_AT_ONCE = 3
PAUSE_SECONDS = 0.5
"""Between two looks at the trials of other processes."""
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def open_study(url: str, name: str, metric: str, seed: int) -> optuna.Study:
    """A study that every process with this address and name shares.

    Raises:
        TrainingError: The database cannot be used.
    """
    # Optuna logs every trial, which would tear the progress bar
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with translate_errors(name):
        study = optuna.create_study(
            study_name=name,
            storage=_open_storage(url),
            direction="maximize" if METRICS[metric].greater_is_better else "minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
            load_if_exists=True,
        )
        # a resumed study must not draw its first points again
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + len(study.trials), n_startup_trials=STARTUP_TRIALS, constant_liar=True
        )
    return study


@contextmanager
def translate_errors(study: str) -> Iterator[None]:
    """Turn the errors of the study database into ours."""
    try:
        yield
    except (SQLAlchemyError, StorageInternalError, ImportError) as error:
        first = str(error.__cause__ or error).splitlines()[0]
        raise TrainingError(
            study, f"study database: {first}; check SERVICIO_ML_STUDY_URL and the disk, then run this again"
        ) from error


@cache
def _open_storage(url: str) -> RDBStorage:
    for _ in range(OTHERS_AT_ONCE):
        try:
            return _connect_storage(url)
        except (SQLAlchemyError, StorageInternalError):
            # another process may be making the same tables
            Event().wait(PAUSE_SECONDS)
    return _connect_storage(url)


def _connect_storage(url: str) -> RDBStorage:
    with warnings.catch_warnings():
        # heartbeats are what finds the trials of a killed process
        warnings.simplefilter("ignore", ExperimentalWarning)
        return RDBStorage(
            url,
            engine_kwargs={"connect_args": {"timeout": LOCK_SECONDS}} if url.startswith("sqlite") else None,
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=RETRIES),
        )


def has_complete_trial(study: optuna.Study) -> bool:
    """Whether a trial has a value."""
    return bool(list_trials(study, TrialState.COMPLETE))


def count_finished(study: optuna.Study) -> int:
    """How many of its trials are finished."""
    return len(list_trials(study, *FINISHED))


def list_trials(study: optuna.Study, *states: TrialState) -> list[FrozenTrial]:
    return list(study.get_trials(deepcopy=False, states=states))
