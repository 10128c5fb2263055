"""Rules of drafts of dated rows: drift policies, and numbers that follow it."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from messy_files import write_rows
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.pipeline.drafting.answers import DraftAnswers
from servicio_ml.pipeline.drafting.draft import Draft, draft_use_case

FIRST = date(2020, 1, 1)


def _draft(folder: Path, make: Callable[[int], str], *, rows: int) -> Draft:
    path = folder / "rows.csv"
    path.write_text(write_rows("date,a,b", make, rows=rows))
    return draft_use_case("dated", DraftAnswers(target="y"), path, source_name="rows.csv")


def _build_cells(day: int, key: int) -> str:
    """Two columns that hang on `key` only, and look random over its values."""
    return f"{FIRST + timedelta(days=day)},{key * 7919 % 97},{key * 104729 % 89}"


def test_days_whose_rows_are_alike_have_a_design_effect(tmp_path: Path) -> None:
    draft = _draft(tmp_path, lambda i: _build_cells(i // 10, i // 10), rows=800)
    # two of four columns are the same in the ten rows of a day: 1 + 9 * 2 / 4
    assert draft.use_case.drift.design_effect == pytest.approx(5.5, abs=0.5)
    assert draft.decisions["drift"].startswith("shares of a window vary 5.")
    assert "drift=DriftPolicy(design_effect=5." in draft.source


def test_independent_rows_have_the_usual_policy(tmp_path: Path) -> None:
    draft = _draft(tmp_path, lambda i: _build_cells(i // 10, i), rows=800)
    assert draft.use_case.drift == DriftPolicy()
    assert "drift" not in draft.decisions


def test_two_years_are_compared_by_their_months(tmp_path: Path) -> None:
    draft = _draft(tmp_path, lambda i: _build_cells(i, i), rows=900)
    assert draft.use_case.drift == DriftPolicy(season="date")
    assert draft.decisions["drift"] == "a month is compared with the same months of date"


def test_a_number_that_follows_the_time_is_left_out(tmp_path: Path) -> None:
    draft = _draft(
        tmp_path,
        lambda i: f"{FIRST + timedelta(days=i // 2)},{i * 7919 % 97},{2020 + i // 2 / 366:.4f}",
        rows=800,
    )
    assert "b" not in draft.use_case.schema.field_names
    assert draft.decisions["b"] == "left out: it follows 'date', so that later rows lie beyond it"
    # of rows that are not split by a date, it is a number like any other
    kept = _draft(tmp_path, lambda i: f"none,{i * 7919 % 97},{2020 + i // 2 / 366:.4f}", rows=800)
    assert "b" in kept.use_case.schema.field_names
