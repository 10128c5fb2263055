"""`make programs`, and the offer of `make up` to run it."""

import sys
from collections.abc import Sequence

from deploy.embedded.releases.install import fetch_releases, list_installable, list_missing
from deploy.embedded.releases.table import Release, find_program, get_platform_name, load_releases
from deploy.embedded.settings import PlatformError, PlatformSetup, ProgramsAnswer

YES_WORDS = {"y", "yes", "s", "sí", "si"}


def run_programs(setup: PlatformSetup) -> bool:
    """Download what is missing, and print the path of each program; whether no download has failed."""
    for release in load_releases().values():
        if path := find_program(release, setup.paths.programs):
            print(f"{release.name}: {path}")
    return fetch_releases(setup, list_missing(setup))


def ask_for_programs(setup: PlatformSetup) -> None:
    """Download what is missing if the user agrees; without it, the platform starts without it.

    With `PROGRAMS=yes` or `no` nobody is asked. Otherwise a terminal is asked, and only once.
    """
    answer, asked = setup.options.programs, setup.paths.programs_asked
    missing = list_installable(setup) if answer != ProgramsAnswer.NO else []
    if not missing or (answer == ProgramsAnswer.ASK and (asked.exists() or not _has_terminal())):
        return
    if answer == ProgramsAnswer.ASK:
        is_wanted = _ask(missing)
        asked.parent.mkdir(parents=True, exist_ok=True)
        asked.touch()
        if not is_wanted:
            print("going on without; they can be had later: make programs", flush=True)
            return
    try:
        is_complete = fetch_releases(setup, missing)
    except PlatformError as error:
        print(error, file=sys.stderr)
        is_complete = False
    if not is_complete:
        print("going on without what could not be downloaded", file=sys.stderr, flush=True)


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _ask(missing: Sequence[Release]) -> bool:
    names = ", ".join(f"{each.name} {each.version}" for each in missing)
    print(f"this machine has no {names}; monitoring needs them")
    try:
        words = input(f"download the official releases for {get_platform_name()} into var/programs? [y/N] ")
    except EOFError:
        return False
    return words.strip().lower() in YES_WORDS
