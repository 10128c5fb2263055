"""`servicio-ml backtest`: what a user types, and the error when it cannot be done."""

from pathlib import Path

import pytest
from monitoring.generate import BACKTEST_RULES
from typer.testing import CliRunner, Result

from promtool import find_program
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.cli.app import app

FAILED, WRONG_USE = 1, 2
MONTHS = ("--from", "2020-01", "--to", "2020-02")


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder and the use case `small`; nothing else of the machine is seen."""
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("DATA_DIR", "LAKE_URL", "MLFLOW_URL", "S3_ENDPOINT", "USE_CASES_DIR"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    return tmp_path


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, ["backtest", *(str(word) for word in words)])


def _read_error(result: Result) -> str:
    assert result.exit_code == FAILED
    assert result.stdout == ""
    [line] = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    return line


def test_help_names_every_option() -> None:
    text = _run("--help").stdout
    for option in (
        "--stream",
        "--from",
        "--to",
        "--version",
        "--rows-per-month",
        "--fault",
        "--rules",
        "--json",
    ):
        assert option in text


def test_an_unknown_fault_is_wrong_use() -> None:
    result = _run("rain_australia", "--stream", "a.csv", *MONTHS, "--fault", "earthquake")
    assert result.exit_code == WRONG_USE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rain", "--rules", BACKTEST_RULES), "did you mean rain_australia?"),
        (("rain_australia", "--rules", "nowhere"), "setting --rules: nowhere holds no rules"),
    ],
    ids=["use case", "rules"],
)
def test_what_is_missing_is_reported(words: tuple[object, ...], said: str) -> None:
    assert said in _read_error(_run(*words, "--stream", "a.csv", *MONTHS))


@pytest.mark.slow
class TestRegistered:
    """With a use case in a separate folder, and its champion."""

    @pytest.fixture(autouse=True)
    def champion(self, quiet: Path, monkeypatch: pytest.MonkeyPatch, artifact_folder: Path) -> None:
        (quiet / "small.py").write_text(
            "from small_use_case import build_use_case\nUSE_CASE = build_use_case(event_date='day')\n"
        )
        monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(quiet))
        (quiet / "state").mkdir()
        connection = connect("", quiet / "state")
        registry = MlflowRegistry(connection)
        with MlflowTracker(connection).open_run("small", "train") as run:
            run.log_metrics({"roc_auc": 0.93, "accuracy": 0.85})
            registry.register("small", artifact_folder, run_id=run.id, tags={})
        registry.set_alias("small", "champion", 1)
        days = [f"2020-{month:02}-{day:02}" for month in (1, 2) for day in range(1, 29)]
        cells = [
            f"{day},{i / 9 - 1:.2f},{1 - i / 9:.2f},red,{('no', 'yes')[i % 2]}"
            for day in days
            for i in range(20)
        ]
        (quiet / "stream.csv").write_text("\n".join(["Day,Size,Weight,Colour,Outcome", *cells, ""]))

    def test_months_and_what_caught_a_fault(self, quiet: Path) -> None:
        for each in ("prometheus", "promtool"):
            find_program(each)
        words = ("small", "--stream", quiet / "stream.csv", *MONTHS, "--rules", BACKTEST_RULES)
        result = _run(*words, "--fault", "sensor", "--rows-per-month", 500)
        assert result.exit_code == 0, result.stderr
        for text in ("size is missing from 2020-02", "reference", "0.93", "2020-01", "MissingValues (size"):
            assert text in result.stdout
        assert "caught in 2020-02 by: " in result.stdout

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--fault", "sensor", "--fault-field", "colour"), "a sensor fault is of: size, weight"),
            (("--version", "9"), "has no version 9"),
            (("--from", "2020-13"), "setting --from: '2020-13' is no month"),
            (("--fault", "labels", "--fault-from", "2020-03"), "2020-03 is not from 2020-01 to 2020-02"),
            (("--fault", "labels", "--fault-from", "March"), "setting --fault-from: 'March' is no month"),
            (("--from", "2021-01", "--to", "2021-02"), "no row is dated from 2021-01-01 to 2021-02-28"),
        ],
        ids=["field", "version", "month", "month of no replay", "month of the fault", "no rows"],
    )
    def test_what_cannot_be_done_is_refused(self, words: tuple[str, ...], said: str, quiet: Path) -> None:
        given = ("small", "--stream", quiet / "stream.csv", *MONTHS, "--rules", BACKTEST_RULES)
        assert said in _read_error(_run(*given, *words))

    def test_without_prometheus_it_says_how_to_install_it(
        self, quiet: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(quiet))
        error = _read_error(
            _run("small", "--stream", quiet / "stream.csv", *MONTHS, "--rules", BACKTEST_RULES, "--json")
        )
        assert "install the Debian package prometheus" in error
