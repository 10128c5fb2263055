"""Table of the official releases: versions, addresses and hashes, from `releases.toml`."""

import platform
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("releases.toml")
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
"""Name of a processor as the operating system has it to the publishers' name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release of a program.

    Attributes:
        name: Name of the program.
        version: Its version.
        address: Address of the archive, with `{version}` and `{platform}`.
        program: Path of the program below the archive's only folder.
        commands: Names under which a program of the PATH is used instead.
        sha256: Platform, such as `linux-amd64`, to the SHA-256 of its archive in hexadecimal.
    """

    name: str
    version: str
    address: str
    program: str
    commands: Sequence[str]
    sha256: Mapping[str, str]

    def build_url(self, platform_name: str, mirror: str) -> str:
        """Address of the archive for a platform; with a mirror, of the file of the same name there."""
        url = self.address.format(version=self.version, platform=platform_name)
        return f"{mirror.rstrip('/')}/{url.rpartition('/')[2]}" if mirror else url

    def get_folder(self, programs: Path) -> Path:
        """Folder of the unpacked release; if it exists, it is complete."""
        return programs / f"{self.name}-{self.version}"


def load_releases(table: Path = TABLE) -> Mapping[str, Release]:
    """Load the releases by their names."""
    document = tomllib.loads(table.read_text())
    return {name: Release(name=name, **values) for name, values in document.items()}


def find_program(release: Release, programs: Path) -> str:
    """Find a program: on the PATH, otherwise the downloaded one; empty if there is neither.

    Args:
        release: The program's release.
        programs: Folder of the downloaded releases.
    """
    downloaded = release.get_folder(programs) / release.program
    return next(filter(None, map(shutil.which, (*release.commands, str(downloaded)))), "")


def describe_source(release: Release) -> str:
    """Describe how to get a program on this platform."""
    if get_platform_name() in release.sha256:
        return "download it: make programs"
    return f"install it, so that {' or '.join(release.commands)} is on the PATH"


def get_platform_name() -> str:
    """Name of this platform as the publishers' archives have it, such as `linux-amd64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{ARCHITECTURES.get(machine, machine)}"
