"""A description shows what the ETL would read: statuses, reasons, and typed values of the kept rows."""

from pathlib import Path

import pytest

from servicio_ml.errors import ColumnsError, SourceError
from servicio_ml.pipeline.describe_raw_file import RawFileDescription, describe
from servicio_ml.use_cases.catalogue import load_catalogue

CARS = load_catalogue()["vehicle_price"]
COLUMNS = (
    "name,year,selling_price,km_driven,fuel,seller_type,transmission,owner,mileage,engine,max_power,torque"
)
ALTO = (
    "Maruti Alto,2014,450000,70000,Petrol,Individual,Manual,First Owner,20 kmpl,796 CC,47 bhp,60Nm@ 3500rpm,5"
)
ROWS = (
    f"{COLUMNS},seats,note",
    f"{ALTO},kept",
    f"{ALTO},copy",
    'Skoda Rapid,2016,65000,50000,Diesel,Dealer,Manual,First Owner,,1498 CC,99 bhp,"10@ 2,700(kgm@ rpm)",5,',
    "Trabant 601,1985,90000,90000,Petrol,Dealer,Manual,First Owner,16 kmpl,594 CC,26 bhp,54Nm@ 3000rpm,4,",
    "Honda City,2016,,50000,Diesel,Dealer,Manual,First Owner,20 kmpl,1498 CC,103 bhp,200Nm@ 1750rpm,5,",
)


@pytest.fixture
def described(tmp_path: Path) -> RawFileDescription:
    path = tmp_path / "cars.csv"
    path.write_text("\n".join(ROWS))
    return describe(CARS, path, source_name="my cars")


def test_every_row_has_its_status(described: RawFileDescription) -> None:
    assert described.source == "my cars"
    assert described.rows == 5
    assert described.status_counts == {
        "kept": 2,
        "quarantined": 1,
        "duplicate": 1,
        "unlabelled": 1,
        "later": 0,
    }
    assert described.reasons.startswith("brand: 'Trabant")
    assert described.ignored == ("note",)
    assert described.absent == ()


def test_fields_are_summed_up_in_their_own_unit(described: RawFileDescription) -> None:
    fields = {field["name"]: field for field in described.fields}
    assert list(fields) == [*CARS.schema.field_names, "selling_price"]
    torque = fields["torque"]
    assert (torque["kind"], torque["unit"], torque["distinct"]) == ("number", "Nm", 2)
    assert (float(torque["minimum"]), float(torque["maximum"])) == pytest.approx((60, 98.0665))
    assert torque["mean"] == pytest.approx((60 + 98.0665) / 2)
    assert fields["mileage"]["missing_before"] == pytest.approx(0.2)
    assert (fields["mileage"]["example"], fields["mileage"]["distinct"]) == ("20.0", 1)
    assert fields["brand"]["example"] == "Maruti"
    assert (fields["fuel"]["most_frequent_share"], fields["fuel"]["mean"]) == (0.5, None)
    assert (fields["selling_price"]["unit"], fields["selling_price"]["distinct"]) == ("INR", 2)


def test_a_class_is_described_by_its_label(tmp_path: Path) -> None:
    path = tmp_path / "heart.data"
    path.write_text("50,1,2,111,222,0,0,133,1,0.5,2,0,6,0\n60,0,3,122,211,1,2,144,0,1.5,1,1,3,2\n")
    disease = describe(load_catalogue()["heart_disease"], path, source_name="heart").fields[-1]
    assert (disease["kind"], disease["example"], disease["distinct"]) == ("category", "absent", 2)


def test_optional_fields_that_are_not_there_are_named(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text(
        "Employee ID,Date of Joining,Gender,Company Type,WFH Setup Available,Designation,Resource Allocation,"
        "Mental Fatigue Score,Burn Rate\nfffe,2008-02-29,Male,Product,Yes,1.0,2.0,5.5,0.44\n"
    )
    described = describe(load_catalogue()["employee_burnout"], path, source_name="train")
    assert "sleep_hours" in described.absent
    assert "sleep_hours" not in {field["name"] for field in described.fields}


def test_a_file_that_is_not_there_or_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"cannot read lost\.csv: there is no such file"):
        describe(CARS, tmp_path / "lost.csv", source_name="lost.csv")
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(ColumnsError, match="missing column"):
        describe(CARS, other, source_name="other.csv")
