"""Names of fields and of their raw columns."""

import pytest

from servicio_ml.features.requests.field_names import FieldNames

NAMES = FieldNames(
    {
        "min_temp": ("MinTemp",),
        "age": ("age",),
        # two fields read one column, and a column is called like another field
        "torque": ("torque",), "torque_rpm": ("torque",), "brand": ("name",), "name": ("Name",),
        # one field is read from three columns
        "day": ("Year", "Month", "Day"),
    }
)  # fmt: skip


def test_a_raw_name_means_a_field_where_it_can_mean_no_other() -> None:
    assert NAMES.by_column == {"MinTemp": "min_temp", "Name": "name"}
    assert NAMES.by_part == {"Year": "day", "Month": "day", "Day": "day"}


@pytest.mark.parametrize(
    "names",
    [
        ("min_temp", "name", "torque_rpm", "brand"),
        ("MinTemp", "Name", "torque_rpm", "brand"),
        ("MinTemp", "age", "unknown"),
        ("MinTemp", "day"),
        (),
    ],
)
def test_names_of_one_kind_go_together(names: tuple[str, ...]) -> None:
    assert NAMES.find_fault(names) is None


def test_a_fault_names_both() -> None:
    twice, mixed = NAMES.find_fault(("MinTemp", "min_temp")), NAMES.find_fault(("name", "MinTemp"), row=3)
    assert str(twice) == (
        "row 0, field 'min_temp': \"a value as 'min_temp' and one as 'MinTemp'\" is not allowed;"
        " it takes one value, by either name"
    )
    assert str(mixed) == (
        "row 3, field 'min_temp': \"the raw name 'MinTemp' beside the field name 'name'\" is not allowed;"
        " it takes 'min_temp' and 'name', or 'MinTemp' and 'Name'"
    )
