"""`make programs` installs what is missing and goes on without what it cannot have."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from archives import Mirror, build_installed_release, build_release, name_archives, run_mirror, write_table
from deploy.embedded import settings
from deploy.embedded.releases import install, offer
from deploy.embedded.releases.install import fetch_releases, list_installable, list_missing
from deploy.embedded.releases.table import find_program, get_platform_name, load_releases
from deploy.embedded.settings import PlatformError, PlatformSetup
from servers import find_free_port

HELLO = b"#!/bin/sh\necho hello\n"
ARCHIVES = {
    "prometheus": build_release("prometheus-1.linux", "prometheus", HELLO),
    "alertmanager": build_release("alertmanager-1.linux", "alertmanager", HELLO),
}


@pytest.fixture
def archives() -> Mapping[str, bytes]:
    """Archives that the table knows."""
    return ARCHIVES


@pytest.fixture
def mirror(
    archives: Mapping[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Mirror]:
    """A server with the archives, on a machine without any of the programs."""
    releases = tmp_path / "releases.toml"
    write_table(releases, archives)
    for module in (install, offer):
        monkeypatch.setattr(module, "load_releases", lambda: load_releases(releases))
    monkeypatch.setenv("PATH", str(tmp_path))
    with run_mirror(name_archives(archives)) as server:
        monkeypatch.setenv("PROGRAMS_MIRROR", server.url)
        yield server


@pytest.fixture
def setup(bare: None, mirror: Mirror) -> PlatformSetup:  # noqa: ARG001  the environment comes first
    return settings.read_setup()


def _find(name: str, setup: PlatformSetup) -> str:
    return find_program(load_releases()[name], setup.paths.programs)


def test_the_table_has_a_hash_for_each_platform_that_it_names() -> None:
    for release in load_releases().values():
        assert set(release.sha256) <= {"linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64"}
        assert all(len(bytes.fromhex(each)) == 32 for each in release.sha256.values())
        assert release.build_url("linux-amd64", "").startswith("https://")
    known = {name for name, each in load_releases().items() if "linux-amd64" in each.sha256}
    assert known == {"prometheus", "alertmanager", "grafana"}


def test_missing_programs_are_installed_and_used(
    setup: PlatformSetup, capsys: pytest.CaptureFixture[str]
) -> None:
    assert offer.run_programs(setup)
    said = capsys.readouterr()
    for name in ARCHIVES:
        program = _find(name, setup)
        assert Path(program).parent.parent == setup.paths.programs
        assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "hello\n"
        assert program in said.out
    assert f"no SHA-256 of version 0.29.0 is known for {get_platform_name()}" in said.err
    assert [each.name for each in list_missing(setup)] == ["statsd-exporter", "grafana"]
    hidden = [each.name for each in setup.paths.programs.iterdir() if each.name.startswith(".")]
    assert hidden == [".lock"]


@pytest.mark.slow
@pytest.mark.parametrize("archives", [{}])
def test_the_programs_of_debian_run(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    real = {
        "prometheus": build_installed_release("prometheus", "prometheus", "prometheus-3"),
        "alertmanager": build_installed_release("prometheus-alertmanager", "alertmanager", "alertmanager-0"),
    }
    write_table(tmp_path / "releases.toml", real)
    mirror.files, mirror.break_after = name_archives(real), [10_000_000]
    monkeypatch.setenv("PATH", str(tmp_path))
    setup = settings.read_setup()
    assert offer.run_programs(setup)
    for name in real:
        done = subprocess.run([_find(name, setup), "--version"], capture_output=True, text=True, check=True)
        assert name in done.stdout + done.stderr


def test_a_program_of_the_path_comes_first(
    setup: PlatformSetup, tmp_path: Path, mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "prometheus-alertmanager"
    own.write_bytes(HELLO)
    own.chmod(0o755)
    assert offer.run_programs(setup)
    assert f"alertmanager: {own}" in capsys.readouterr().out
    assert not any("alertmanager" in path for path, _ in mirror.requests)
    assert _find("alertmanager", setup) == str(own)


def test_a_platform_without_a_hash_is_refused_and_asks_nobody(
    setup: PlatformSetup, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert list_installable(setup) == []
    assert fetch_releases(setup, list_missing(setup))
    assert "is known for linux-riscv64, and nothing is downloaded unchecked" in capsys.readouterr().err
    assert mirror.requests == []


def test_a_wrong_archive_is_never_used(
    setup: PlatformSetup, mirror: Mirror, capsys: pytest.CaptureFixture[str]
) -> None:
    files = dict(mirror.files)
    wrong = next(name for name in files if name.startswith("prometheus"))
    mirror.files = {**files, wrong: build_release("prometheus-1.linux", "prometheus", b"#!/bin/sh\nexit 9\n")}
    assert not offer.run_programs(setup)
    assert "SHA-256" in capsys.readouterr().err
    assert _find("prometheus", setup) == ""
    assert _find("alertmanager", setup)  # the others go on


def test_offline_says_what_to_do_and_the_platform_goes_on(
    setup: PlatformSetup, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert setup.options.programs_mirror
    monkeypatch.setenv("PROGRAMS_MIRROR", f"http://127.0.0.1:{find_free_port()}")
    monkeypatch.setenv("PROGRAMS", "yes")
    offer.ask_for_programs(settings.read_setup())
    said = capsys.readouterr().err
    assert "cannot be downloaded" in said
    assert "make programs PROGRAMS_MIRROR=" in said
    assert "going on without" in said


@pytest.mark.parametrize(
    ("words", "installs"), [("y", True), ("", False), ("no", False)], ids=["yes", "enter", "no"]
)
def test_a_terminal_is_asked_once(
    setup: PlatformSetup, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, words: str, *, installs: bool
) -> None:
    asked = []

    def answer(text: str) -> str:
        asked.append(text)
        return words

    monkeypatch.setattr(offer, "_has_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", answer)
    for _ in range(2):
        offer.ask_for_programs(setup)
    assert len(asked) == 1
    assert bool(_find("prometheus", setup)) == installs
    assert bool(mirror.requests) == installs


@pytest.mark.parametrize("answer", ["ask", "no"])
def test_nobody_is_asked_without_a_terminal(
    setup: PlatformSetup, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setenv("PROGRAMS", answer)
    monkeypatch.setattr("builtins.input", lambda _: pytest.fail("asked"))
    offer.ask_for_programs(settings.read_setup())
    assert setup.options.programs_mirror
    assert mirror.requests == []


def test_two_installations_at_once_are_refused(setup: PlatformSetup) -> None:
    with install._lock_folder(setup.paths.programs), pytest.raises(PlatformError, match="another process"):
        fetch_releases(setup, list_missing(setup))


def test_a_broken_download_is_no_program(setup: PlatformSetup, mirror: Mirror) -> None:
    mirror.break_after = [0] * 10
    assert not offer.run_programs(setup)
    assert all(not _find(name, setup) for name in ARCHIVES)
    assert shutil.which("prometheus") is None
