"""The last task of a run made of steps: reports the failure of the run once."""

from collections.abc import Callable, Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from servicio_dags.step import define_step


def define_failure_task(pipeline: str, use_case: str) -> Callable[..., Any]:
    """Define a task that is skipped when the run succeeded; call it with the results of other tasks.

    The task is a teardown: it waits for all earlier tasks, runs whatever their states are, and leaves the
    state of the run unchanged. It has no retries, so that a failure is counted once.

    Args:
        pipeline: `etl` or `train`.
        use_case: Name of the use case.
    """

    def build_arguments(last: Any, plan: Mapping[str, Any] | None = None) -> list[str]:
        if last is not None or (plan is not None and not plan["new"]):
            raise AirflowSkipException("the run has not failed")
        run = [f"--run={plan['run_id']}"] if plan else []
        return ["step", "fail", use_case, f"--of={pipeline}", *run]

    description = "If the run has failed, count the failure and mark its run in MLflow."
    # a retry would count the same failure twice
    task = define_step("fail", description, build_arguments, retries=0)

    def create_task(*results: Any) -> Any:
        return task(*results).as_teardown()

    return create_task
