"""Preparation of a use case: its data and its first champion."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.embedded.settings import ROOT, PlatformError, PlatformSetup
from servicio_ml import bootstrap
from servicio_ml.domain.use_case import UseCase
from servicio_ml.use_cases.catalogue import find, load_catalogue

ALL = "all"
NEIGHBOUR = ROOT.parent / "shared" / "data"
"""Folder beside the repository with original files that the users of a machine share."""
ALSO_NAMED = {"train.csv": "employee_burnout_train.csv"}
"""Name of an original file to a more specific name, under which it may be stored beside others."""
CLI = str(Path(sys.executable).parent / "servicio-ml")
LIST_CHAMPIONS = """
import json, sys
from servicio_ml import bootstrap
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.settings import load_settings
_, registry = bootstrap.connect_mlflow(load_settings())
print(json.dumps([name for name in sys.argv[1:] if registry.resolve(name, CHAMPION)]))
"""
"""Program that prints the models with a champion, in its own process because MLflow needs much memory."""


def list_wanted(setup: PlatformSetup) -> list[UseCase]:
    """List the use cases that the options name.

    Raises:
        UseCaseError: A use case does not exist; the message names the known ones.
    """
    folder = setup.settings.use_cases_dir
    if setup.options.use_cases == ALL:
        return list(load_catalogue(folder).values())
    return [find(name.strip(), folder) for name in setup.options.use_cases.split(",") if name.strip()]


def list_without_champion(setup: PlatformSetup, use_cases: Sequence[UseCase]) -> list[UseCase]:
    """List the use cases that have no champion yet.

    Raises:
        PlatformError: MLflow does not respond.
    """
    names = [each.name for each in use_cases]
    done = subprocess.run(
        [sys.executable, "-c", LIST_CHAMPIONS, *names],
        env=_build_environment(setup),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip() or f"it ended with {done.returncode}"  # killed, it says nothing
        raise PlatformError(f"cannot read the champions from MLflow: {said.splitlines()[-1]}")
    champions = json.loads(done.stdout.splitlines()[-1])
    return [each for each in use_cases if each.name not in champions]


def ensure_champion(setup: PlatformSetup, use_case: UseCase) -> None:
    """Publish the data of a use case and train its first champion.

    Raises:
        PlatformError: A command fails; it has printed the reason.
    """
    source = find_data(setup, use_case)
    _run(setup, ["etl", use_case.name, "--source", str(source)])
    budget = setup.options.train_seconds
    _run(setup, ["train", use_case.name, *([] if budget is None else ["--timeout", f"{budget:g}"])])


def find_data(setup: PlatformSetup, use_case: UseCase) -> Path:
    """Find the raw file, an original or synthetic rows, and print which one it is."""
    files = bootstrap.open_raw_files(setup.settings.model_copy(update={"state_dir": setup.paths.state}))
    given = setup.settings.data_dir
    folders = {"SERVICIO_ML_DATA_DIR": given} if given else {"beside the repository": NEIGHBOUR}
    for where, folder in folders.items():
        for name in filter(None, (use_case.origin.file, ALSO_NAMED.get(use_case.origin.file))):
            if (folder / name).is_file():
                return _announce(use_case, f"the original, {where}", folder / name)
    fetched, sample = files.get_fetched_path(use_case), files.get_sample_path(use_case)
    if not fetched.is_file() and setup.options.fetch_seconds:
        print(f"{use_case.name}: downloading the original from its publisher …", flush=True)
        _run(
            setup,
            ["data", "fetch", use_case.name, "--timeout", f"{setup.options.fetch_seconds:g}"],
            must=False,
        )
    if fetched.is_file():
        return _announce(use_case, "the original, from its publisher", fetched)
    if not sample.is_file():
        _run(setup, ["data", "sample", use_case.name])
    return _announce(use_case, "synthetic rows, because the original is not available", sample)


def _announce(use_case: UseCase, what: str, path: Path) -> Path:
    print(f"{use_case.name}: data: {what} ({path})", flush=True)
    return path


def _build_environment(setup: PlatformSetup) -> Mapping[str, str]:
    return {**os.environ, **setup.build_variables()}


def _run(setup: PlatformSetup, words: Sequence[str], *, must: bool = True) -> None:
    """Run a command of servicio-ml in this terminal.

    Raises:
        PlatformError: The command fails and `must` is true.
    """
    with _wait_for_end(subprocess.Popen([CLI, *words], env=_build_environment(setup))) as process:
        code = process.wait()
    if code and must:
        raise PlatformError(f"`servicio-ml {' '.join(words)}` failed; see its message above")


@contextmanager
def _wait_for_end(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Interrupt the command at the end of the block; the next run resumes an interrupted command."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait()
