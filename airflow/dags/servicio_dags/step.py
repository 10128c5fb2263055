"""Airflow tasks that run one `servicio-ml` command in the ML environment and return its JSON result."""

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any

from airflow.sdk import Variable, task

from servicio_dags.failure_webhook import notify_failure

RETRIES = 3
BACKOFF = 2.0
"""Factor from one retry delay to the next; the first delay is Airflow's `default_task_retry_delay`."""
MAX_RETRY_DELAY = timedelta(hours=1)
TIMEOUT = timedelta(hours=1)
"""Default execution timeout of a task."""


def build_default_args() -> dict[str, Any]:
    """Build the default arguments of every task of a DAG."""
    return {
        "owner": "servicio-ml",
        "retries": RETRIES,
        "retry_exponential_backoff": BACKOFF,
        "max_retry_delay": MAX_RETRY_DELAY,
        "execution_timeout": TIMEOUT,
        "on_failure_callback": notify_failure,
    }


def define_step(
    name: str,
    description: str,
    build_arguments: Callable[..., Sequence[object]],
    parse_result: Callable[[str], Any] = json.loads,
    **operator_arguments: Any,
) -> Any:
    """Define a task that runs one command; call or expand the result with the results of other tasks.

    Args:
        name: Task id.
        description: One sentence for people.
        build_arguments: Returns the arguments after `servicio-ml`. Its parameters are the results of other
            tasks, or have a default and a name that Airflow fills in, such as `params` and `dag_run`.
        parse_result: Turns the command's result, one line of JSON, into the task's result.
        operator_arguments: Further arguments of the operator.
    """

    @wraps(build_arguments)
    def build_line(*args: Any, **kwargs: Any) -> str:
        return build_command_line(*build_arguments(*args, **kwargs))

    build_line.__doc__ = description
    bash: Any = task.bash
    return bash(
        task_id=name, output_processor=parse_result, skip_on_exit_code=None, **operator_arguments
    )(build_line)  # fmt: skip


def build_command_line(*arguments: object) -> str:
    """Build a line of shell that runs `servicio-ml` and prints its result as the last line.

    The result is printed after the command has ended, because the operator mixes both outputs and would take
    the last line on standard error for the result. `PYTHONPATH` is unset, because it is Airflow's.
    """
    # the command runs in its own environment: Airflow pins other versions of the same libraries
    program = shlex.split(os.environ.get("SERVICIO_ML_COMMAND", "servicio-ml"))
    line = " ".join(_quote(word) for word in (*program, *arguments))
    return f"unset PYTHONPATH; result=$({line}) && printf %s \"$result\" | tr '\\n' ' '"


def _quote(word: object) -> str:
    """Quote one word for the shell, and hide its braces from Jinja, which renders the line once more."""
    return shlex.quote(str(word)).replace("{", "{''")


def get_period(dag_run: Any) -> str:
    """Return a run's month as `YYYY-MM`: that of its logical date (backfill), else that of its start."""
    return f"{dag_run.logical_date or dag_run.run_after:%Y-%m}"


def build_options(values: Mapping[str, object]) -> list[str]:
    """Turn names and values into command-line options, leaving out empty values."""
    return [f"--{name}={value}" for name, value in values.items() if value]


def get_variable(name: str) -> str:
    """Return an Airflow variable; empty where it is not set."""
    return str(Variable.get(name, default=""))


def keep_field(name: str) -> Callable[[str], dict[str, Any]]:
    """Return a parser that keeps one field of a result too large for an XCom."""
    return lambda line: {name: json.loads(line)[name]}
