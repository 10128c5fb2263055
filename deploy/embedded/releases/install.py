"""Installation of the releases that this machine lacks."""

import fcntl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.embedded.releases.archive import remove_unfinished, unpack
from deploy.embedded.releases.download import download_checked
from deploy.embedded.releases.table import Release, find_program, get_platform_name, load_releases
from deploy.embedded.settings import PlatformError, PlatformSetup

OFFLINE_HINT = (
    "without the internet, download the files on another machine, serve them with any HTTP server, and name "
    "it: make programs PROGRAMS_MIRROR=http://host/folder; a program of the PATH is used, too"
)


class UnknownHashError(PlatformError):
    """No hash is known for a platform."""


def list_missing(setup: PlatformSetup) -> list[Release]:
    """List the releases whose program is neither on the PATH nor downloaded."""
    programs = setup.paths.programs
    return [each for each in load_releases().values() if not find_program(each, programs)]


def list_installable(setup: PlatformSetup) -> list[Release]:
    """List the missing releases whose hash is known for this platform."""
    return [each for each in list_missing(setup) if get_platform_name() in each.sha256]


def fetch_releases(setup: PlatformSetup, releases: Sequence[Release]) -> bool:
    """Install releases and print the result of each; whether no download has failed.

    Raises:
        PlatformError: Another process installs them at this moment.
    """
    failed = False
    with _lock_folder(setup.paths.programs):
        for release in releases:
            try:
                _fetch_release(setup, release)
            except UnknownHashError as error:
                print(f"{release.name}: {error}", file=sys.stderr)
            except (PlatformError, OSError) as error:
                failed = True
                print(f"{release.name}: {error}", file=sys.stderr)
    if failed:
        print(OFFLINE_HINT, file=sys.stderr, flush=True)
    return not failed


def _fetch_release(setup: PlatformSetup, release: Release) -> None:
    name, programs, options = get_platform_name(), setup.paths.programs, setup.options
    target, url = release.get_folder(programs), release.build_url(name, options.programs_mirror)
    if name not in release.sha256:
        raise UnknownHashError(
            f"no SHA-256 of version {release.version} is known for {name}, and nothing is downloaded "
            f"unchecked; install {release.commands[0]} yourself, so that it is on the PATH"
        )
    if not target.exists():
        print(f"{release.name} {release.version}: downloading {url}", flush=True)
        archive = programs / f".{target.name}.{name}.part"
        download_checked(url, archive, release.sha256[name], options.programs_seconds)
        unpack(archive, target, release.program)
        archive.unlink()
    print(f"{release.name} {release.version}: {target / release.program}", flush=True)


@contextmanager
def _lock_folder(programs: Path) -> Iterator[None]:
    """Create the folder and keep other processes from installing into it."""
    # the kernel frees the lock with the process, also when that is killed
    programs.mkdir(parents=True, exist_ok=True)
    with (programs / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PlatformError(
                f"another process installs programs into {programs}; wait for its end"
            ) from error
        remove_unfinished(programs)
        yield
