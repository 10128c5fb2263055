"""The catalogue finds the shipped use cases and a user's own, and says what is wrong with one."""

from pathlib import Path
from textwrap import dedent

import pytest

from servicio_ml.errors import UnknownUseCaseError, UseCaseError
from servicio_ml.use_cases.catalogue import DEFAULT, catalogue, find

APPLES = dedent(
    """
    from dataclasses import replace
    from servicio_ml.use_cases.catalogue import find

    USE_CASE = replace(find("rain_australia"), name="apples", title="Apples")
    """
)


def test_the_shipped_use_cases_and_the_default_first() -> None:
    assert list(catalogue()) == [
        DEFAULT, "employee_burn_rate", "employee_burnout", "heart_disease", "vehicle_price"
    ]  # fmt: skip


def test_a_users_own_comes_after_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "apples.py").write_text(APPLES)
    assert list(catalogue(tmp_path))[-1] == "apples"
    assert find("apples", tmp_path).title == "Apples"


def test_helpers_of_a_users_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "_shared.py").write_text("raise RuntimeError")
    (tmp_path / "notes.txt").write_text("buy apples")
    assert list(catalogue(tmp_path)) == list(catalogue())


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        pytest.param(
            "apples.py", "USE_CASE =", "apples.py: SyntaxError: .*mend the file or move it away", id="syntax"
        ),
        pytest.param(
            "apples.py", "import no_such_thing", "ModuleNotFoundError: No module named", id="import"
        ),
        pytest.param("apples.py", "1 / 0", "ZeroDivisionError: division by zero", id="any exception"),
        pytest.param("apples.py", "x = 1", r"it must hold USE_CASE = UseCase\(...\)", id="nothing in it"),
        pytest.param("apples.py", "USE_CASE = 'apples'", "it must hold USE_CASE", id="something else in it"),
        pytest.param("pears.py", APPLES, "it defines 'apples'; name the file apples.py", id="file name"),
        pytest.param("heart_disease.py", APPLES, "a shipped use case has that name; rename", id="name taken"),
        pytest.param(
            "apples.py",
            APPLES.replace('"apples"', '"Red apples"'),
            "names are snake case",
            id="refused by the domain",
        ),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(
    tmp_path: Path, file: str, content: str, message: str
) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(UseCaseError, match=message) as caught:
        catalogue(tmp_path)
    assert str(tmp_path / file) in str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UseCaseError, match=r"nowhere: SERVICIO_ML_USE_CASES_DIR names no folder; make it or unset it"
    ):
        catalogue(tmp_path / "nowhere")


def test_an_unknown_name_brings_the_close_one() -> None:
    with pytest.raises(UnknownUseCaseError, match="did you mean vehicle_price"):
        find("vehicle_prices")
