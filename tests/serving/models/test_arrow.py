"""Arrow and Parquet bodies: types of columns, names, and sizes, before a value is looked at."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from servicio_ml.errors import InvalidError, RequestError, TextEncodingError, TooLargeError
from servicio_ml.features.encoder import Encoder
from servicio_ml.serving.models import arrow
from servicio_ml.serving.models.arrow_messages import compute_decoded_size, count_batches
from servicio_ml.serving.models.request_decoder import Decoder
from small_use_case import SCHEMA

MAX_ROWS = 5
DECODER = Decoder("small", Encoder(SCHEMA), max_rows=MAX_ROWS)
DAY, WEIGHT = pa.array(["2020-01-31", "2020-02-01"]), pa.array([1.0, 2.0])
NOT_UTF8 = pa.StringArray.from_buffers(
    2, pa.py_buffer(np.array([0, 3, 6], dtype=np.int32)), pa.py_buffer(b"red\xff\xfe\xfd")
)
MISSING = None


def write_ipc(table: Any, open_writer: Callable[..., Any], compression: str | None = None) -> bytes:
    sink, options = pa.BufferOutputStream(), pa.ipc.IpcWriteOptions(compression=compression)
    with open_writer(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def write_stream(table: Any) -> bytes:
    return write_ipc(table, pa.ipc.new_stream)


def write_file(table: Any) -> bytes:
    return write_ipc(table, pa.ipc.new_file)


def write_parquet(table: Any, **options: Any) -> bytes:
    sink = BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


WRITERS: Mapping[str, Callable[[Any], bytes]] = {
    arrow.STREAM_TYPE: write_stream,
    arrow.FILE_TYPE: write_file,
    arrow.PARQUET_TYPE: write_parquet,
}


def decode(body: bytes, media_type: str) -> Any:
    return DECODER.decode_table(arrow.READERS[media_type](body, MAX_ROWS)).matrix


def collect_faults(body: bytes, media_type: str) -> list[tuple[str, object, str]]:
    with pytest.raises(InvalidError) as caught:
        decode(body, media_type)
    return [(fault.field, fault.value, fault.reason) for fault in caught.value.faults]


def write_or_skip(table: Any, media_type: str) -> bytes:
    try:
        return WRITERS[media_type](table)
    except pa.ArrowNotImplementedError as error:
        pytest.skip(f"this format has no such column: {error}")


def build_table(**columns: Any) -> Any:
    return pa.table({"day": DAY, "weight": WEIGHT} | columns)


WRONG_NUMBERS = {
    "list": pa.array([[1.0], [2.0]]),
    "large list": pa.array([[1.0], [2.0]], pa.large_list(pa.float64())),
    "list of one": pa.array([[1.0], [2.0]], pa.list_(pa.float64(), 1)),
    "list view": pa.array([[1.0], [2.0]], pa.list_view(pa.float64())),
    "struct": pa.array([{"a": 1}, {"a": 2}]),
    "map": pa.array([[("a", 1)], [("a", 2)]], pa.map_(pa.string(), pa.int64())),
    "sparse union": pa.UnionArray.from_sparse(pa.array([0, 0], pa.int8()), [pa.array([1, 2])]),
    "text": pa.array(["1", "2"]),
    "text view": pa.array(["1", "2"], pa.string_view()),
    "texts as a dictionary": pa.array(["1", "2"]).dictionary_encode(),
    "runs of text": pa.RunEndEncodedArray.from_arrays([2], pa.array(["1"])),
    "binary": pa.array([b"1", b"\xff"]),
    "large binary": pa.array([b"1", b"\xff"], pa.large_binary()),
    "fixed binary": pa.array([b"1", b"2"], pa.binary(1)),
    "binary view": pa.array([b"1", b"2"], pa.binary_view()),
    "duration": pa.array([1, 2], pa.duration("s")),
    "time": pa.array([1, 2], pa.time32("s")),
    "interval": pa.array([(1, 2, 3), (1, 2, 3)], pa.month_day_nano_interval()),
    "date": pa.array([1, 2], pa.date32()),
    "date in milliseconds": pa.array([86400000, 0], pa.date64()),
    "timestamp": pa.array([0, 1], pa.timestamp("s")),
    "truth values": pa.array([True, False]),
    "UUID": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16] * 2, pa.binary(16))),
    "JSON": pa.ExtensionArray.from_storage(pa.json_(), pa.array(["1", "2"])),
    "tensor": pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float64(), [1]), pa.array([[1.0], [2.0]], pa.list_(pa.float64(), 1))
    ),
}
"""Columns that are no numbers."""
GOOD_NUMBERS = {
    "runs": (pa.RunEndEncodedArray.from_arrays([2], pa.array([1.5])), [1.5, 1.5]),
    "dictionary": (pa.array([1.5, 2.5]).dictionary_encode(), [1.5, 2.5]),
    "integers as a dictionary": (pa.array([1, 2]).dictionary_encode(), [1, 2]),
    "half floats": (pa.array(np.array([1.5, 2.5], dtype=np.float16)), [1.5, 2.5]),
    "bytes": (pa.array([1, 2], pa.uint8()), [1, 2]),
    "decimal of 32 bits": (pa.array([Decimal("1.5"), Decimal("-2.5")], pa.decimal32(3, 1)), [1.5, -2.5]),
    "decimal of 256 bits": (pa.array([Decimal("1.5"), Decimal("2.5")], pa.decimal256(50, 3)), [1.5, 2.5]),
    "chunks": (pa.chunked_array([[1.5], [], [2.5]]), [1.5, 2.5]),
}
GOOD_LEVELS = {
    "dictionary": pa.array(["green", "blue"]).dictionary_encode(),
    "chunks with dictionaries of their own": pa.chunked_array(
        [pa.array(["green"]).dictionary_encode(), pa.array(["blue"]).dictionary_encode()]
    ),
    "large text": pa.array(["green", "blue"], pa.large_string()),
    "text view": pa.array(["green", "blue"], pa.string_view()),
    "runs": pa.RunEndEncodedArray.from_arrays([1, 2], pa.array(["green", "blue"])),
    "runs of a dictionary": pa.RunEndEncodedArray.from_arrays([1, 2], pa.array(["green", "blue"])),
}


@pytest.mark.parametrize("media_type", WRITERS)
@pytest.mark.parametrize("name", WRONG_NUMBERS)
def test_a_column_that_holds_no_numbers_is_named(name: str, media_type: str) -> None:
    body = write_or_skip(build_table(weight=WRONG_NUMBERS[name]), media_type)
    ((field, value, reason),) = collect_faults(body, media_type)
    assert (field, reason) == ("weight", "type")
    assert str(value).startswith("a column of ")


@pytest.mark.parametrize("media_type", WRITERS)
@pytest.mark.parametrize("field", ["colour", "day"])
@pytest.mark.parametrize(
    "name",
    ["list", "list view", "struct", "map", "sparse union", "binary view", "interval", "duration", "tensor"],
)
def test_a_column_that_holds_no_texts_is_named(name: str, field: str, media_type: str) -> None:
    body = write_or_skip(build_table(**{field: WRONG_NUMBERS[name]}), media_type)
    assert [(each, reason) for each, _, reason in collect_faults(body, media_type)] == [(field, "type")]


@pytest.mark.parametrize("media_type", WRITERS)
@pytest.mark.parametrize("name", GOOD_NUMBERS)
def test_numbers_are_read_in_every_layout(name: str, media_type: str) -> None:
    column, expected = GOOD_NUMBERS[name]
    body = write_or_skip(build_table(weight=column), media_type)
    assert decode(body, media_type)[:, 2].tolist() == expected


@pytest.mark.parametrize("media_type", [arrow.STREAM_TYPE, arrow.PARQUET_TYPE])
@pytest.mark.parametrize("name", GOOD_LEVELS)
def test_levels_are_read_in_every_layout(name: str, media_type: str) -> None:
    body = write_or_skip(build_table(colour=GOOD_LEVELS[name]), media_type)
    assert decode(body, media_type)[:, 3].tolist() == [1, 2]


@pytest.mark.parametrize("media_type", WRITERS)
def test_a_date_in_a_dictionary_is_its_day(media_type: str) -> None:
    days = pa.array([date(1970, 1, 2), date(1970, 1, 3)]).dictionary_encode()
    assert decode(WRITERS[media_type](build_table(day=days)), media_type)[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize("media_type", WRITERS)
def test_a_column_of_nulls_is_missing(media_type: str) -> None:
    body = WRITERS[media_type](build_table(size=pa.nulls(2), colour=pa.nulls(2)))
    assert np.isnan(decode(body, media_type)[:, [1, 3]]).all()


@pytest.mark.parametrize("media_type", WRITERS)
def test_an_unsigned_integer_beyond_float64_is_out_of_range(media_type: str) -> None:
    body = WRITERS[media_type](build_table(weight=pa.array([2**64 - 1, 1], pa.uint64())))
    assert [(field, reason) for field, _, reason in collect_faults(body, media_type)] == [("weight", "range")]


@pytest.mark.parametrize("media_type", WRITERS)
def test_an_unknown_time_zone_is_named(media_type: str) -> None:
    days = pa.array([0, 0], pa.timestamp("s", "Nowhere/City"))
    (fault,) = collect_faults(WRITERS[media_type](build_table(day=days)), media_type)
    assert fault[0] == "day"
    assert "Nowhere/City" in str(fault[1])


@pytest.mark.parametrize("media_type", WRITERS)
def test_a_text_that_is_no_utf8_is_a_fault_of_its_field(media_type: str) -> None:
    (fault,) = collect_faults(WRITERS[media_type](build_table(colour=NOT_UTF8)), media_type)
    assert fault[0] == "colour"
    assert "UTF8" in str(fault[1])


@pytest.mark.parametrize("media_type", [arrow.STREAM_TYPE, arrow.FILE_TYPE])
def test_a_column_that_stands_twice_is_named(media_type: str) -> None:
    table = pa.table([DAY, WEIGHT, WEIGHT], names=["day", "weight", "weight"])
    assert collect_faults(WRITERS[media_type](table), media_type) == [("weight", "2 columns", "type")]


@pytest.mark.parametrize("media_type", [arrow.STREAM_TYPE, arrow.FILE_TYPE])
def test_a_column_name_that_is_no_utf8_is_named_by_its_position(media_type: str) -> None:
    body = WRITERS[media_type](build_table(colour=pa.array(["red", "red"]))).replace(b"colour", b"col\xffur")
    assert collect_faults(body, media_type) == [
        ("column 3", "a name with byte 0xff at position 3", "unknown_field")
    ]


def test_a_column_name_of_parquet_that_is_no_utf8_is_named_by_its_position() -> None:
    # the Arrow schema in the metadata is Base64 and would keep the name
    body = write_parquet(build_table(colour=pa.array(["red", "red"])), store_schema=False)
    with pytest.raises(
        TextEncodingError, match=r"b'col\\xffur' at byte \d+ of the body, wrong at its byte 3"
    ):
        decode(body.replace(b"colour", b"col\xffur"), arrow.PARQUET_TYPE)


def test_metadata_that_are_no_utf8_do_no_harm() -> None:
    table = build_table().replace_schema_metadata({b"\xff": b"\xfe"})
    for media_type, write in WRITERS.items():
        assert decode(write(table), media_type)[:, 2].tolist() == [1, 2]


def test_a_table_without_columns_is_refused() -> None:
    table = pa.table({})
    for media_type in (arrow.STREAM_TYPE, arrow.FILE_TYPE):
        with pytest.raises(InvalidError):
            decode(WRITERS[media_type](table), media_type)


def test_a_column_that_is_no_field_may_not_be_sent() -> None:
    body = write_stream(build_table(other=pa.array([[1], [2]])))
    assert collect_faults(body, arrow.STREAM_TYPE) == [("other", "a column", "unknown_field")]


@pytest.mark.parametrize("media_type", WRITERS)
@pytest.mark.parametrize("layout", ["plain", "dictionary", "view"])
def test_a_long_text_is_refused_before_it_is_repeated(layout: str, media_type: str) -> None:
    texts = pa.array(["x" * 5000, "red"])
    column = {
        "plain": texts,
        "dictionary": texts.dictionary_encode(),
        "view": texts.cast(pa.string_view()),
    }[layout]
    body = write_or_skip(build_table(colour=column), media_type)
    assert collect_faults(body, media_type) == [("colour", "a text of more than 1024 bytes", "type")]


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
@pytest.mark.parametrize("open_writer", [pa.ipc.new_stream, pa.ipc.new_file], ids=["stream", "file"])
def test_the_decoded_size_of_arrow_is_known_before_it_is_decompressed(
    compression: str, open_writer: Callable[..., Any]
) -> None:
    number = 100_000
    table = pa.table(
        {"weight": pa.array(np.zeros(number)), "colour": pa.array(["red"] * number).dictionary_encode()}
    )
    body = write_ipc(table, open_writer, compression)
    start = 0 if open_writer is pa.ipc.new_stream else 8
    # numbers, indices, the dictionary
    assert 12 * number < compute_decoded_size(body, start) < 12 * number + 10_000
    assert count_batches(body, start) == 1
    assert len(body) < 20_000


def build_zeros() -> Any:
    """40 million zeros, 320 MB, which compress to little."""
    return pa.table({"weight": pa.array(np.zeros(40_000_000))})


@pytest.mark.slow
def test_a_body_that_decompresses_to_too_much_is_refused() -> None:
    table = build_zeros()
    for media_type, body in {
        arrow.STREAM_TYPE: write_ipc(table, pa.ipc.new_stream, "zstd"),
        arrow.FILE_TYPE: write_ipc(table, pa.ipc.new_file, "zstd"),
        arrow.PARQUET_TYPE: write_parquet(table, compression="zstd", use_dictionary=False),
    }.items():
        assert len(body) < 1 << 20
        with pytest.raises(TooLargeError, match="the decompressed body is more than 268435456 bytes"):
            decode(body, media_type)


def test_an_announced_size_that_is_a_lie_is_refused() -> None:
    body = write_ipc(build_table(), pa.ipc.new_stream, "zstd")
    announced = (16).to_bytes(8, "little")
    assert announced in body
    huge = body.replace(announced, (1 << 60).to_bytes(8, "little"))
    with pytest.raises(TooLargeError):
        decode(huge, arrow.STREAM_TYPE)
    small = body.replace(announced, (8).to_bytes(8, "little"))
    with pytest.raises((RequestError, InvalidError)):
        decode(small, arrow.STREAM_TYPE)


def test_an_arrow_file_whose_footer_names_other_batches_is_refused() -> None:
    one, two = write_file(build_table()), write_file(pa.concat_tables([build_table(), build_table()]))
    footer = int.from_bytes(one[-10:-6], "little") + 10
    with pytest.raises(RequestError, match="its footer names 1 batches, and it has 2"):
        decode(two[:-10][: -int.from_bytes(two[-10:-6], "little")] + one[-footer:], arrow.FILE_TYPE)


def test_a_text_encoding_that_shares_beginnings_is_refused() -> None:
    body = write_parquet(
        build_table(), use_dictionary=False, column_encoding={"day": "DELTA_BYTE_ARRAY", "weight": "PLAIN"}
    )
    with pytest.raises(RequestError, match="write it plain or as a dictionary"):
        decode(body, arrow.PARQUET_TYPE)


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
def test_parquet_of_every_writer_is_read(compression: str, version: str) -> None:
    table = build_table(colour=pa.array(["red", None]), size=pa.array([None, 2.5]))
    for options in ({}, {"use_dictionary": False}, {"write_page_index": True}, {"write_page_checksum": True}):
        body = write_parquet(table, compression=compression, data_page_version=version, **options)
        assert decode(body, arrow.PARQUET_TYPE)[:, 2].tolist() == [1, 2]


def test_a_table_of_more_rows_is_not_read_to_its_end() -> None:
    batches = pa.Table.from_batches(build_table().to_batches() * 100)
    for media_type in (arrow.STREAM_TYPE, arrow.FILE_TYPE):
        assert arrow.READERS[media_type](WRITERS[media_type](batches), MAX_ROWS).num_rows == 6
