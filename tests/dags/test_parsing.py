"""The DAGs as they are read: which there are, what starts them, what follows what, and what reading costs."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no types published

from airflow_runner import ROOT, describe_dags
from servicio_ml.use_cases.catalogue import load_catalogue

KINDS = ("etl_process", "train_model", "drift_report")
SHIPPED = tuple(load_catalogue())
ALL_DAGS = [*(f"{kind}_{name}" for kind in KINDS for name in SHIPPED), "maintenance"]
MAX_SECONDS = 1
HEAVY_MODULES = {
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "sklearn",
    "mlflow",
    "optuna",
    "onnxruntime",
    "pydantic_settings",
}
USER_USE_CASE = """
from dataclasses import replace
from servicio_ml.use_cases.heart_disease import USE_CASE as HEART
USE_CASE = replace(HEART, name="heart_of_a_user")
"""
CLOCKS = {"etl_process": "0 0 1 * *", "drift_report": "@daily", "maintenance": "@weekly"}
ORDER = {
    "etl_process": {
        "extract": {"transform", "split", "publish"},
        "transform": {"split"},
        "split": {"publish"},
        "publish": {"fail"},
    },
    "train_model": {
        "plan": {"something_new", "tune", "select", "refine", "export", "judge", "record", "fail"},
        "something_new": {"tune"},
        "tune": {"select", "fail"},
        "select": {"refine"},
        "refine": {"export"},
        "export": {"judge"},
        "judge": {"decide", "promote", "rollout", "reject"},
        "decide": {"promote", "rollout", "reject"},
        "promote": {"reload"},
        "rollout": {"record"},
        "reject": {"record"},
        "reload": {"record"},
        "record": {"fail"},
    },
    "drift_report": {"judge": {"retrain"}},
    "maintenance": {},
}


def get_dags() -> Mapping[str, Any]:
    found: Mapping[str, Any] = describe_dags()["dags"]
    return found


@pytest.fixture(
    scope="module", params=[*(f"{kind}_{name}" for kind in KINDS for name in SHIPPED), "maintenance"]
)
def dag(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """Each DAG of the shipped use cases."""
    found: Mapping[str, Any] = get_dags()[request.param]
    return found


def test_every_file_is_read_without_an_error() -> None:
    assert describe_dags()["errors"] == {}


def test_exactly_these_dags() -> None:
    assert set(get_dags()) == set(ALL_DAGS)


def test_reading_them_all_is_quick_and_imports_nothing_heavy() -> None:
    assert describe_dags()["seconds"] <= MAX_SECONDS
    assert HEAVY_MODULES.isdisjoint(describe_dags()["imported"])


def test_a_use_case_of_a_user_has_its_dags_and_a_broken_one_disables_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "heart_of_a_user.py").write_text(USER_USE_CASE)
    (tmp_path / "broken.py").write_text("USE_CASE = 1")
    found = describe_dags(str(tmp_path))
    assert found["errors"] == {}
    assert set(found["dags"]) == {*get_dags(), *(f"{kind}_heart_of_a_user" for kind in KINDS)}


def test_what_starts_it(dag: Mapping[str, Any]) -> None:
    assert dag["schedule"] == CLOCKS.get(dag["file"])
    assert dag["catchup"] is False
    assert dag["max_active_runs"] == 1
    # without a clock it waits for events, so nothing happens unasked
    assert dag["paused"] is (None if dag["schedule"] else False)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_training_waits_for_either_event(name: str) -> None:
    train = get_dags()[f"train_model_{name}"]
    assert train["assets"] == [f"lake/{name}", f"drift/{name}"]
    assert train["any"]
    assert get_dags()[f"etl_process_{name}"]["tasks"]["publish"]["outlets"] == [f"lake/{name}"]
    assert get_dags()[f"drift_report_{name}"]["tasks"]["retrain"]["outlets"] == [f"drift/{name}"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_training_takes_parameters_by_hand(name: str) -> None:
    params = get_dags()[f"train_model_{name}"]["params"]
    assert {each: params[each]["default"] for each in params} == {
        "trials": None, "candidates": [], "period": "", "params": {}, "force": False,
    }  # fmt: skip
    candidates = [candidate.name for candidate in load_catalogue()[name].candidates]
    assert params["candidates"]["items"]["enum"] == candidates
    assert [*params["params"]["properties"]] == candidates


def test_a_first_trial_is_checked_when_a_training_is_started() -> None:
    schema = get_dags()["train_model_heart_disease"]["params"]["params"]
    svm = schema["properties"]["svm"]["properties"]
    assert svm["C"] == {"type": "number", "minimum": 0.01, "maximum": 30.0}
    assert svm["kernel"] == {"enum": ["rbf", "linear"]}
    check = Draft202012Validator(schema).is_valid
    assert check({"svm": {"C": 3, "kernel": "linear"}, "random_forest": {"max_depth": 4}})
    for candidate, params in (
        ("svm", {"C": 99}),
        ("svm", {"degree": 3}),
        ("random_forest", {"max_depth": 2.5}),
    ):
        assert not check({candidate: params}), params
    assert not check({"knn": {}})


def test_the_order_of_the_tasks(dag: Mapping[str, Any]) -> None:
    follow = {name: set(task["downstream"]) for name, task in dag["tasks"].items() if task["downstream"]}
    assert follow == ORDER[dag["file"]]


def test_a_failure_is_reported_at_the_end_and_does_not_hide_it(dag: Mapping[str, Any]) -> None:
    teardowns = {name for name, task in dag["tasks"].items() if task["teardown"]}
    assert teardowns == ({"fail"} if dag["file"] in {"etl_process", "train_model"} else set())


def test_one_task_is_mapped(dag: Mapping[str, Any]) -> None:
    mapped = {name for name, task in dag["tasks"].items() if task["mapped"]}
    assert mapped == ({"tune"} if dag["file"] == "train_model" else set())


def test_every_task_has_what_a_failure_needs(dag: Mapping[str, Any]) -> None:
    for name, task in dag["tasks"].items():
        assert task["owner"] == "servicio-ml", name
        # a failure is counted once
        assert task["retries"] == (0 if name == "fail" else 3), name
        assert task["backoff"] == 2, name
        assert 0 < task["timeout_seconds"] <= 6 * 3600, name
        assert task["reports_failures"], name
        assert task["doc"], name


def test_steps_are_commands(dag: Mapping[str, Any]) -> None:
    wiring = {"something_new", "decide", "retrain"}
    for name, task in dag["tasks"].items():
        assert (task["operator"] == "@task.bash") is (name not in wiring), name


def test_documents_and_tags(dag: Mapping[str, Any]) -> None:
    module = (ROOT / "airflow" / "dags" / f"{dag['file']}.py").read_text()
    assert module.startswith(f'"""{dag["doc"]}"""')
    assert dag["description"]
    assert len(dag["tags"]) == (1 if dag["file"] == "maintenance" else 2)
    assert set(dag["tags"]) <= {"etl", "train", "drift", "maintenance", *SHIPPED}


@pytest.mark.parametrize("file", sorted((ROOT / "airflow" / "dags").glob("*.py")), ids=lambda file: file.stem)
def test_a_file_of_dags_only_wires(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 80


def test_the_page_on_the_dags_is_as_generated() -> None:
    assert (ROOT / "docs" / "dags.md").read_text() == describe_dags()["page"], "run make docs"


TEMPLATES = sorted((ROOT / "airflow" / "config").iterdir())
SECRET = re.compile(r"(?i)(?:PASSWORD|SECRET|FERNET_KEY|SECRET_KEY|TOKEN)[=:] *(?!SECRET|PASSWORD|TOKEN)\S")


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_a_template_holds_no_secret(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if SECRET.search(line)]
    assert lines == []
