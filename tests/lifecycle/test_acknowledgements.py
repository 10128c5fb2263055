"""Acknowledgements of drift: their size, until when they hold, and how they end."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drift_fixture import DriftFixture, create_drift_fixture
from prediction_chunks import NOW
from servicio_ml.domain.drift import Acknowledgement, select_held
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import RequestError
from servicio_ml.lifecycle.acknowledgements import (
    DAY_SECONDS,
    AcknowledgementRequest,
    build_acknowledgement,
    build_end,
    measure_windows,
    parse_last_day,
)
from small_use_case import generate_rows

MIDNIGHT = 1_700_006_400.0
"""The end of 2023-11-14, UTC."""
SOME = Acknowledgement(
    model="small",
    feature="size",
    reason="known",
    by="boss",
    at=NOW,
    until=NOW + 60,
    psi=0.5,
    missing_excess=0,
)


@pytest.fixture
def fixture(tmp_path: Path, artifact_folder: Path) -> DriftFixture:
    return create_drift_fixture(tmp_path, artifact_folder)


def acknowledge(fixture: DriftFixture, feature: str, now: float = NOW + 1) -> Acknowledgement:
    asked = AcknowledgementRequest(
        model="small", feature=feature, until="2023-11-30", reason=" moved house ", by="boss"
    )
    windows = measure_windows(fixture.artifact.reference, fixture.log, "small", 1, now)
    return build_acknowledgement(asked, fixture.artifact.reference, windows, now)


def test_it_has_the_size_of_the_drift(fixture: DriftFixture) -> None:
    rows = generate_rows(Task.BINARY, 800, seed=3)
    fixture.log_predictions(rows.with_columns(rows["size"] + 2))
    found = acknowledge(fixture, "size")
    assert (found.reason, found.by, found.at, found.until) == (
        "moved house",
        "boss",
        NOW + 1,
        MIDNIGHT + 16 * DAY_SECONDS,
    )
    assert found.psi > 1
    assert found.missing_excess == pytest.approx(0, abs=0.05)
    # eight days later the rows are in the longest window only
    assert acknowledge(fixture, "prediction", NOW + 8 * DAY_SECONDS).psi > 0.2


def test_values_that_are_missing_count(fixture: DriftFixture) -> None:
    rows = generate_rows(Task.BINARY, 800, seed=3)
    gaps = rows.with_columns(size=np.where(np.arange(800) < 300, np.nan, rows["size"].to_numpy()))
    fixture.log_predictions(gaps.with_columns(gaps["size"].fill_nan(None)))
    assert acknowledge(fixture, "size").missing_excess == pytest.approx(0.34, abs=0.03)


def test_few_rows_are_no_drift(fixture: DriftFixture) -> None:
    rows = generate_rows(Task.BINARY, 99, seed=3)
    fixture.log_predictions(rows.with_columns(rows["size"] + 9))
    with pytest.raises(RequestError, match="at least 100 rows"):
        acknowledge(fixture, "size")


@pytest.mark.parametrize(
    ("text", "end"), [("2023-11-14", MIDNIGHT), ("2024-11-14", MIDNIGHT + 366 * DAY_SECONDS)]
)
def test_it_holds_until_the_end_of_its_last_day(text: str, end: float) -> None:
    assert parse_last_day(text, NOW) == end


def test_the_newest_of_a_feature_counts() -> None:
    later = replace(SOME, at=NOW + 1, psi=0.9)
    other = replace(SOME, feature="colour")
    assert select_held([later, other, SOME], NOW + 2) == [other, later]
    assert select_held([later, other, SOME], NOW + 60) == []


def test_an_end_ends_it() -> None:
    end = build_end("small", "size", "chief", [SOME], NOW + 5)
    assert (end.by, end.until, end.is_end, SOME.is_end) == ("chief", NOW + 5, True, False)
    assert select_held([end, SOME], NOW + 6) == []
    for history in ([], [end, SOME], [replace(SOME, until=NOW + 1)]):
        with pytest.raises(RequestError, match="no acknowledgement of 'size' of small holds"):
            build_end("small", "size", "chief", history, NOW + 6)
