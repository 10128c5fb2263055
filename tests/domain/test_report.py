from servicio_ml.domain.report import Pointer, latest_key


def test_a_report_has_a_folder_of_its_own() -> None:
    made = Pointer.of("small", 3, 1_700_000_000.25)
    assert made.html == "small/reports/20231114T221320.250000Z/report.html"
    assert made.json == "small/reports/20231114T221320.250000Z/report.json"
    assert Pointer.from_json(made.to_json()) == made
    assert latest_key("small") == "small/reports/latest.json"
