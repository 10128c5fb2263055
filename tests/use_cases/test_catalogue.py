"""The catalogue finds the shipped use cases and a user's own, and says what is wrong with one."""

import os
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.errors import UnknownUseCaseError, UseCaseError
from servicio_ml.use_cases.catalogue import DEFAULT, UserFolder, find, load_catalogue

APPLES = dedent(
    """
    from dataclasses import replace
    from servicio_ml.use_cases.catalogue import find

    USE_CASE = replace(find("rain_australia"), name="apples", title="Apples")
    """
)


def test_the_shipped_use_cases_and_the_default_first() -> None:
    assert list(load_catalogue()) == [
        DEFAULT, "employee_burn_rate", "employee_burnout", "heart_disease", "vehicle_price"
    ]  # fmt: skip


def test_a_users_own_comes_after_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "apples.py").write_text(APPLES)
    assert list(load_catalogue(tmp_path))[-1] == "apples"
    assert find("apples", tmp_path).title == "Apples"


def test_helpers_of_a_users_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "_shared.py").write_text("raise RuntimeError")
    (tmp_path / "notes.txt").write_text("buy apples")
    assert list(load_catalogue(tmp_path)) == list(load_catalogue())


def test_helpers_and_other_use_cases_of_the_folder_may_be_imported(tmp_path: Path) -> None:
    (tmp_path / "_shared.py").write_text("TITLE = 'Shared'")
    (tmp_path / "apples.py").write_text(
        APPLES.replace("title=", "description=")
        .replace("from dataclasses", "from _shared import TITLE\nfrom dataclasses")
        .replace(")\n", ", title=TITLE)\n")
    )
    (tmp_path / "pears.py").write_text("from dataclasses import replace\nimport apples\n"
        "USE_CASE = replace(apples.USE_CASE, name='pears')")  # fmt: skip
    before = (list(sys.path), "_shared" in sys.modules)
    assert find("apples", tmp_path).title == "Shared"
    assert find("pears", tmp_path).title == "Shared"
    assert (sys.path, "_shared" in sys.modules) == before


def test_helpers_of_two_folders_may_have_the_same_name(tmp_path: Path) -> None:
    for title in ("Red", "Green"):
        folder = tmp_path / title
        folder.mkdir()
        (folder / "_shared.py").write_text(f"TITLE = {title!r}")
        (folder / "apples.py").write_text(f"from _shared import TITLE\n{APPLES}".replace('"Apples"', "TITLE"))
        assert find("apples", folder).title == title


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        pytest.param(
            "apples.py",
            "USE_CASE =",
            "apples.py: SyntaxError: .*fix the file or move it away",
            id="syntax",
        ),
        pytest.param(
            "apples.py", "import no_such_thing", "line 1: ModuleNotFoundError: No module named", id="import"
        ),
        pytest.param(
            "apples.py", "\n\n1 / 0", "line 3: ZeroDivisionError: division by zero", id="any exception"
        ),
        pytest.param(
            "apples.py", "raise SystemExit('bye')", "line 1: SystemExit: bye", id="end of the process"
        ),
        pytest.param(
            "apples.py", "raise BaseException('bye')", "line 1: BaseException: bye", id="no exception"
        ),
        pytest.param(
            "apples.py",
            "def make(x):\n    return 1 / x\n\nmake(0)",
            r"line 2 \(from line 4\): ZeroDivisionError",
            id="function",
        ),
        pytest.param(
            "apples.py",
            "from _broken import x",
            r"apples.py, line 1 \(in _broken.py, line 2\): NameError: name 'y'",
            id="helper",
        ),
        pytest.param("apples.py", "x = 1", r"it must hold USE_CASE = UseCase\(...\)", id="nothing in it"),
        pytest.param("apples.py", "USE_CASE = 'apples'", "it must hold USE_CASE", id="something else in it"),
        pytest.param("pears.py", APPLES, "it defines 'apples'; name the file apples.py", id="file name"),
        pytest.param(
            "apples.py",
            APPLES.replace('"apples"', '"Red apples"'),
            "line 5: 'Red apples': names are snake case",
            id="refused by the domain",
        ),
        pytest.param(
            "apples.py",
            APPLES.replace('title="Apples"', 'title="Half \\ud800"'),
            r"line 5: 'apples': title is 'Half \\ud800'; it holds half of a surrogate pair",
            id="no text",
        ),
        pytest.param(
            "apples.py",
            f"{APPLES}\nTARGET = replace(USE_CASE.target, maximum=10**400)",
            "line 7: target 'rain_tomorrow': maximum is a whole number of about 400 digits; it must be",
            id="no number",
        ),
        pytest.param(
            "apples.py",
            "raise ValueError('a\\ud800\\x1b[31m\\n' + 400 * 'b')",
            r"line 1: ValueError: a\\ud800\\x1b\[31m bbb",
            id="a message with controls",
        ),
        pytest.param(
            "apples.py",
            "class Mute(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise Mute",
            "line 4: Mute: its message cannot be read; fix the file or move it away",
            id="a message that raises",
        ),
    ],
)
def test_a_broken_file_disables_itself_and_is_named_with_its_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str, content: str, message: str
) -> None:
    (tmp_path / "_broken.py").write_text("x = 1\ny\n")
    (tmp_path / file).write_text(content)
    (tmp_path / "zebras.py").write_text(APPLES.replace('"apples"', '"zebras"'))
    with pytest.raises(UseCaseError, match=message) as caught:
        find(Path(file).stem, tmp_path)
    assert str(tmp_path / file) in str(caught.value)
    assert "\n" not in str(caught.value)
    # neither the shipped ones nor the others suffer
    assert list(load_catalogue(tmp_path)) == [*load_catalogue(), "zebras"]
    assert [str(caught.value) + "; this file is disabled"] == caplog.messages
    assert find("zebras", tmp_path).name == "zebras"


def test_a_file_never_takes_the_place_of_a_shipped_use_case(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "heart_disease.py").write_text("1 / 0")
    assert load_catalogue(tmp_path) == load_catalogue()
    assert find("heart_disease", tmp_path).title == "Heart disease"
    assert len(caplog.messages) == 2
    assert all("a shipped use case has that name; rename" in each for each in caplog.messages)


def test_a_server_reads_the_files_again_after_one_has_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = UserFolder(tmp_path)
    (tmp_path / "apples.py").write_text("1 / 0")
    for _ in range(2):
        assert list(folder.find_broken_files()) == ["apples"]
    assert len(caplog.messages) == 1
    (tmp_path / "apples.py").write_text(APPLES)
    assert folder.find_broken_files() == {}
    assert folder.list_titles() == {
        "rain_australia": "Rain in Australia", "employee_burn_rate": "Employee burn rate",
        "employee_burnout": "Employee burnout", "heart_disease": "Heart disease",
        "vehicle_price": "Used-car prices", "apples": "Apples",
    }  # fmt: skip
    assert UserFolder(None).find_broken_files() == UserFolder(tmp_path / "nowhere").find_broken_files() == {}


def test_the_ramp_of_a_use_case_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "apples.py").write_text(
        APPLES.replace(
            "from dataclasses", "from servicio_ml.domain.rollout.ramp import Ramp\nfrom dataclasses"
        )
        + "USE_CASE = replace(USE_CASE, promotion=replace(USE_CASE.promotion, rollout=Ramp(min_rows=7)))"
    )
    folder = UserFolder(tmp_path)
    assert folder.find_ramp("apples") == Ramp(min_rows=7)
    # without a ramp, or without a use case, a rollout that people start has the defaults
    assert folder.find_ramp("rain_australia") == folder.find_ramp("imported") == Ramp()


def test_a_file_name_that_is_no_text_is_escaped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/pears\xff.py")).write_text("1 / 0")
    broken = UserFolder(tmp_path).find_broken_files()
    (problem,) = broken.values()
    assert list(broken) == ["pears\\udcff"]
    assert problem.endswith(
        "/pears\\udcff.py, line 1: ZeroDivisionError: division by zero; fix the file or move it away"
    )
    assert caplog.messages == [f"{problem}; this file is disabled"]
    with pytest.raises(UnknownUseCaseError) as caught:
        find("apples", tmp_path)
    assert str(caught.value).isprintable()


def test_a_link_to_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "pears.py").symlink_to(tmp_path / "gone.py")
    (problem,) = UserFolder(tmp_path).find_broken_files().values()
    assert problem.startswith(f"use case {tmp_path}/pears.py: FileNotFoundError: ")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UseCaseError, match=r"nowhere: SERVICIO_ML_USE_CASES_DIR names no folder; make it or unset it"
    ):
        load_catalogue(tmp_path / "nowhere")


def test_an_unknown_name_brings_the_close_one() -> None:
    with pytest.raises(UnknownUseCaseError, match="did you mean vehicle_price"):
        find("vehicle_prices")
