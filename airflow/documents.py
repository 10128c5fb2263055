"""Writes docs/dags.md from the DAGs: `python airflow/documents.py`; with --json, prints their description."""

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
SOURCE_FOLDER = ROOT / "servicio-ml" / "src"
MINUTE = 60
HEADER = """# DAGs

Written by `make docs` from [airflow/dags](../airflow/dags). Each use case, a user's own included, has the
first three. A task is a command of `servicio-ml`, run in its own environment
([ADR 7](adr/0007-steps-are-commands.md)); tasks pass each other one line of JSON with URIs and
ids.

```console
make airflow
```

starts all of it on this machine, prints the address and a generated password, and stops with Ctrl-C. It works
on `var/`, like the command line. DAGs with a schedule are paused at first; unpausing one runs its latest
past interval at once. Several machines, PostgreSQL and Redis:
[celery.env.template](../airflow/config/celery.env.template).

Logs of tasks stay with the worker that ran them. To keep them in S3, add `amazon` to the extras of
`apache-airflow` in the group `airflow` of pyproject.toml, resolve the locks with `make lock`, and set the
three `AIRFLOW__LOGGING__REMOTE_…` variables of that template.

When a step has failed after its last retry, a webhook is notified (connection `failure_webhook`); when the
run has ended, its last task counts the failure once in StatsD and marks the training's run in MLflow.
"""


def describe_dags() -> dict[str, Any]:
    """Describe every DAG, and measure how long reading them takes and what they import."""
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {
            # a temporary home, so that reading the DAGs touches no database
            "AIRFLOW_HOME": home,
            "AIRFLOW_CONFIG": str(ROOT / "airflow" / "config" / "airflow.cfg"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        sys.path.append(str(SOURCE_FOLDER))
        from airflow.dag_processing.dagbag import BundleDagBag  # noqa: PLC0415  after its configuration is set

        before = set(sys.modules)
        # processor time: the machine may be busy
        start = time.process_time()
        bag = BundleDagBag(DAGS, bundle_path=DAGS, bundle_name="dags-folder")
        seconds = time.process_time() - start
        return {
            "seconds": seconds,
            "imported": sorted({name.partition(".")[0] for name in set(sys.modules) - before}),
            "errors": bag.import_errors,
            "dags": {name: _describe_dag(dag) for name, dag in bag.dags.items()},
        }


def _describe_dag(dag: Any) -> dict[str, Any]:
    from airflow.sdk import AssetAny  # noqa: PLC0415  after its configuration is set

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
        "tasks": {task.task_id: _describe_task(task) for task in dag.topological_sort()},
    }


def _describe_task(task: Any) -> dict[str, Any]:
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
        "reports_failures": bool(task.has_on_failure_callback),
    }


def build_page(dags: Mapping[str, Mapping[str, Any]]) -> str:
    """Build the page on every kind of DAG."""
    kinds: dict[str, list[str]] = {}
    for name, dag in dags.items():
        kinds.setdefault(dag["file"], []).append(name)
    order = ("etl_process", "train_model", "drift_report", "maintenance")
    sections = ["\n".join(_build_section(kind, kinds[kind][0], dags[kinds[kind][0]])) for kind in order]
    return "\n".join((HEADER, *sections))


def _build_section(kind: str, name: str, dag: Mapping[str, Any]) -> Iterator[str]:
    """Build the section on one kind of DAG from one use case's, whose name is replaced."""
    use_case = name.removeprefix(kind).removeprefix("_")
    title = f"{kind}_<use case>" if use_case else kind
    yield from (f"## {title.replace('<', '&lt;').replace('>', '&gt;')}", "", dag["doc"].strip(), "")
    yield _build_table(("", ""), _list_facts(dag, use_case))
    if dag["params"]:
        yield from ("", _build_table(("parameter", "default", "meaning"), _list_params(dag["params"])))
    yield from (
        "",
        _build_table(("task", "what it does", "timeout"), _list_tasks(dag["tasks"])),
        "",
        *_build_graph(dag, use_case),
        "",
    )


def _list_facts(dag: Mapping[str, Any], use_case: str) -> Iterator[tuple[str, str]]:
    names = [_replace_use_case(name, use_case) for name in dag["assets"]]
    schedule = f"`{dag['schedule']}` (UTC)"
    yield "starts", schedule if dag["schedule"] else f"on {' or '.join(names)}, and by hand"
    yield "concurrent runs", str(dag["max_active_runs"])
    tags = [f"`{tag}`" for tag in dag["tags"] if tag != use_case]
    yield "tags", ", ".join([*tags, "the use case"] if use_case else tags)
    yield "at first", "running" if dag["paused"] is False else "paused"
    for task, each in dag["tasks"].items():
        for outlet in each["outlets"]:
            yield f"`{task}` emits", _replace_use_case(outlet, use_case)
    first = next(iter(dag["tasks"].values()))
    yield "retries", f"{first['retries']}, each wait {first['backoff']:g} times the one before"


def _replace_use_case(asset: str, use_case: str) -> str:
    return f"`{asset.replace(use_case, '<use case>')}`"


def _list_params(params: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for name, each in params.items():
        yield f"`{name}`", f"`{json.dumps(each['default'])}`", each["description"]


def _list_tasks(tasks: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for name, each in tasks.items():
        many = " (one task per candidate)" if each["mapped"] else ""
        yield f"`{name}`", each["doc"].replace("\n", " ") + many, f"{each['timeout_seconds'] / MINUTE:g} min"


def _build_table(columns: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = (columns, ["---"] * len(columns), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _build_graph(dag: Mapping[str, Any], use_case: str) -> Iterator[str]:
    yield from ("```mermaid", "flowchart LR")
    # an asset starts the run, that is every task without a predecessor
    heads = set(dag["tasks"]) - {down for each in dag["tasks"].values() for down in each["downstream"]}
    for asset in dag["assets"]:
        yield from (f"  {_format_node(asset, use_case)} -.-> {head}" for head in sorted(heads))
    below = {task: each["downstream"] for task, each in dag["tasks"].items()}
    for task, each in dag["tasks"].items():
        yield f'  {task}[["{task}"]]' if each["mapped"] else f'  {task}["{task}"]'
        yield from (f"  {task} --> {down}" for down in _list_direct_edges(task, below))
        yield from (f"  {task} -.-> {_format_node(outlet, use_case)}" for outlet in each["outlets"])
    yield "```"


def _list_direct_edges(task: str, below: Mapping[str, Sequence[str]]) -> list[str]:
    """List the tasks directly after a task, without those that a longer path implies."""
    downstream = below[task]
    return [
        down for down in downstream if not any(down in _find_successors(each, below) for each in downstream)
    ]


def _find_successors(task: str, below: Mapping[str, Sequence[str]]) -> set[str]:
    """Find every task downstream of a task."""
    return {each for down in below[task] for each in (down, *_find_successors(down, below))}


def _format_node(asset: str, use_case: str) -> str:
    kind = asset.partition("/")[0]
    return f'{kind}_asset(["{asset.replace(use_case, "#lt;use case#gt;")}"])'


if __name__ == "__main__":
    if "--json" in sys.argv:
        found = describe_dags()
        print(json.dumps({**found, "page": "" if found["errors"] else build_page(found["dags"])}))
    else:
        # the user's own use cases are not documented here
        os.environ.pop("SERVICIO_ML_USE_CASES_DIR", None)
        PAGE.write_text(build_page(describe_dags()["dags"]))
