"""Writes docs/dags.md from the DAGs: `python airflow/documents.py`; --json prints what they are like."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DAGS = ROOT / "airflow" / "dags"
PAGE = ROOT / "docs" / "dags.md"
OURS = ROOT / "servicio-ml" / "src"
MINUTE = 60
HEAD = """# DAGs

Written by `make docs` from [airflow/dags](../airflow/dags). Each use case, a user's own included, has the
first three. A task is a command of `servicio-ml`, run in its own environment
([ADR 7](adr/0007-steps-are-commands.md)); what passes from one to the next is one line of JSON with addresses
and ids.

```console
make airflow
```

starts all of it on this machine, prints the address and a generated password, and stops with Ctrl-C. It works
on `var/`, like the command line. The DAGs with a clock are paused at first; unpausing one runs its latest
past slot at once. Several machines, PostgreSQL and Redis:
[celery.env.template](../airflow/config/celery.env.template).

Logs of tasks stay with the worker that ran them. To keep them in S3, add `amazon` to the extras of
`apache-airflow` in the group `airflow` of pyproject.toml, resolve the locks with `make lock`, and set the
three `AIRFLOW__LOGGING__REMOTE_…` variables of that template.

When a step has failed for good, a webhook is told (connection `failure_webhook`); when the run has ended, its
last task counts the failure once in StatsD and marks the training's run in MLflow.
"""


def described() -> dict[str, Any]:
    """What the DAGs are like, and what reading them costs."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW_CONFIG": str(ROOT / "airflow" / "config" / "airflow.cfg"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        sys.path.append(str(OURS))
        from airflow.dag_processing.dagbag import BundleDagBag  # noqa: PLC0415  once its configuration is named

        before = set(sys.modules)
        start = time.process_time()
        bag = BundleDagBag(DAGS, bundle_path=DAGS, bundle_name="dags-folder")
        seconds = time.process_time() - start
        return {
            "seconds": seconds,
            "imported": sorted({name.partition(".")[0] for name in set(sys.modules) - before}),
            "errors": bag.import_errors,
            "dags": {name: _dag(dag) for name, dag in bag.dags.items()},
        }


def _dag(dag: Any) -> dict[str, Any]:
    from airflow.sdk import AssetAny  # noqa: PLC0415  once its configuration is named

    condition = dag.timetable.asset_condition
    params = {name: dag.params.get_param(name) for name in dag.params}
    return {
        "file": Path(dag.fileloc).stem,
        "description": dag.description,
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "schedule": None if condition else dag.schedule,
        "assets": [asset.name for asset in condition.objects] if condition else [],
        "any": isinstance(condition, AssetAny),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "paused": dag.is_paused_upon_creation,
        "params": {
            name: {"default": each.value, "description": each.description, **each.schema}
            for name, each in params.items()
        },
        "tasks": {task.task_id: _task(task) for task in dag.topological_sort()},
    }


def _task(task: Any) -> dict[str, Any]:
    return {
        "doc": (task.python_callable.__doc__ or "").strip(),
        "operator": (task.operator_class if task.is_mapped else task).custom_operator_name,
        "mapped": task.is_mapped,
        "downstream": sorted(task.downstream_task_ids),
        "outlets": [asset.name for asset in task.outlets],
        "owner": task.owner,
        "retries": task.retries,
        "backoff": task.retry_exponential_backoff,
        "timeout_seconds": task.execution_timeout.total_seconds(),
        "teardown": bool(task.is_teardown and not task.on_failure_fail_dagrun),
        "tells_failures": bool(task.has_on_failure_callback),
    }


def page(dags: Mapping[str, Mapping[str, Any]]) -> str:
    """The page on every DAG that a shipped use case has."""
    kinds: dict[str, list[str]] = {}
    for name, dag in dags.items():
        kinds.setdefault(dag["file"], []).append(name)
    order = ("etl_process", "train_model", "drift_report", "maintenance")
    sections = ["\n".join(_section(kind, kinds[kind][0], dags[kinds[kind][0]])) for kind in order]
    return "\n".join((HEAD, *sections))


def _section(kind: str, name: str, dag: Mapping[str, Any]) -> Iterator[str]:
    """One kind of DAG, shown by the one of a use case, whose name is taken out."""
    use_case = name.removeprefix(kind).removeprefix("_")
    title = f"{kind}_<use case>" if use_case else kind
    yield from (f"## {title.replace('<', '&lt;').replace('>', '&gt;')}", "", dag["doc"].strip(), "")
    yield _table(("", ""), _facts(dag, use_case))
    if dag["params"]:
        yield from ("", _table(("parameter", "when not given", "what it is"), _params(dag["params"])))
    yield from (
        "",
        _table(("task", "what it does", "at most"), _tasks(dag["tasks"])),
        "",
        *_graph(dag, use_case),
        "",
    )


def _facts(dag: Mapping[str, Any], use_case: str) -> Iterator[tuple[str, str]]:
    names = [_generic(name, use_case) for name in dag["assets"]]
    clock = f"`{dag['schedule']}` (UTC)"
    yield "starts", clock if dag["schedule"] else f"on {' or '.join(names)}, and by hand"
    yield "runs at once", str(dag["max_active_runs"])
    tags = [f"`{tag}`" for tag in dag["tags"] if tag != use_case]
    yield "tags", ", ".join([*tags, "the use case"] if use_case else tags)
    yield "at first", "running" if dag["paused"] is False else "paused"
    for task, each in dag["tasks"].items():
        for outlet in each["outlets"]:
            yield f"`{task}` emits", _generic(outlet, use_case)
    first = next(iter(dag["tasks"].values()))
    yield "retries", f"{first['retries']}, each wait {first['backoff']:g} times the one before"


def _generic(asset: str, use_case: str) -> str:
    return f"`{asset.replace(use_case, '<use case>')}`"


def _params(params: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for name, each in params.items():
        yield f"`{name}`", f"`{json.dumps(each['default'])}`", each["description"]


def _tasks(tasks: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for name, each in tasks.items():
        many = " (one task per candidate)" if each["mapped"] else ""
        yield f"`{name}`", each["doc"].replace("\n", " ") + many, f"{each['timeout_seconds'] / MINUTE:g} min"


def _table(columns: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = (columns, ["---"] * len(columns), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _graph(dag: Mapping[str, Any], use_case: str) -> Iterator[str]:
    yield from ("```mermaid", "flowchart LR")
    heads = set(dag["tasks"]) - {down for each in dag["tasks"].values() for down in each["downstream"]}
    for asset in dag["assets"]:
        yield from (f"  {_node(asset, use_case)} -.-> {head}" for head in sorted(heads))
    below = {task: each["downstream"] for task, each in dag["tasks"].items()}
    for task, each in dag["tasks"].items():
        yield f'  {task}[["{task}"]]' if each["mapped"] else f'  {task}["{task}"]'
        for down in below[task]:
            if not any(down in _after(other, below) for other in below[task]):  # the way round says it too
                yield f"  {task} --> {down}"
        yield from (f"  {task} -.-> {_node(outlet, use_case)}" for outlet in each["outlets"])
    yield "```"


def _after(task: str, below: Mapping[str, Sequence[str]]) -> set[str]:
    """Every task that comes after it."""
    return {each for down in below[task] for each in (down, *_after(down, below))}


def _node(asset: str, use_case: str) -> str:
    kind = asset.partition("/")[0]
    return f'{kind}_asset(["{asset.replace(use_case, "#lt;use case#gt;")}"])'


if __name__ == "__main__":
    if "--json" in sys.argv:
        found = described()
        print(json.dumps({**found, "page": "" if found["errors"] else page(found["dags"])}))
    else:
        # a user's own are no part of the project's documents
        os.environ.pop("SERVICIO_ML_USE_CASES_DIR", None)
        PAGE.write_text(page(described()["dags"]))
