"""Backup and restore of a state folder: what is in it, and what is left when it fails."""

import contextlib
import fcntl
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from deploy.backup import __main__, manifest, state

ROOT = Path(__file__).parents[3]
WRITES = 200
KILLED = """
import os, sys
from deploy.backup import __main__, state
copied = []
def copyfile(source, to, kept=state.shutil.copyfile):
    copied.append(kept(source, to))
    if len(copied) == {after}:
        os._exit(9)  # as a killed process: without its finally clauses
state.shutil.copyfile = copyfile
sys.exit(__main__.main(sys.argv[1:], os.environ))
"""
RENAMED = """
import os, sys
from pathlib import Path
from deploy.backup import __main__
done = []
def rename(path, to, kept=Path.rename):
    done.append(kept(path, to))
    if len(done) == {after}:
        os._exit(9)
Path.rename = rename
sys.exit(__main__.main(sys.argv[1:], os.environ))
"""
FULL = """
import os, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from deploy.backup import __main__
sys.exit(__main__.main(sys.argv[1:], os.environ))
"""


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """A state folder with everything that one may hold."""
    folder = tmp_path / "var"
    for name, content in {
        "lake/rain/2026-11/manifest.json": "{}",
        "lake/rain/2026-11/train-1.parquet": "train" * 1000,
        "lake/rain/2026-11/.x.partial": "half",
        "mlflow-artifacts/rain/m-1/artifacts/model.onnx": "model",
        "log/journal-0.lock": "",
        "run/platform.json": "{}",
        "logs/api.log": "a line",
        "secrets/hook_token": "kept here",
        "prometheus/wal/1": "samples",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    with closing(sqlite3.connect(folder / "log" / "journal-0.db")) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE chunk (value INTEGER)")
    return folder


KEPT = {
    "lake/rain/2026-11/manifest.json",
    "lake/rain/2026-11/train-1.parquet",
    "log/journal-0.db",
    "mlflow-artifacts/rain/m-1/artifacts/model.onnx",
}
SPARED = {"run/platform.json", "logs/api.log", "secrets/hook_token", "prometheus/wal/1"}


def _run(var: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The command, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = __main__.main([*map(str, words)], {"SERVICIO_ML_STATE_DIR": str(var)})
    return subprocess.CompletedProcess([], code, out.getvalue(), err.getvalue())


def _run_apart(var: Path, *words: object, program: str = "") -> subprocess.CompletedProcess[str]:
    """The command, or a program around it, in a process of its own."""
    start = ["-c", program] if program else ["-m", "deploy.backup"]
    # -S leaves out site-packages: nothing but Python is needed
    command = [sys.executable, "-S", *start, *map(str, words)]
    paths = os.pathsep.join((str(ROOT), str(ROOT / "servicio-ml" / "src")))
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": paths, "SERVICIO_ML_STATE_DIR": str(var)}
    return subprocess.run(command, cwd=var.parent, env=bare, capture_output=True, text=True, check=False)


def _assert_done(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def _assert_refused(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def _read_files(folder: Path) -> Mapping[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_it_holds_what_is_kept_and_nothing_else(var: Path, tmp_path: Path) -> None:
    assert "4 files" in _assert_done(_run_apart(var, "backup", tmp_path / "to"))
    assert set(_read_files(tmp_path / "to" / "state")) == KEPT
    assert (tmp_path / "to").stat().st_mode & 0o077 == 0
    assert manifest.read_manifest(tmp_path / "to").of == "embedded"


def test_it_is_restored_into_an_empty_platform(var: Path, tmp_path: Path) -> None:
    _assert_done(_run(var, "backup", tmp_path / "to"))
    before = _read_files(var)
    shutil.rmtree(var)
    _assert_done(_run(var, "restore", tmp_path / "to"))
    after = _read_files(var)
    assert set(after) == KEPT
    assert all(after[name] == before[name] for name in KEPT if not name.endswith(".db"))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_runs_beside_the_data_stays(var: Path, tmp_path: Path) -> None:
    _assert_done(_run(var, "backup", tmp_path / "to"))
    (var / "lake" / "rain" / "2026-11" / "train-2.parquet").write_text("newer")
    before = _read_files(var)
    _assert_done(_run(var, "restore", tmp_path / "to", "--replace"))
    after = _read_files(var)
    assert set(after) == KEPT | SPARED
    assert {name: after[name] for name in SPARED} == {name: before[name] for name in SPARED}


def test_a_platform_with_data_is_not_replaced_without_the_option(var: Path, tmp_path: Path) -> None:
    _assert_done(_run(var, "backup", tmp_path / "to"))
    before = _read_files(var)
    said = _assert_refused(_run(var, "restore", tmp_path / "to"))
    assert "has data (lake, log, mlflow-artifacts); REPLACE=yes deletes it" in said
    assert _read_files(var) == before


def test_a_platform_that_runs_is_not_replaced(var: Path, tmp_path: Path) -> None:
    _assert_done(_run(var, "backup", tmp_path / "to"))
    before = _read_files(var)
    with (var / "log" / "journal-0.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = _assert_refused(_run(var, "restore", tmp_path / "to", "--replace"))
    assert "it holds journal-0.lock); stop it first: make down" in said
    assert _read_files(var) == before


def test_a_backup_is_never_written_over(var: Path, tmp_path: Path) -> None:
    _assert_done(_run(var, "backup", tmp_path / "to"))
    before = _read_files(tmp_path / "to")
    assert "exists already; name a new folder" in _assert_refused(_run(var, "backup", tmp_path / "to"))
    assert _read_files(tmp_path / "to") == before


def test_a_backup_within_what_is_backed_up_is_refused(var: Path) -> None:
    assert "name another folder" in _assert_refused(_run(var, "backup", var / "backup"))
    assert not (var / "backup").exists()


def test_nothing_to_back_up_is_said(tmp_path: Path) -> None:
    said = _assert_refused(_run(tmp_path / "var", "backup", tmp_path / "to"))
    assert "holds nothing to back up; SERVICIO_ML_STATE_DIR names the state folder" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", [1, 2])
def test_killed_it_is_not_taken_for_a_backup(var: Path, tmp_path: Path, after: int) -> None:
    assert _run_apart(var, "backup", tmp_path / "to", program=KILLED.format(after=after)).returncode == 9
    assert not (tmp_path / "to").exists()
    [left] = [path for path in tmp_path.iterdir() if path != var]
    assert "is not a backup" in _assert_refused(_run(tmp_path / "other", "restore", left))
    _assert_done(_run(var, "backup", tmp_path / "to"))
    assert set(_read_files(tmp_path / "to" / "state")) == KEPT
    assert not left.exists()


def test_killed_while_restoring_it_is_run_again(var: Path, tmp_path: Path) -> None:
    _assert_done(_run(var, "backup", tmp_path / "to"))
    before = _read_files(var)
    words = ("restore", tmp_path / "to", "--replace")
    assert _run_apart(var, *words, program=KILLED.format(after=2)).returncode == 9
    assert _read_files(var) == before
    _assert_done(_run(var, *words))
    assert set(_read_files(var)) == KEPT | SPARED


@pytest.mark.parametrize("after", range(1, 1 + len(("unfinished", "old", "restored")) + len(SPARED)))
def test_killed_while_folders_are_exchanged_it_is_run_again(var: Path, tmp_path: Path, after: int) -> None:
    _assert_done(_run(var, "backup", tmp_path / "to"))
    kept = {name: (var / name).read_text() for name in SPARED}
    words = ("restore", tmp_path / "to", "--replace")
    assert _run_apart(var, *words, program=RENAMED.format(after=after)).returncode == 9
    _assert_done(_run(var, *words))
    assert set(_read_files(var)) == KEPT | SPARED
    assert {name: (var / name).read_text() for name in SPARED} == kept
    assert {path.name for path in tmp_path.iterdir()} == {"var", "to"}


def test_a_full_disk_leaves_nothing(var: Path, tmp_path: Path) -> None:
    said = _assert_refused(_run_apart(var, "backup", tmp_path / "to", program=FULL))
    assert said.startswith("make backup: ")
    assert [path for path in tmp_path.iterdir() if path != var] == []


@pytest.mark.parametrize("name", sorted(KEPT))
@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_damaged_backup_is_not_restored(var: Path, tmp_path: Path, name: str, how: str) -> None:
    _assert_done(_run(var, "backup", tmp_path / "to"))
    path = tmp_path / "to" / "state" / name
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:] if how == "changed" else content[:-1])
    said = _assert_refused(_run(tmp_path / "other", "restore", tmp_path / "to"))
    assert str(path) in said
    assert "take another backup" in said
    assert not (tmp_path / "other").exists()


def test_a_newer_backup_is_not_restored(var: Path, tmp_path: Path) -> None:
    _assert_done(_run(var, "backup", tmp_path / "to"))
    path = tmp_path / "to" / manifest.MANIFEST_NAME
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    said = _assert_refused(_run(tmp_path / "other", "restore", tmp_path / "to"))
    assert "has format 2, this program reads 1" in said


def test_what_is_kept_elsewhere_is_said(
    var: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use_cases = tmp_path / "use_cases"
    use_cases.mkdir()
    variables = {
        "SERVICIO_ML_STATE_DIR": str(var),
        "SERVICIO_ML_LAKE_URL": "s3://data/lake",
        "SERVICIO_ML_USE_CASES_DIR": str(use_cases),
    }
    assert __main__.main(["backup", str(tmp_path / "first")], variables) == 0
    warning = "not in the backup: the lake, which SERVICIO_ML_LAKE_URL keeps elsewhere\n"
    assert capsys.readouterr().err == warning

    (use_cases / "rent.py").touch()
    assert __main__.main(["backup", str(tmp_path / "second")], variables) == 0
    more = f"not in the backup: your use cases in {use_cases}; keep them in version control\n"
    assert capsys.readouterr().err == warning + more


@pytest.fixture
def _written(var: Path) -> Iterator[None]:
    """Somebody writes two rows in each transaction, and never has them checkpointed."""
    path, stop, ready = var / "log" / "journal-0.db", threading.Event(), threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=60)) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            while not stop.is_set():
                with connection:
                    connection.executemany("INSERT INTO chunk VALUES (?)", [(1,), (1,)])
                [(count,)] = connection.execute("SELECT count(*) FROM chunk")
                if count > WRITES:
                    ready.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert ready.wait(60)
    yield
    stop.set()
    thread.join()


@pytest.mark.usefixtures("_written")
def test_a_database_is_copied_as_of_one_moment_while_it_is_written(var: Path, tmp_path: Path) -> None:
    for number in range(5):
        _assert_done(_run(var, "backup", tmp_path / str(number)))
        path = tmp_path / str(number) / "state" / "log" / "journal-0.db"
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM chunk")
        assert count >= WRITES
        assert count % 2 == 0


def test_a_damaged_database_is_not_backed_up(var: Path, tmp_path: Path) -> None:
    path = var / "log" / "journal-0.db"
    content = bytearray(path.read_bytes())
    content[4096] = 0xFF  # of the second page, its kind
    path.write_bytes(content)
    assert str(path) in _assert_refused(_run(var, "backup", tmp_path / "to"))
    assert not (tmp_path / "to").exists()


def test_files_that_go_away_are_noticed_and_all_is_copied_again(
    var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pruned = [
        var / "lake/rain/2026-11/train-1.parquet",
        var / "mlflow-artifacts/rain/m-1/artifacts/model.onnx",
    ]
    kept = shutil.copyfile

    def copy_file(source: Path, to: Path) -> Path:
        if pruned:
            pruned.pop(0).unlink()
        return kept(source, to)

    monkeypatch.setattr(state.shutil, "copyfile", copy_file)  # type: ignore[attr-defined]  # a module's import
    state.copy_state(var, tmp_path / "to")
    assert set(_read_files(tmp_path / "to")) == {"lake/rain/2026-11/manifest.json", "log/journal-0.db"}


def test_files_that_go_away_again_and_again_end_it(
    var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = var / "lake/rain/2026-11/train-1.parquet"
    kept = shutil.copyfile

    def copy_file(source: Path, to: Path) -> Path:
        made = kept(source, to)
        gone.unlink(missing_ok=True)
        return made

    def remove_tree(folder: Path, removed: object = shutil.rmtree) -> None:
        assert callable(removed)
        removed(folder)
        gone.write_text("there again")

    monkeypatch.setattr(state.shutil, "copyfile", copy_file)  # type: ignore[attr-defined]  # a module's import
    monkeypatch.setattr(state.shutil, "rmtree", remove_tree)  # type: ignore[attr-defined]  # a module's import
    with pytest.raises(state.ChangedError, match=r"train-1.parquet was removed while it was copied"):
        state.copy_state(var, tmp_path / "to")
