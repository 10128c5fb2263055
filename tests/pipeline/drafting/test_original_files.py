"""Drafts of the original files of the shipped use cases: kinds, leaks, split, copies, logarithm."""

from pathlib import Path

import pytest

from servicio_ml.domain.schema import Kind
from servicio_ml.domain.use_case import DateSplit, HashedSplit, Task
from servicio_ml.pipeline.drafting.answers import DraftAnswers
from servicio_ml.pipeline.drafting.draft import Draft, draft_use_case

MAX_LINES = 70
"""Lines of the largest draft, that of 23 columns, one of them with 49 levels."""


def _draft(folder: Path, file: str, target: str) -> Draft:
    draft = draft_use_case("original", DraftAnswers(target=target), folder / file, source_name=file)
    assert draft.check.problems == []
    assert len(draft.source.splitlines()) <= MAX_LINES
    return draft


def _list_left_out(draft: Draft) -> set[str]:
    return {column for column, reason in draft.decisions.items() if reason.startswith("left out")}


@pytest.mark.slow
def test_rain_is_split_by_its_date(data_dir: Path) -> None:
    draft = _draft(data_dir, "weatherAUS.csv", "RainTomorrow")
    use_case = draft.use_case
    assert (use_case.task, use_case.target.labels) == (Task.BINARY, ("No", "Yes"))
    assert use_case.split == DateSplit(field="date")
    assert use_case.event_date == "date"
    assert [each.name for each in use_case.schema.derived] == ["season_sin", "season_cos"]
    assert use_case.schema.get_field("location").kind is Kind.CATEGORY
    assert use_case.schema.get_field("humidity_3pm").limits == (0, 100)
    assert _list_left_out(draft) == set()
    assert draft.check.status_counts["quarantined"] == 0
    # what was measured for the shipped use case: 6
    assert (use_case.drift.season, use_case.drift.design_effect) == ("date", 6.1)


@pytest.mark.slow
def test_the_leaking_columns_of_burnout_are_left_out(data_dir: Path) -> None:
    draft = _draft(data_dir, "enriched_employee_dataset.csv", "Burn Rate")
    assert _list_left_out(draft) == {
        "Employee ID",
        "Work Hours per Week",
        "Work-Life Balance Score",
        "Deadline Pressure Score",
        "Recognition Frequency",
    }
    # people join in no order
    assert isinstance(draft.use_case.split, HashedSplit)
    assert draft.use_case.schema.get_field("date_of_joining").kind is Kind.DATE


@pytest.mark.slow
def test_burn_rate_is_a_regression_from_0_to_1(data_dir: Path) -> None:
    use_case = _draft(data_dir, "employee_burnout_train.csv", "Burn Rate").use_case
    assert (use_case.task, use_case.target.minimum, use_case.target.maximum) == (Task.REGRESSION, 0, 1)
    assert not use_case.target.log


@pytest.mark.slow
def test_the_copies_of_heart_are_dropped(data_dir: Path) -> None:
    draft = _draft(data_dir, "heart_1025.csv", "target")
    assert draft.use_case.deduplicate
    assert draft.check.status_counts["duplicate"] == 723
    assert draft.use_case.target.labels == ("0", "1")


@pytest.mark.slow
def test_cars_have_units_copies_and_a_logarithm(data_dir: Path) -> None:
    draft = _draft(data_dir, "Car details v3.csv", "selling_price")
    use_case = draft.use_case
    assert (use_case.task, use_case.target.log, use_case.deduplicate) == (Task.REGRESSION, True, True)
    units = {name: use_case.schema.get_field(name).unit for name in ("mileage", "engine", "max_power")}
    assert units == {"mileage": "kmpl", "engine": "CC", "max_power": "bhp"}
    assert use_case.schema.get_field("name").kind is Kind.TEXT
    # another unit, and a unit without a number
    assert [line.partition(":")[0] for line in draft.check.quarantine] == ["mileage", "max_power"]
