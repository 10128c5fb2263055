"""Samples of rows by their prediction id."""

import numpy as np
import pytest

from servicio_ml.domain.prediction import create_timed_key, derive_named_key
from servicio_ml.serving.models.sampling import is_selected, select_rows

KEYS = (create_timed_key(1_600_000_000.123, lambda bits: (1 << bits) - 1), derive_named_key("a message"))


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.999, 1.0])
def test_one_row_is_selected_as_in_its_chunk(key: bytes, share: float) -> None:
    mask = select_rows(key, 2000, share)
    assert [is_selected(key, index, share) for index in range(2000)] == mask.tolist()
    assert np.mean(mask) == pytest.approx(share, abs=0.04)
