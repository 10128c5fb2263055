"""Bodies to matrices."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.values import FIRST_DAY, LAST_DAY
from servicio_ml.errors import InvalidError
from servicio_ml.features.check import SchemaChecker
from servicio_ml.features.encoder import Encoder
from servicio_ml.serving.models import json_bodies, request_decoder
from servicio_ml.serving.models.request_decoder import Decoder
from servicio_ml.serving.models.row_faults import MAX_ROW_FAULTS, OnError
from small_use_case import SCHEMA

ENCODER = Encoder(SCHEMA)
DECODER = Decoder("small", ENCODER, max_rows=5)
RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}


def collect_faults(body: object, *, batch: bool = False) -> list[tuple[int, str, object, str]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidError) as caught:
        DECODER.decode_batch(raw) if batch else DECODER.decode_record(raw)
    return [(fault.row, fault.field, fault.value, fault.reason) for fault in caught.value.faults]


def derive_columns(matrix: Any) -> Any:
    ENCODER.derive(matrix)
    return matrix


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"weight": None}, (0, "weight", None, "missing")),
        ({"weight": "1"}, (0, "weight", "1", "type")),
        ({"weight": True}, (0, "weight", True, "type")),
        ({"weight": 10.5}, (0, "weight", 10.5, "range")),
        ({"size": 1e39}, (0, "size", 1e39, "range")),
        ({"colour": "pink"}, (0, "colour", "pink", "level")),
        ({"colour": 3}, (0, "colour", 3, "level")),
        ({"day": "yesterday"}, (0, "day", "yesterday", "type")),
        ({"day": "2020-02-30"}, (0, "day", "2020-02-30", "type")),
        ({"extra": 1}, (0, "extra", 1, "unknown_field")),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_each_fault_is_named(change: dict[str, Any], fault: tuple[int, str, object, str]) -> None:
    assert collect_faults({**RECORD, **change}) == [fault]


def test_an_absent_required_field_is_missing() -> None:
    assert collect_faults({"day": "2020-01-31"}) == [(0, "weight", None, "missing")]


@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_what_is_no_finite_number_is_refused(literal: bytes) -> None:
    ((_, field, _, _),) = collect_faults(json.dumps(RECORD).encode().replace(b"1.5", literal))
    assert field == "size"


def test_a_message_says_what_is_allowed() -> None:
    with pytest.raises(InvalidError, match=r"field 'weight': 11 is not allowed.*from -10 to 10 kg"):
        DECODER.decode_record(json.dumps({**RECORD, "weight": 11}).encode())


def test_a_long_value_is_cut() -> None:
    ((_, _, value, _),) = collect_faults({**RECORD, "colour": "x" * 5000})
    assert len(str(value)) < 100


@pytest.mark.parametrize("body", [b"", b"[", b"3", b"null", b"[]", b"\xff", b'"text"'])
@pytest.mark.parametrize("batch", [False, True])
def test_a_body_that_is_no_object_is_refused(body: bytes, batch: bool) -> None:  # noqa: FBT001
    assert collect_faults(body, batch=batch)[0][1] == "body"


def test_absent_nullable_fields_are_missing() -> None:
    matrix = DECODER.decode_record(json.dumps({"day": "2020-01-31", "weight": 1}).encode()).matrix
    assert np.isnan(matrix[0, [1, 3]]).all()


def test_faults_of_a_batch_name_their_rows() -> None:
    rows = [RECORD, {**RECORD, "weight": 99}, {**RECORD, "colour": "pink"}]
    faults = [(1, "weight", 99, "range"), (2, "colour", "pink", "level")]
    assert collect_faults({"records": rows}, batch=True) == faults
    assert collect_faults(rows, batch=True) == faults


def test_faults_of_columns_name_their_rows() -> None:
    columns = {"day": ["2020-01-31"] * 2, "weight": [1.0, 99.0]}
    assert collect_faults({"columns": columns}, batch=True) == [(1, "weight", 99, "range")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"records": []}, "records"),
        ({"records": [RECORD] * 6}, "records"),
        ({}, "body"),
        ({"records": [RECORD], "columns": {"day": ["2020-01-31"], "weight": [1]}}, "body"),
        ({"columns": {"day": ["2020-01-31"], "weight": [1, 2]}}, "body"),
        ({"columns": {"day": [], "weight": []}}, "day"),
        ({"rows": [RECORD]}, "rows"),
        ([RECORD] * 6, "body"),
        (b'[{"day": "2020-01-31", "weight": 1, "weight": 2}]', "weight"),
    ],
    ids=[
        "empty",
        "too many",
        "neither",
        "both",
        "unequal",
        "empty columns",
        "unknown part",
        "long array",
        "repeated key",
    ],
)
def test_wrong_batches_are_refused(body: object, field: str) -> None:
    assert collect_faults(body, batch=True)[0][1] == field


RECORD_TEXT = '{"day": "2020-01-31", "weight": 1}'


def _decide(body: bytes) -> object:
    """Decide a batch: its matrix, or its faults."""
    try:
        return repr(DECODER.decode_batch(body)[0].matrix.tolist())
    except InvalidError as error:
        return [(each.row, each.field, each.reason) for each in error.faults]


@pytest.mark.parametrize(
    "body",
    [
        f'{{"records": [{RECORD_TEXT}, {RECORD_TEXT},\n{RECORD_TEXT}]}}',
        f" [{RECORD_TEXT} , {RECORD_TEXT}] ",
        f'{{"records": [{", ".join([RECORD_TEXT] * 6)}]}}',
        f'{{"records": [{RECORD_TEXT}, {{"day": "2020-01-31", "weight": 99}}]}}',
        f'{{"records": [{RECORD_TEXT}, {RECORD_TEXT},]}}',
        f'{{"records": [{RECORD_TEXT}, 7]}}',
        f'{{"records": [{RECORD_TEXT}], "records": [{RECORD_TEXT}]}}',
        f'{{"records": [{RECORD_TEXT}], "columns": null}}',
        f'{{"records": [{RECORD_TEXT}], "rows": [{RECORD_TEXT}]}}',
        f'{{"records": [{RECORD_TEXT}, {{"day": "2020-01-31", "weight": 1, "weight": 2}}]}}',
        f'{{"records": [{RECORD_TEXT}, {{"day": "}},{{", "weight": 1}}]}}',
        f"[[{RECORD_TEXT}], [{RECORD_TEXT}]]",
        f'{{"records": [{RECORD_TEXT}, {RECORD_TEXT}]',
        f"[{RECORD_TEXT}]}}",
        f"[{RECORD_TEXT} {RECORD_TEXT}]",
        "[{]",
        "]",
    ],
)
def test_slices_are_decided_as_the_whole_body_is(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _decide(body.encode())
    for module in (request_decoder, json_bodies):
        monkeypatch.setattr(module, "SLICE_BYTES", 1)
    assert _decide(body.encode()) == whole


@pytest.mark.parametrize("start", ['{"records": [', "["])
def test_a_large_batch_is_read_in_slices(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_bodies, "SLICE_BYTES", 1)
    body = f"{start}{RECORD_TEXT}, {RECORD_TEXT}]{'}' if start != '[' else ''}".encode()
    assert [*json_bodies.split_records(body)] == [f"[{RECORD_TEXT}]".encode()] * 2


number = st.none() | st.floats(-9, 9, width=32)
record = st.fixed_dictionaries(
    {"day": st.dates(FIRST_DAY, LAST_DAY).map(str), "weight": st.floats(-10, 10, width=32)},
    optional={"size": number, "colour": st.sampled_from([None, "red", "green", "blue"])},
)


wrong = st.fixed_dictionaries(
    {"weight": st.one_of(number, st.sampled_from([None, 99.5, "x", [1]]))},
    optional={"colour": st.sampled_from([None, "red", "pink", 3]), "depth": st.just(1)},
)


@given(st.lists(st.one_of(record, wrong), min_size=1, max_size=5))
def test_rows_that_are_answered_beside_refused_ones_are_those_that_are_right_alone(
    rows: list[dict[str, Any]],
) -> None:
    expected, refused = [], {}
    for index, row in enumerate(rows):
        try:
            expected.append(DECODER.decode_record(json.dumps(row).encode()).matrix)
        except InvalidError as error:
            refused[index] = [fault.field for fault in error.faults][:MAX_ROW_FAULTS]
    found, _ = DECODER.decode_batch(json.dumps({"records": rows}).encode(), OnError.PARTIAL)
    assert found.refusals is not None
    faults = found.refusals.faults
    assert {row: [fault.field for fault in faults[row]] for row in faults} == refused
    assert found.refusals.scored_rows == [row for row in range(len(rows)) if row not in refused]
    np.testing.assert_array_equal(
        derive_columns(found.matrix), derive_columns(np.concatenate([found.matrix[:0], *expected]))
    )


@given(st.lists(record, min_size=1, max_size=5))
def test_every_interface_encodes_alike(rows: list[dict[str, Any]]) -> None:
    expected = ENCODER.encode_records(rows)
    columns = {name: [row.get(name) for row in rows] for name in SCHEMA.field_names}
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    by_rows, _ = DECODER.decode_batch(json.dumps({"records": rows}).encode())
    by_columns, columnar = DECODER.decode_batch(json.dumps({"columns": columns}).encode())
    assert columnar
    for matrix in (by_rows.matrix, by_columns.matrix, DECODER.decode_table(table).matrix):
        np.testing.assert_array_equal(derive_columns(matrix), expected)
    one = DECODER.decode_record(json.dumps(rows[0]).encode()).matrix
    np.testing.assert_array_equal(derive_columns(one), expected[:1])


@given(
    st.dictionaries(
        st.sampled_from([*SCHEMA.field_names, "other"]),
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(max_size=5),
            st.sampled_from(["red", "2020-01-01"]),
        ),
    )
)
def test_a_record_is_taken_or_refused_never_worse(row: dict[str, Any]) -> None:
    try:
        matrix = DECODER.decode_record(json.dumps(row).encode()).matrix
    except InvalidError:
        return
    assert not np.isinf(matrix).any()
    assert not SchemaChecker(SCHEMA).find_faults(matrix)


@pytest.mark.parametrize(
    ("columns", "field", "reason"),
    [
        ({"weight": [1.0, 99.0]}, "weight", "range"),
        ({"weight": [1.0, None]}, "weight", "missing"),
        ({"weight": ["a", "b"]}, "weight", "type"),
        ({"weight": [1.0, 2.0], "colour": ["red", "pink"]}, "colour", "level"),
        ({"weight": [1.0, 2.0], "other": [1, 2]}, "other", "unknown_field"),
    ],
    ids=["range", "missing", "type", "level", "unknown"],
)
def test_faults_of_tables_are_named(columns: dict[str, list[Any]], field: str, reason: str) -> None:
    table = pa.table({"day": ["2020-01-31", "2020-02-01"], **columns})
    with pytest.raises(InvalidError) as caught:
        DECODER.decode_table(table)
    assert [(fault.field, fault.reason) for fault in caught.value.faults] == [(field, reason)]


@pytest.mark.parametrize("rows", [0, 6])
def test_tables_of_no_or_too_many_rows_are_refused(rows: int) -> None:
    table = pa.table({"day": ["2020-01-31"] * rows, "weight": [1.0] * rows})
    with pytest.raises(InvalidError, match="1 to 5 rows"):
        DECODER.decode_table(table)
