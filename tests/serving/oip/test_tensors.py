"""Tensors become the matrix that records become, or are refused with what is wrong."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import Interface
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.values import FIRST_DAY, LAST_DAY
from servicio_ml.errors import InvalidError, RequestError, ServicioError
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.encoder import Encoder
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.models.request_decoder import Decoder
from servicio_ml.serving.oip.tensor import NUMBER_DTYPES, Tensor, from_raw, from_values, to_raw
from servicio_ml.serving.oip.tensors import describe_inputs, describe_outputs, from_result, to_rows
from value_interfaces import FIELD_BY_NAME, LOADED, VALUES_SCHEMA

MAX_ROWS = 50
DAY, SIZE = ("day", "BYTES", ["2020-01-31"]), ("size", "FP64", [1.5])
WEIGHT, COLOUR = ("weight", "FP64", [0.25]), ("colour", "BYTES", ["green"])
RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
ROW = [18292.0, 1.5, 0.25, 1.0]
"""Row of `RECORD` as values of the matrix."""


@pytest.fixture(scope="module")
def service_fixture(artifact_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ServiceFixture:
    return create_service(tmp_path_factory.mktemp("bench"), artifact_folder)


@pytest.fixture(scope="module")
def loaded_model(service_fixture: ServiceFixture) -> LoadedModel:
    return service_fixture.service.models.get_champion("small")


def build_tensors(*given: tuple[str, str, list[Any]]) -> list[Tensor]:
    return [from_values(name, datatype, [len(data)], data) for name, datatype, data in given]


def build_features_tensor(values: Any, datatype: str = "FP32") -> Tensor:
    array = np.array(values, dtype=NUMBER_DTYPES[datatype])
    return from_raw("features", datatype, array.shape, array.tobytes())


def convert_to_matrix(loaded_model: LoadedModel, given: Sequence[Tensor]) -> Any:
    return to_rows(loaded_model, given, MAX_ROWS).matrix


def encode_expected(loaded_model: LoadedModel, *records: dict[str, Any]) -> Any:
    return loaded_model.artifact.encoder.encode_records(records)


@pytest.mark.parametrize("datatype", ["FP64", "FP32", "INT64", "INT8", "UINT8", "UINT64"])
def test_numbers_of_any_datatype(loaded_model: LoadedModel, datatype: str) -> None:
    given = build_tensors(DAY, ("size", datatype, [3]), ("weight", datatype, [2]), COLOUR)
    np.testing.assert_array_equal(
        convert_to_matrix(loaded_model, given),
        encode_expected(loaded_model, {**RECORD, "size": 3, "weight": 2}),
    )


MISSING = {
    "left out": build_tensors(DAY, WEIGHT),
    "NaN and empty text": build_tensors(DAY, ("size", "FP32", [np.nan]), WEIGHT, ("colour", "BYTES", [""])),
    "null": build_tensors(DAY, ("size", "FP64", [None]), WEIGHT, ("colour", "BYTES", [None])),
    "NaN features": [build_features_tensor([[ROW[0], np.nan, ROW[2], np.nan]])],
}


@pytest.mark.parametrize("given", MISSING.values(), ids=MISSING)
def test_missing_values(loaded_model: LoadedModel, given: list[Tensor]) -> None:
    np.testing.assert_array_equal(
        convert_to_matrix(loaded_model, given),
        encode_expected(loaded_model, {**RECORD, "size": None, "colour": None}),
    )


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_features_in_one_tensor(loaded_model: LoadedModel, datatype: str) -> None:
    np.testing.assert_array_equal(
        convert_to_matrix(loaded_model, [build_features_tensor([ROW], datatype)]),
        encode_expected(loaded_model, RECORD),
    )


def test_described_datatypes_can_hold_what_a_field_may(loaded_model: LoadedModel) -> None:
    def build_integer(name: str, *, nullable: bool) -> Field:
        return Field(
            name=name, kind=Kind.INTEGER, column=name, description=name, example=1, nullable=nullable
        )

    schema = FeatureSchema(
        fields=(build_integer("rooms", nullable=False), build_integer("floors", nullable=True))
    )
    artifact = replace(loaded_model.artifact, encoder=Encoder(schema))
    described = describe_inputs(replace(loaded_model, artifact=artifact))
    assert described == [("rooms", "INT64", [-1]), ("floors", "FP64", [-1])]


def test_columns_of_one(loaded_model: LoadedModel) -> None:
    given = [from_values(name, kind, [1, 1], [data]) for name, kind, data in (DAY, SIZE, WEIGHT, COLOUR)]
    np.testing.assert_array_equal(
        convert_to_matrix(loaded_model, given), encode_expected(loaded_model, RECORD)
    )


WRONG_TENSORS: dict[str, tuple[str, str, list[int], list[Any], str]] = {
    "unknown datatype": ("size", "FP8", [1], [1.0], "'FP8'; datatypes are BYTES, "),
    "text for a number": ("size", "FP64", [1], ["x"], "\"'x'\"|'x' as value 0; FP64 takes numbers"),
    "boolean": ("size", "FP64", [1], [True], "true as value 0; FP64 takes numbers"),
    "number for a text": ("colour", "BYTES", [2], ["red", 1], "1 as value 1; BYTES takes texts"),
    "fraction for a whole number": ("size", "INT32", [1], [1.5], "1.5 as value 0; INT32 takes whole numbers"),
    "too great": ("size", "INT8", [1], [300], "out of range; its datatype is INT8"),
    "far too great": ("size", "FP64", [1], [10**400], "out of range; its datatype is FP64"),
    "negative": ("size", "UINT8", [1], [-1], "out of range; its datatype is UINT8"),
    "too few": ("size", "FP64", [2], [1.0], r"has 1 values; shape \[2\] takes 2"),
    "negative shape": ("size", "FP64", [-1], [1.0], r"shape \[-1\]; it takes \[rows\]"),
    "no shape": ("size", "FP64", [], [1.0], r"shape \[\]; it takes \[rows\]"),
    "three axes": ("size", "FP64", [1, 1, 1], [1.0], r"shape \[1, 1, 1\]; it takes \[rows\]"),
    "ragged": ("size", "FP64", [2, 2], [[1.0, 2.0], [3.0]], r"rows of other lengths; its shape is \[2, 2\]"),
    "too deep": ("size", "FP64", [1], [[1.0]], r"\[1.0\] as value 0"),
}


@pytest.mark.parametrize(
    ("name", "datatype", "shape", "data", "message"), WRONG_TENSORS.values(), ids=WRONG_TENSORS
)
def test_wrong_tensor(name: str, datatype: str, shape: list[int], data: list[Any], message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        from_values(name, datatype, shape, data)
    assert f"tensor '{name}'" in str(caught.value)


WRONG_BYTES: dict[str, tuple[str, bytes, str]] = {
    "short": ("FP64", b"1234", r"has 4 bytes; shape \[1\] of FP64 takes 8"),
    "long": ("INT8", b"12", r"has 2 bytes; shape \[1\] of INT8 takes 1"),
    "within a length": ("BYTES", b"\1\0", "ends within the length of value 0"),
    "within a text": ("BYTES", b"\5\0\0\0abc", "within value 0; 5 bytes were announced, 3 are there"),
    "too many texts": ("BYTES", b"\1\0\0\0a" * 2, "has 2 values; its shape takes 1"),
    "no text": ("BYTES", b"\1\0\0\0\xff", "xff' as value 0; BYTES hold UTF-8 text"),
}


@pytest.mark.parametrize(("datatype", "raw", "message"), WRONG_BYTES.values(), ids=WRONG_BYTES)
def test_wrong_bytes(datatype: str, raw: bytes, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        from_raw("x", datatype, [1], raw)


@pytest.mark.parametrize("datatype", NUMBER_DTYPES)
def test_numbers_survive_raw_bytes(datatype: str) -> None:
    given = from_values("x", datatype, [3], [1, 2, 3])
    again = from_raw("x", datatype, [3], to_raw(given))
    np.testing.assert_array_equal(np.asarray(again.values), [1, 2, 3])
    assert len(to_raw(given)) == 3 * NUMBER_DTYPES[datatype].itemsize


def test_texts_survive_raw_bytes() -> None:
    given = from_values("x", "BYTES", [3], ["ä", "", "blue"])
    assert to_raw(given) == struct.pack("<I2sII4s", 2, "ä".encode(), 0, 4, b"blue")
    assert from_raw("x", "BYTES", [3], to_raw(given)).values == ["ä", "", "blue"]


INVALID: dict[str, tuple[list[Tensor], str, str, int, str]] = {
    "unknown input": (
        build_tensors(DAY, WEIGHT, ("mass", "FP64", [1])),
        "mass",
        "unknown_field",
        0,
        "no such",
    ),
    "number as text": (build_tensors(DAY, ("weight", "BYTES", ["1"])), "weight", "type", 0, "as UINT8, "),
    "text as number": (build_tensors(("day", "FP64", [1.0]), WEIGHT), "day", "type", 0, "as BYTES"),
    "required left out": (build_tensors(DAY, SIZE), "weight", "missing", 0, "from -10 to 10 kg"),
    "required is NaN": (build_tensors(DAY, ("weight", "FP64", [np.nan])), "weight", "missing", 0, "from -10"),
    "required is empty": (build_tensors(("day", "BYTES", [""]), WEIGHT), "day", "missing", 0, "YYYY-MM-DD"),
    "out of range": (
        build_tensors(("day", "BYTES", ["2020-01-31"] * 2), ("weight", "FP64", [1, 11])),
        "weight",
        "range",
        1,
        "to 10",
    ),
    "infinite": (build_tensors(DAY, WEIGHT, ("size", "FP64", [np.inf])), "size", "range", 0, "a number"),
    "beyond float32": (build_tensors(DAY, WEIGHT, ("size", "FP64", [1e300])), "size", "range", 0, "a number"),
    "beyond FP32": (build_tensors(DAY, WEIGHT, ("size", "FP32", [1e300])), "size", "range", 0, "a number"),
    "unknown level": (
        build_tensors(
            ("day", "BYTES", ["2020-01-31"] * 2),
            ("weight", "FP64", [1, 2]),
            ("colour", "BYTES", ["red", "puce"]),
        ),
        "colour",
        "level",
        1,
        "one of red, green, blue",
    ),
    "no date": (build_tensors(("day", "BYTES", ["2020-02-31"]), WEIGHT), "day", "type", 0, "YYYY-MM-DD"),
    "a week": (build_tensors(("day", "BYTES", ["2020-W05-5"]), WEIGHT), "day", "type", 0, "YYYY-MM-DD"),
    "no rows": (build_tensors(("weight", "FP64", [])), "weight", "range", 0, "1 to 50 rows"),
    "too many rows": ([build_features_tensor([ROW] * 51)], "features", "range", 0, "1 to 50 rows"),
    "features of whole numbers": (
        [build_features_tensor([[1, 1, 1, 1]], "INT64")],
        "features",
        "type",
        0,
        "FP32 or FP64",
    ),
    "no such code": ([build_features_tensor([ROW, [*ROW[:3], 3]])], "colour", "level", 1, "from 0 to 2"),
    "negative code": ([build_features_tensor([[*ROW[:3], -1]])], "colour", "level", 0, "from 0 to 2"),
    "fractional code": ([build_features_tensor([[*ROW[:3], 0.5]])], "colour", "level", 0, "from 0 to 2"),
    "half a day": ([build_features_tensor([[0.5, *ROW[1:]]])], "day", "type", 0, "whole days"),
    "no day": ([build_features_tensor([[1e9, *ROW[1:]]])], "day", "type", 0, "whole days"),
    "range in features": (
        [build_features_tensor([[*ROW[:2], 11, 1]])],
        "weight",
        "range",
        0,
        "from -10 to 10 kg",
    ),
}


@pytest.mark.parametrize(("given", "field", "reason", "row", "allowed"), INVALID.values(), ids=INVALID)
def test_rows_that_do_not_fit(
    loaded_model: LoadedModel, given: list[Tensor], field: str, reason: str, row: int, allowed: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        convert_to_matrix(loaded_model, given)
    (fault, *_) = caught.value.faults
    assert (fault.field, fault.reason, fault.row) == (field, reason, row)
    assert allowed in fault.allowed


TOGETHER: dict[str, tuple[list[Tensor], str]] = {
    "none": ([], "no input tensor"),
    "twice": (build_tensors(DAY, WEIGHT, WEIGHT), "'weight' stands twice"),
    "other rows": (build_tensors(DAY, ("weight", "FP64", [1, 2])), "day 1, weight 2"),
    "two values a row": ([from_values("weight", "FP64", [1, 2], [1, 2])], r"'weight' has shape \[1, 2\]"),
    "features and a field": (
        [build_features_tensor([ROW]), *build_tensors(WEIGHT)],
        "'features' is not the only",
    ),
    "too few features": (
        [build_features_tensor([ROW[:3]])],
        r"shape \[1, 3\]; it takes \[rows, 4\]: day, size",
    ),
    "flat features": ([build_features_tensor(ROW)], r"shape \[4\]; it takes \[rows, 4\]"),
}


@pytest.mark.parametrize(("given", "message"), TOGETHER.values(), ids=TOGETHER)
def test_tensors_that_do_not_go_together(
    loaded_model: LoadedModel, given: list[Tensor], message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        convert_to_matrix(loaded_model, given)


def test_a_long_value_is_cut(loaded_model: LoadedModel) -> None:
    with pytest.raises(InvalidError) as caught:
        convert_to_matrix(loaded_model, build_tensors(DAY, WEIGHT, ("colour", "BYTES", ["x" * 10_000])))
    assert len(str(caught.value)) < 300


RECORDS = st.fixed_dictionaries(
    {
        "day": st.dates(FIRST_DAY, LAST_DAY).map(str),
        "size": st.none() | st.floats(-(2.0**100), 2.0**100, width=32),
        "weight": st.floats(-10, 10, width=32),
        "colour": st.sampled_from(["red", "green", "blue"]) | st.none(),
    }
)


@given(records=st.lists(RECORDS, min_size=1, max_size=8), by_bytes=st.booleans())
def test_valid_rows_become_the_matrix_of_records(
    loaded_model: LoadedModel,
    records: list[dict[str, Any]],
    by_bytes: bool,  # noqa: FBT001  drawn
) -> None:
    wanted = encode_expected(loaded_model, *records)
    given = [
        from_values(name, datatype, [len(records)], [record[name] for record in records])
        for name, datatype, _ in describe_inputs(loaded_model)
    ]
    if by_bytes:
        given = [from_raw(each.name, each.datatype, each.shape, to_raw(each)) for each in given]
    np.testing.assert_array_equal(convert_to_matrix(loaded_model, given), wanted)
    np.testing.assert_array_equal(
        convert_to_matrix(loaded_model, [build_features_tensor(wanted[:, :4])]), wanted
    )


NAMES = st.sampled_from(["day", "size", "weight", "colour", "features", "other"]) | st.text(max_size=5)
DATATYPES = st.sampled_from(["BYTES", "BOOL", *NUMBER_DTYPES]) | st.text(max_size=5)
SHAPES = st.lists(st.integers(-(2**63), 2**63) | st.integers(0, 5), max_size=4)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
DATA = st.lists(SCALARS | st.lists(SCALARS | st.lists(SCALARS, max_size=2), max_size=4), max_size=6)


@st.composite
def draw_likely_tensor(draw: st.DrawFn) -> tuple[str, str, list[int], list[Any]]:
    """A tensor whose shape and values go together, so that more than the first look is tried."""
    rows = draw(st.integers(0, 3))
    name = draw(NAMES)
    width = [4] if name == "features" else draw(st.sampled_from([[], [1]]))
    count = rows * (width[0] if width else 1)
    datatype = draw(st.sampled_from(["BYTES", *NUMBER_DTYPES]))
    texts = st.sampled_from(["red", "2020-01-01", "", "20200101", "2020-W01-1", "٢٠٢٠-٠١-٠١"]) | st.text(
        max_size=9
    )
    kind = NUMBER_DTYPES[datatype].kind if datatype != "BYTES" else "t"
    one = {
        "t": texts,
        "f": st.floats() | st.integers(0, 3),
        "i": st.integers(-128, 127),
        "u": st.integers(0, 255),
    }
    return name, datatype, [rows, *width], draw(st.lists(one[kind], min_size=count, max_size=count))


@given(given=st.lists(draw_likely_tensor() | st.tuples(NAMES, DATATYPES, SHAPES, DATA), max_size=5))
def test_any_values_are_taken_or_refused(loaded_model: LoadedModel, given: list[Any]) -> None:
    try:
        service_fixture = convert_to_matrix(loaded_model, [from_values(*each) for each in given])
    except ServicioError:
        return
    assert service_fixture.shape[1] == len(loaded_model.artifact.encoder.schema.names)
    assert not np.isnan(service_fixture[:, [0, 2]]).any()


@given(given=st.lists(st.tuples(NAMES, DATATYPES, SHAPES, st.binary(max_size=40)), max_size=5))
def test_any_bytes_are_taken_or_refused(loaded_model: LoadedModel, given: list[Any]) -> None:
    try:
        service_fixture = convert_to_matrix(loaded_model, [from_raw(*each) for each in given])
    except ServicioError:
        return
    assert service_fixture.shape[1] == len(loaded_model.artifact.encoder.schema.names)


@pytest.fixture(scope="module", params=["artifact_folder", "multiclass_folder", "regression_folder"])
def each_task(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ServiceFixture:
    """A service of each task."""
    return create_service(tmp_path_factory.mktemp("each"), request.getfixturevalue(request.param))


def build_golden_tensors(artifact: Artifact) -> list[Tensor]:
    """The golden rows as tensors."""
    records = artifact.golden["records"]
    fields = {each.name: each for each in artifact.encoder.schema.fields}
    return [
        from_values(
            name, "BYTES" if fields[name].kind in {"category", "date"} else "FP64",
            [len(records)], [record.get(name) for record in records],
        )
        for name in fields
    ]  # fmt: skip


def test_golden_rows_give_golden_answers(each_task: ServiceFixture) -> None:
    loaded_model = each_task.service.models.get_champion("small")
    artifact, rows = loaded_model.artifact, len(loaded_model.artifact.golden["records"])
    given = convert_to_matrix(loaded_model, build_golden_tensors(artifact))
    result = each_task.service.predictor.score_sync(loaded_model, given, Interface.OIP)
    outputs = {tensor.name: tensor for tensor in from_result(result, ())}
    assert [(each.name, each.datatype) for each in outputs.values()] == [
        (name, datatype) for name, datatype, _ in describe_outputs(loaded_model)
    ]
    answers, labels = artifact.golden["answers"], loaded_model.labels
    values = [answer["value"] for answer in answers]
    if not labels:
        np.testing.assert_allclose(np.asarray(outputs["prediction"].values), values, rtol=1e-5)
        return
    assert outputs["prediction"].values == [labels[int(value)] for value in values]
    wanted = np.array([answer["probabilities"] for answer in answers])
    if len(labels) == 2:
        np.testing.assert_allclose(np.asarray(outputs["probability"].values), wanted[:, 1], atol=1e-5)
    else:
        assert outputs["probabilities"].shape == (rows, len(labels))
        given_back = np.asarray(outputs["probabilities"].values).reshape(rows, -1)
        np.testing.assert_allclose(given_back, wanted, atol=1e-5)
    assert outputs["prediction_id"].values == result.ids


@pytest.mark.parametrize(
    ("days", "second"),
    [(16967 + 23.5 / 24, 84_600), (16967.9999999, 86_399), (-0.5, 43_200), (376199.5, 43_200)],
)
def test_a_date_time_within_the_features_is_days_with_a_fraction(days: float, second: int) -> None:
    features = build_features_tensor([[days]], "FP64")
    assert to_rows(_load("moment"), [features], MAX_ROWS).matrix.tolist() == [[np.floor(days), second]]


@pytest.mark.parametrize(
    ("days", "datatype", "allowed"),
    [
        (16967.5, "FP32", "a tensor of FP64, since the model reads date-times to the second"),
        (
            376200.0,
            "FP64",
            "a date-time as days since 1970-01-01 with a fraction: from -354285 to below",
        ),
    ],
)
def test_a_date_time_that_features_cannot_hold_is_refused(days: float, datatype: str, allowed: str) -> None:
    with pytest.raises(InvalidError) as caught:
        to_rows(_load("moment"), [build_features_tensor([[days]], datatype)], MAX_ROWS)
    assert [fault.allowed.startswith(allowed) for fault in caught.value.faults] == [True]


def test_features_hold_no_text() -> None:
    row = [0.0] * len(VALUES_SCHEMA.fields)
    loaded: Any = LOADED
    with pytest.raises(InvalidError, match="a tensor for each field, since 'remark' is a text"):
        to_rows(loaded, [build_features_tensor([row], "FP64")], MAX_ROWS)


def _load(name: str) -> Any:
    """Build a stand-in for a model of one field."""
    encoder = Encoder(FeatureSchema(fields=(FIELD_BY_NAME[name],)))
    artifact, decoder = SimpleNamespace(encoder=encoder), Decoder("one", encoder, MAX_ROWS)
    return SimpleNamespace(model="one", version=1, artifact=artifact, decoder=decoder)


class TestIdentifiers:
    @pytest.fixture
    def named_model(self, identified_folder: Path, tmp_path: Path) -> LoadedModel:
        return create_service(tmp_path, identified_folder).service.models.get_champion("small")

    @pytest.mark.parametrize(
        ("name", "datatype", "values", "expected"),
        [
            ("identifier", "BYTES", ["a", ""], ("a", None)),
            ("identifier", "INT64", [892, -7], ("892", "-7")),
            ("Row", "UINT64", [2**64 - 1, 0], ("18446744073709551615", "0")),
            ("Row", "BYTES", [None, None], ()),
        ],
    )
    def test_they_stand_beside_features(
        self, named_model: LoadedModel, name: str, datatype: str, values: list[Any], expected: tuple[Any, ...]
    ) -> None:
        texts, features = build_tensors((name, datatype, values)), build_features_tensor([ROW, ROW])
        for tensors in ([*texts, features], [features, *texts]):
            rows = to_rows(named_model, tensors, MAX_ROWS)
            assert rows.identifiers == expected
            np.testing.assert_array_equal(rows.matrix, encode_expected(named_model, RECORD, RECORD))

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (("identifier", "FP64", [892.0]), "FP64 tensor.*BYTES, UINT8"),
            (("identifier", "BOOL", [True]), "BOOL tensor"),
            (("identifier", "BYTES", ["a", "b"]), "differ in rows: .*identifier 2"),
            (("weight", "FP64", [1.0]), "give it alone, or with 'identifier'"),
            (("Number", "BYTES", ["a"]), "give it alone"),
        ],
        ids=["fractions", "booleans", "rows", "another field", "another column"],
    )
    def test_what_is_wrong_is_named(
        self, named_model: LoadedModel, given: tuple[str, str, list[Any]], said: str
    ) -> None:
        with pytest.raises(ServicioError, match=said):
            to_rows(named_model, [build_features_tensor([ROW]), *build_tensors(given)], MAX_ROWS)

    def test_one_value_a_row_is_taken(self, named_model: LoadedModel) -> None:
        wide = from_values("identifier", "BYTES", [1, 2], ["a", "b"])
        with pytest.raises(RequestError, match=r"tensor 'identifier' has shape \[1, 2\]"):
            to_rows(named_model, [*build_tensors(DAY, WEIGHT), wide], MAX_ROWS)

    def test_they_are_an_input(self, named_model: LoadedModel, loaded_model: LoadedModel) -> None:
        assert describe_inputs(named_model) == [*describe_inputs(loaded_model), ("identifier", "BYTES", [-1])]
