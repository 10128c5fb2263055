import json
from typing import Any

import orjson
import pytest

from servicio_ml.errors import FieldError, InvalidError, NotReadyError
from servicio_ml.serving.http.problems import build_problem


@pytest.mark.parametrize(
    ("value", "expected"),
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
def test_any_value_fits_a_problem_document(value: object, expected: Any) -> None:
    fault = FieldError(row=0, field="size", value=value, allowed="a number", reason="type")
    document = build_problem(InvalidError("small", [fault]), "id")
    assert json.loads(orjson.dumps(document))["errors"][0]["value"] == expected


def test_half_a_surrogate_pair_in_a_message() -> None:
    document = build_problem(NotReadyError("small", "cannot read \ud800"), "id")
    assert b"cannot read ?" in orjson.dumps(document)
