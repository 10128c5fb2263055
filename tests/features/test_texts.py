"""A text is one field of several columns: the number of its known words, and each of them."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.derived import Frequency, Lookup, Missing, Ratio
from servicio_ml.domain.fields.words import LearnedWords
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import EncodingError, UseCaseError
from servicio_ml.features.decoder import decode_records
from servicio_ml.features.encoder import Encoder

WORDS = ("swift", "diesel", "2015")
SCHEMA = FeatureSchema(
    fields=(
        Field(name="name", kind=Kind.TEXT, words=WORDS, nullable=True),
        Field(name="size", kind=Kind.NUMBER, nullable=True),
        Field(name="seen", kind=Kind.DATETIME, nullable=True),
        Field(name="note", kind=Kind.TEXT, words=("sold",), nullable=True, direct=False),
    ),
    derived=(Missing(name="name_missing", source="name"),),
)
ENCODER = Encoder(SCHEMA)
TEXTS = st.none() | st.lists(st.sampled_from([*WORDS, "sold", "Swift", "blue"])).map(" ".join)


def test_a_text_has_a_column_for_its_number_of_words_and_one_for_each() -> None:
    assert SCHEMA.names == (
        "name", "size", "seen", "note", "seen_seconds", "name:swift", "name:diesel", "name:2015", "note:sold",
        "name_missing",
    )  # fmt: skip
    assert SCHEMA.owners == (0, 1, 2, 3, 2, 0, 0, 0, 3)
    assert [SCHEMA.names[i] for i in SCHEMA.inputs] == [
        "name", "size", "seen", "seen_seconds", "name:swift", "name:diesel", "name:2015", "name_missing",
    ]  # fmt: skip
    (row,) = ENCODER.encode_records(
        [{"name": "Maruti SWIFT 2015", "size": 3, "seen": "1970-01-02T00:00:05", "note": "unsold"}]
    )
    assert row.tolist() == [2, 3, 1, 0, 5, 1, 0, 1, 0, 0]


def test_a_missing_text_is_missing_in_every_column() -> None:
    (row,) = ENCODER.encode_records([{"name": None, "note": "Sold"}])
    assert [SCHEMA.names[i] for i in np.flatnonzero(np.isnan(row))] == [
        "name", "size", "seen", "seen_seconds", "name:swift", "name:diesel", "name:2015",
    ]  # fmt: skip
    assert row[-1] == 1


@given(st.lists(st.fixed_dictionaries({"name": TEXTS, "note": TEXTS}), min_size=1))
def test_records_columns_and_tables_are_encoded_alike(rows: list[dict[str, Any]]) -> None:
    complete = [{**row, "size": 1.5, "seen": "2020-01-31T12:00:00"} for row in rows]
    expected = ENCODER.encode_records(complete)
    validated = ENCODER.encode_validated(complete)
    ENCODER.derive(validated)
    np.testing.assert_array_equal(validated, expected)
    columns = {name: [row[name] for row in complete] for name in SCHEMA.field_names}
    np.testing.assert_array_equal(ENCODER.encode_values(ENCODER.read_columns(columns, len(rows))), expected)
    frame = pl.DataFrame(columns, schema_overrides={"name": pl.String, "note": pl.String})
    for table in (frame, frame.to_arrow(), frame.to_pandas()):
        np.testing.assert_array_equal(ENCODER.encode_frame(table), expected)
    # what was read is what is decoded, so that it is encoded as before
    np.testing.assert_array_equal(ENCODER.encode_records(decode_records(SCHEMA, expected)), expected)


def test_a_number_is_no_text() -> None:
    with pytest.raises(EncodingError, match="name"):
        ENCODER.encode_frame(pl.DataFrame({"name": [1]}))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Field(name="a", kind=Kind.NUMBER, words=("b",)), "a number learns no words"),
        (
            lambda: Field(name="a", kind=Kind.DATE, learned_words=LearnedWords(maximum=5)),
            "a date learns no words; leave words and learned_words out",
        ),
        (lambda: LearnedWords(maximum=501), "maximum is 501; it must be at least 1 and at most 500"),
        (
            lambda: Field(name="a", kind=Kind.TEXT, levels=("b",)),
            "a category has levels, and nothing else has",
        ),
        (lambda: Field(name="a", kind=Kind.TEXT, example=3), "the example 3 is no text"),
        (
            lambda: _derive(Ratio(name="b", numerator="a", denominator="a")),
            "'a' is a text; it is computed from",
        ),
        (lambda: _derive(Lookup(name="b", source="a", table={})), "'a' is a text; a table holds the levels"),
        (lambda: _derive(Frequency(name="b", source="a")), "'a' is a text; take a category"),
    ],
)
def test_what_a_text_cannot_do_is_refused(build: Any, message: str) -> None:
    with pytest.raises(UseCaseError, match=message):
        build()


def _derive(column: Any) -> FeatureSchema:
    return FeatureSchema(fields=(Field(name="a", kind=Kind.TEXT),), derived=(column,))
