"""The data of a use case and its first champion."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.embedded.settings import ROOT, PlatformError, Setup
from servicio_ml.adapters.raw_files import RawFiles
from servicio_ml.domain.use_case import UseCase
from servicio_ml.use_cases.catalogue import catalogue, find

ALL = "all"
NEIGHBOUR = ROOT.parent / "shared" / "data"
"""Beside the repository: originals that a machine's users share."""
ALSO_NAMED = {"train.csv": "employee_burnout_train.csv"}
"""An original's name to one that says more, as it is kept beside others."""
CLI = str(Path(sys.executable).parent / "servicio-ml")
STANDING = """
import json, sys
from servicio_ml import bootstrap, settings
from servicio_ml.domain.promotion import CHAMPION
_, registry = bootstrap.runs_and_models(settings.load())
print(json.dumps([name for name in sys.argv[1:] if registry.resolve(name, CHAMPION)]))
"""
"""A process of its own: MLflow is large, and this one stays as long as the platform runs."""


def wanted(setup: Setup) -> list[UseCase]:
    """The use cases that shall have a champion.

    Raises:
        UseCaseError: There is none of that name; the known ones are named.
    """
    folder = setup.platform.use_cases_dir
    if setup.given.use_cases == ALL:
        return list(catalogue(folder).values())
    return [find(name.strip(), folder) for name in setup.given.use_cases.split(",") if name.strip()]


def without_champion(setup: Setup, use_cases: Sequence[UseCase]) -> list[UseCase]:
    """Those of them that have none yet.

    Raises:
        PlatformError: MLflow cannot be asked.
    """
    names = [each.name for each in use_cases]
    done = subprocess.run(
        [sys.executable, "-c", STANDING, *names], env=_environment(setup), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        said = done.stderr.strip() or f"it ended with {done.returncode}"  # killed, it says nothing
        raise PlatformError(f"the champions cannot be found out: {said.splitlines()[-1]}")
    standing = json.loads(done.stdout.splitlines()[-1])
    return [each for each in use_cases if each.name not in standing]


def champion(setup: Setup, use_case: UseCase) -> None:
    """Publish the data of a use case and train it.

    Raises:
        PlatformError: A step fails; it has said why.
    """
    source = data(setup, use_case)
    _run(setup, ["etl", use_case.name, "--source", str(source)])
    budget = setup.given.train_seconds
    _run(setup, ["train", use_case.name, *([] if budget is None else ["--timeout", f"{budget:g}"])])


def data(setup: Setup, use_case: UseCase) -> Path:
    """The raw file to take, said on the terminal: an original, or else look-alike rows."""
    files = RawFiles(setup.places.state, None)
    given = setup.platform.data_dir
    folders = {"SERVICIO_ML_DATA_DIR": given} if given else {"beside the repository": NEIGHBOUR}
    for where, folder in folders.items():
        for name in filter(None, (use_case.origin.file, ALSO_NAMED.get(use_case.origin.file))):
            if (folder / name).is_file():
                return _said(use_case, f"the original, {where}", folder / name)
    fetched, sample = files.fetched(use_case), files.sample(use_case)
    if not fetched.is_file() and setup.given.fetch_seconds:
        print(f"{use_case.name}: asking the publisher for the original …", flush=True)
        _run(
            setup, ["data", "fetch", use_case.name, "--timeout", f"{setup.given.fetch_seconds:g}"], must=False
        )
    if fetched.is_file():
        return _said(use_case, "the original, as its publisher gives it out", fetched)
    if not sample.is_file():
        _run(setup, ["data", "sample", use_case.name])
    return _said(use_case, "look-alike rows: the original is not here", sample)


def _said(use_case: UseCase, what: str, path: Path) -> Path:
    print(f"{use_case.name}: data: {what} ({path})", flush=True)
    return path


def _environment(setup: Setup) -> Mapping[str, str]:
    return {**os.environ, **setup.environment()}


def _run(setup: Setup, words: Sequence[str], *, must: bool = True) -> None:
    """Run a command of servicio-ml in this terminal.

    Raises:
        PlatformError: It fails, and must not.
    """
    with _ended(subprocess.Popen([CLI, *words], env=_environment(setup))) as process:
        code = process.wait()
    if code and must:
        raise PlatformError(f"`servicio-ml {' '.join(words)}` has failed; what is wrong is said above")


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """See that a command does not outlive this one: interrupted, it goes on from there the next time."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait()
