"""What containers mount from a clone that is closed to others."""

from pathlib import Path

import pytest

from deploy import env, mounted_files
from documents import ROOT


def _read_mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_mounted_files_are_opened_and_nothing_else(tmp_path: Path) -> None:
    config = tmp_path / "monitoring" / "prometheus" / "prometheus.yaml"
    script, other = tmp_path / "dockerfiles" / "start.sh", tmp_path / "deploy" / "env.py"
    for path in (config, script, other):
        path.parent.mkdir(parents=True, mode=0o700)
        path.touch(mode=0o600)
    config.parents[1].chmod(0o700)
    script.chmod(0o700)
    opened = mounted_files.open_mounted_files(tmp_path)
    assert opened == [script.parent, script, config.parents[1], config.parent, config]
    modes = {path: _read_mode(path) for path in (*opened, other, other.parent)}
    assert modes == {
        script.parent: 0o755, script: 0o744, config.parents[1]: 0o755, config.parent: 0o755, config: 0o644,
        other: 0o600, other.parent: 0o700,
    }  # fmt: skip
    assert mounted_files.open_mounted_files(tmp_path) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "link").symlink_to(secret)
    assert mounted_files.open_mounted_files(tmp_path) == []
    assert _read_mode(secret) == 0o600


def test_make_env_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / env.EXAMPLE).write_text((ROOT / env.EXAMPLE).read_text())
    (tmp_path / "docs").mkdir(mode=0o700)
    assert env.main(["--root", str(tmp_path)]) == 0
    assert "which run as other users: 1 files and folders" in capsys.readouterr().out
    assert env.main(["--root", str(tmp_path)]) == 0
    assert "other users" not in capsys.readouterr().out
