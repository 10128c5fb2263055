"""Drafts by a command: what it is asked, what of its output is passed on, and which names are refused."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from model_server import wait_until
from services import ManualClock
from servicio_ml import bootstrap
from servicio_ml.adapters.drafting import DraftingCommand
from servicio_ml.adapters.retraining.command import CommandRetrainer
from servicio_ml.domain.ports.use_case_drafter import RunState
from servicio_ml.domain.use_case import Origin
from servicio_ml.errors import DraftingClosedError, DraftingError
from servicio_ml.settings import Settings
from servicio_ml.use_cases.catalogue import find

ECHO = """
import json, sys
has_answers = "--answers" in sys.argv
answers = json.load(open(sys.argv[sys.argv.index("--answers") + 1])) if has_answers else None
print(json.dumps({"words": [word for word in sys.argv[1:] if "answers" not in word], "answers": answers}))
"""
FAIL = 'import sys; print("a warning", file=sys.stderr); sys.exit("error: rent.csv: 3 rows; no draft")'
CRASH = "raise ValueError(3)"


def build_drafter(folder: Path, script: str = ECHO, problem: str = "", run: str = "") -> DraftingCommand:
    (folder / "raw").mkdir(exist_ok=True)
    (folder / "raw" / "rent.csv").write_text("a,b\n1,2\n")
    trainer = CommandRetrainer(folder / "runs", (sys.executable, "-c", run), ManualClock())
    return DraftingCommand(folder / "raw", folder / "runs", (sys.executable, "-c", script), trainer, problem)


def test_the_command_gets_the_file_and_the_answers(tmp_path: Path) -> None:
    drafter, answers = build_drafter(tmp_path), {"target": "b", "columns": {"a": {"kind": "number"}}}
    source = str(tmp_path / "raw" / "rent.csv")
    listed = drafter.list_columns("rent.csv")
    assert listed["words"] == ["data", "columns", "--source", source, "--json"]
    words = ["init", "rent", "--source", source, "--json", "--yes"]
    assert drafter.build_draft("rent", "rent.csv", answers) == {
        "words": [*words, "--preview"], "answers": answers,
    }  # fmt: skip
    assert drafter.write_draft("rent", "rent.csv", {}, replace=False)["words"] == words
    assert drafter.write_draft("rent", "rent.csv", {}, replace=True)["words"] == [*words, "--force"]


def test_the_message_of_a_failed_command_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(DraftingError, match=r"^rent.csv: 3 rows; no draft$"):
        build_drafter(tmp_path, FAIL).build_draft("rent", "rent.csv", {})
    with pytest.raises(DraftingError, match=r"^the command failed: ValueError: 3$"):
        build_drafter(tmp_path, CRASH).build_draft("rent", "rent.csv", {})


@pytest.mark.parametrize("name", ["Rent", "../rent", "", "rent.py", "a b"])
def test_a_name_that_is_none_of_a_use_case_is_refused(tmp_path: Path, name: str) -> None:
    drafter = build_drafter(tmp_path)
    with pytest.raises(DraftingError, match="is no name of a use case"):
        drafter.build_draft(name, "rent.csv", {})
    with pytest.raises(DraftingError, match="is no name of a use case"):
        drafter.get_training(name)


@pytest.mark.parametrize("file", ["../rent.csv", "/etc/passwd", ".hidden", "", "a/b.csv", "a\0b", "-x"])
def test_a_name_that_is_none_of_a_file_is_refused(tmp_path: Path, file: str) -> None:
    drafter = build_drafter(tmp_path)
    for attempt in (
        lambda: drafter.save_file(file, b"1"),
        lambda: drafter.list_columns(file),
        lambda: drafter.build_draft("rent", file, {}),
        lambda: drafter.start_training("rent", file),
    ):
        with pytest.raises(DraftingError, match="is no name of a file"):
            attempt()
    assert [each.name for each in tmp_path.iterdir()] == ["raw"]


def test_an_empty_upload_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DraftingError, match=r"the upload of 'new.csv' is empty; send the content"):
        build_drafter(tmp_path).save_file("new.csv", b"")
    assert not (tmp_path / "raw" / "new.csv").exists()


def test_an_upload_that_cannot_be_kept_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "raw"
    trainer = CommandRetrainer(tmp_path / "runs", (sys.executable,), ManualClock())
    drafter = DraftingCommand(folder, tmp_path / "runs", (sys.executable,), trainer, "")
    with pytest.raises(DraftingClosedError, match=f"'new.csv' cannot be kept in {folder}: Not a directory; "):
        drafter.save_file("new.csv", b"a\n1\n")


def test_a_link_is_no_raw_file(tmp_path: Path) -> None:
    drafter = build_drafter(tmp_path)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "raw" / "link.csv").symlink_to(tmp_path / "secret")
    assert drafter.list_files() == ["rent.csv"]
    with pytest.raises(DraftingError, match=r"there is no raw file 'link.csv'"):
        drafter.build_draft("rent", "link.csv", {})


def test_an_upload_is_kept_once(tmp_path: Path) -> None:
    drafter = build_drafter(tmp_path)
    drafter.save_file("other.csv", b"1")
    drafter.save_file("other.csv", b"1")
    with pytest.raises(DraftingError, match=r"another file 'other.csv' already"):
        drafter.save_file("other.csv", b"2")
    assert sorted(each.name for each in (tmp_path / "raw").iterdir()) == ["other.csv", "rent.csv"]
    assert (tmp_path / "raw" / "other.csv").read_bytes() == b"1"


@pytest.mark.parametrize("data_dir", ["", "brought"])
def test_an_upload_is_where_the_etl_looks(tmp_path: Path, data_dir: str) -> None:
    settings = Settings(
        state_dir=tmp_path / "state", use_cases_dir=tmp_path / "use_cases",
        data_dir=tmp_path / data_dir if data_dir else None,
    )  # fmt: skip
    bootstrap.create_drafter(settings).save_file("rent.csv", b"1")
    # a draft names the file as its origin
    rent = replace(find("heart_disease"), name="rent", origin=Origin(file="rent.csv"))
    assert bootstrap.open_raw_files(settings).find(rent).read_bytes() == b"1"


def test_where_drafts_are_impossible_every_call_says_why(tmp_path: Path) -> None:
    drafter = build_drafter(tmp_path, problem="name a folder in SERVICIO_ML_USE_CASES_DIR")
    for attempt in (
        drafter.list_files,
        lambda: drafter.save_file("a.csv", b""),
        lambda: drafter.write_draft("rent", "rent.csv", {}, replace=False),
        lambda: drafter.start_training("rent", "rent.csv"),
        lambda: drafter.get_training("rent"),
    ):
        with pytest.raises(DraftingClosedError, match="SERVICIO_ML_USE_CASES_DIR"):
            attempt()


def write_log(folder: Path, *lines: str) -> None:
    (folder / "runs").mkdir(exist_ok=True)
    (folder / "runs" / "rent-20200913T122640Z.log").write_text("\n".join(("key: rent.csv", *lines)) + "\n")


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        (("step: etl", "step: train", "finished"), RunState.FINISHED),
        (("step: etl", "failed: etl ended with exit code 1"), RunState.FAILED),
        # its process has gone without a last line
        (("step: etl",), RunState.FAILED),
        ((), RunState.FAILED),
    ],
)
def test_the_state_of_a_run_is_that_of_its_log(
    tmp_path: Path, lines: tuple[str, ...], state: RunState
) -> None:
    drafter = build_drafter(tmp_path)
    assert drafter.get_training("rent").state is RunState.NONE
    write_log(tmp_path, *lines)
    found = drafter.get_training("rent")
    assert (found.state, tuple(found.lines)) == (state, lines)


@pytest.mark.slow
def test_a_run_is_followed_until_it_ends(tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    lines = [
        "print('step: etl', flush=True)",
        # waits for somebody who writes
        f"open({str(go)!r}).read()",
        "print('finished', flush=True)",
    ]
    drafter = build_drafter(tmp_path, run="\n".join(lines))
    drafter.start_training("rent", "rent.csv")
    wait_until("the run writes", lambda: drafter.get_training("rent").lines == ["step: etl"])
    assert drafter.get_training("rent").state is RunState.RUNNING
    with pytest.raises(DraftingError, match="runs already"):
        drafter.start_training("rent", "rent.csv")
    go.write_text("")
    wait_until("the run ends", lambda: drafter.get_training("rent").state is RunState.FINISHED)
