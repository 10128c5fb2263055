"""Keys of chunks: in the order of their creation, whatever the clock does."""

import random

from services import ManualClock
from servicio_ml.domain.prediction import TimedKeys, parse_prediction_id
from servicio_ml.domain.prediction import format_prediction_ids as format_ids

NOW = 1_600_000_000.0


def test_a_clock_that_is_set_back_an_hour_keeps_ids_unique_and_ordered() -> None:
    clock = ManualClock(NOW)
    keys = TimedKeys(clock, random.Random(1).getrandbits)  # noqa: S311  ids, no secrets
    made = []
    for now in (NOW, NOW, NOW + 0.001, NOW - 3600, NOW - 3599, NOW + 1):
        clock.now = now
        made += [keys.create() for _ in range(100)]
    assert made == sorted(set(made))
    ids = [format_ids(key, 0, 1)[0] for key in made]
    assert ids == sorted(ids)
    assert [parse_prediction_id(each) for each in ids] == [(key, 0) for key in made]
    # the time that the first ones carry is that of the clock
    assert int.from_bytes(made[0][:6], "big") == NOW * 1000
    assert int.from_bytes(made[-1][:6], "big") == (NOW + 1) * 1000
