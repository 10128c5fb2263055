"""The DAGs of each shipped use case, run task by task in one process of Airflow, with the real command."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_runner import ROOT, build_clean_environment, get_airflow_python
from model_server import COMMAND
from servicio_ml.domain.search import BLEND, Choice
from servicio_ml.use_cases.catalogue import load_catalogue

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROWS = 1500
RUN = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.dag_processing.bundles.manager import DagBundlesManager
DagBundlesManager().sync_bundles_to_db()
folder = Path(sys.argv[1])
bag = BundleDagBag(folder, bundle_path=folder, bundle_name="dags-folder")
for dag in bag.dags.values():
    for task in dag.tasks:  # a mapped one keeps its arguments by themselves
        getattr(task, "partial_kwargs", task.__dict__)["retries"] = 0
sync_bag_to_db(bag, "dags-folder", None)
ran = []
for name, conf in json.loads(sys.argv[2]):
    run = bag.dags[name].test(run_conf=conf)
    ran.append([run.state, {task.task_id: task.state for task in run.get_task_instances()}])
print(json.dumps(ran))
"""
HEARTS = """
from dataclasses import replace
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.search import Candidate, Integer
from servicio_ml.use_cases.heart_disease import USE_CASE as HEART
USE_CASE = replace(
    HEART, name="hearts",
    candidates=(
        Candidate(name="stump", family="decision_tree", space={"max_depth": Integer(low=1, high=2)}),
        Candidate(name="forest", family="random_forest", space={"max_depth": Integer(low=4, high=5)}),
    ),
    promotion=PromotionPolicy(
        metric="roc_auc", floor=0.5, margin=1.0, max_slice_loss=1.0, max_calibration_error=1.0,
        max_latency_seconds=10.0, rollout=Ramp(),
    ),
)
"""
QUICK = {"AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": 1, "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING"}
DONE = {"plan", "something_new", "tune", "select", "refine", "export", "judge", "decide", "record"}


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of Airflow with a database; to be copied."""
    home = tmp_path_factory.mktemp("airflow")
    command = [get_airflow_python(), "-m", "airflow", "db", "migrate"]
    subprocess.run(
        command, env=build_clean_environment(AIRFLOW_HOME=home, **QUICK), check=True, capture_output=True
    )
    return home


def _run(
    home: Path, state: Path, dags: Sequence[tuple[str, Mapping[str, object]]], **settings: object
) -> Any:
    """The state of each run and of its tasks."""
    environment = build_clean_environment(
        AIRFLOW_HOME=home, AIRFLOW_CONFIG=ROOT / "airflow/config/airflow.cfg", SERVICIO_ML_COMMAND=COMMAND,
        AIRFLOW__CORE__DAGS_FOLDER=ROOT / "airflow/dags", PYTHONPATH=ROOT / "servicio-ml/src",
        SERVICIO_ML_STATE_DIR=state, AIRFLOW_VAR_TRAINING_TRIALS=1, **QUICK, **settings,
    )  # fmt: skip
    done = subprocess.run(
        [get_airflow_python(), "-c", RUN, str(ROOT / "airflow/dags"), json.dumps(dags)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def _read_first_trial(state: Path) -> dict[str, str]:
    """Parameters of the trial that began first."""
    with closing(sqlite3.connect(state / "mlflow.db")) as database:
        found = database.execute(
            "select run_uuid from runs join tags using (run_uuid) where tags.key = 'step'"
            " and tags.value = 'trial' order by start_time limit 1"
        ).fetchone()
        return dict(database.execute("select key, value from params where run_uuid = ?", found))


@pytest.mark.parametrize("name", load_catalogue())
def test_a_raw_file_becomes_a_champion(name: str, empty_home: Path, tmp_path: Path) -> None:
    home = shutil.copytree(empty_home, tmp_path / "airflow")
    environment = build_clean_environment(SERVICIO_ML_STATE_DIR=tmp_path)
    subprocess.run([COMMAND, "data", "sample", name, "--rows", str(ROWS)], env=environment, check=True)
    tuned = [each.name for each in load_catalogue()[name].candidates if each.family != BLEND]
    parameter, space = next(iter(load_catalogue()[name].get_candidate(tuned[-1]).space.items()))
    assert not isinstance(space, Choice)
    one = {"candidates": tuned[-1:], "params": {tuned[-1]: {parameter: space.low}}}
    train = f"train_model_{name}"
    etl, first, again = _run(home, tmp_path, [(f"etl_process_{name}", {}), (train, one), (train, one)])

    done = dict.fromkeys(("extract", "transform", "split", "publish"), "success")
    assert etl == ["success", done | {"fail": "skipped"}]
    state, tasks = first
    assert state == "success", tasks
    assert _read_first_trial(tmp_path)[parameter] == str(space.low)
    decided = "promote" if tasks["promote"] == "success" else "reject"
    assert {task for task, how in tasks.items() if how == "success"} - {"reload"} == DONE | {decided}
    history = subprocess.run(
        [COMMAND, "history", name, "--json"], env=environment, check=True, capture_output=True
    )
    decisions = json.loads(history.stdout)["decisions"]
    assert len(decisions) == 1
    assert decisions[0]["decision"] == {"promote": "promoted", "reject": "rejected"}[decided]

    state, tasks = again
    assert state == "success"
    assert {task for task, how in tasks.items() if how == "success"} == {"plan", "something_new"}


def test_a_policy_with_a_ramp_starts_a_rollout(empty_home: Path, tmp_path: Path) -> None:
    home, name = shutil.copytree(empty_home, tmp_path / "airflow"), "hearts"
    (tmp_path / "use_cases").mkdir()
    (tmp_path / "use_cases" / "hearts.py").write_text(HEARTS)
    settings = {"SERVICIO_ML_USE_CASES_DIR": tmp_path / "use_cases"}
    environment = build_clean_environment(SERVICIO_ML_STATE_DIR=tmp_path, **settings)
    for words in (["data", "sample", name, "--rows", str(ROWS)], ["etl", name]):
        subprocess.run([COMMAND, *words], env=environment, check=True)
    train = f"train_model_{name}"
    trainings = [(train, {"candidates": [each]}) for each in ("stump", "forest")]
    [[_, first], [state, tasks]] = _run(home, tmp_path, trainings, **settings)
    assert (first["promote"], first["reload"], first["rollout"]) == ("success", "success", "skipped")
    assert state == "success", tasks
    assert (tasks["rollout"], tasks["record"]) == ("success", "success")
    assert {tasks[each] for each in ("promote", "reload", "reject")} == {"skipped"}
    shown = subprocess.run(
        [COMMAND, "rollout", name, "status", "--json"], env=environment, check=True, capture_output=True
    )
    rollout = json.loads(shown.stdout)["rollout"]
    assert (rollout["champion"], rollout["challenger"], rollout["state"]) == (1, 2, "ramping")


def test_a_training_that_fails_is_marked(empty_home: Path, tmp_path: Path) -> None:
    name, train = "heart_disease", "train_model_heart_disease"
    home = shutil.copytree(empty_home, tmp_path / "airflow")
    environment = build_clean_environment(SERVICIO_ML_STATE_DIR=tmp_path)
    for words in (["data", "sample", name, "--rows", str(ROWS)], ["etl", name]):
        subprocess.run([COMMAND, *words], env=environment, check=True)
    tuned = [each.name for each in load_catalogue()[name].candidates if each.family != BLEND]
    one = {"candidates": tuned[-1:]}
    nowhere = f"sqlite:///{tmp_path}/nowhere/studies.db"
    [[state, tasks]] = _run(home, tmp_path, [(train, one)], SERVICIO_ML_STUDY_URL=nowhere)
    assert state == "failed"
    assert (tasks["tune"], tasks["record"], tasks["fail"]) == ("failed", "upstream_failed", "success")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        runs = database.execute("select status from runs where name like 'train %'").fetchall()
    assert runs == [("FAILED",)]
