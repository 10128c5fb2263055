import json
from typing import Any

import orjson
import pytest

from servicio_ml.errors import Fault, InvalidError, NotReadyError
from servicio_ml.serving.problems import problem


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (-(1 << 63) + 1, -(1 << 63) + 1),
        (1 << 63, "9223372036854775808"),
        (-(10**30), "-1000000000000000000000000000000"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ("text", "text"),
        ("\ud800", "?"),
        ([1], "[1]"),
    ],
    ids=repr,
)
def test_any_value_can_be_told(value: object, told: Any) -> None:
    fault = Fault(row=0, field="size", value=value, allowed="a number", reason="type")
    document = problem(InvalidError("small", [fault]), "id")
    assert json.loads(orjson.dumps(document))["errors"][0]["value"] == told


def test_half_a_surrogate_pair_in_a_message() -> None:
    document = problem(NotReadyError("small", "cannot read \ud800"), "id")
    assert b"cannot read ?" in orjson.dumps(document)
