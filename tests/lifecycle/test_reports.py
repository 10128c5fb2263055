from servicio_ml.lifecycle.reports import LatestReport, build_latest_key


def test_a_report_has_a_folder_of_its_own() -> None:
    made = LatestReport.build("small", 3, 1_700_000_000.25)
    assert made.html == "small/reports/20231114T221320.250000Z/report.html"
    assert made.json == "small/reports/20231114T221320.250000Z/report.json"
    assert LatestReport.from_json(made.to_json()) == made
    assert build_latest_key("small") == "small/reports/latest.json"
