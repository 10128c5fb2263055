"""The last task of a run that was made in steps: what is told, once, when the run has failed."""

from collections.abc import Callable, Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from servicio_dags.step import step


def give_up(of: str, use_case: str) -> Callable[..., Any]:
    """A task that does nothing for a run that went well; to be called with the results of other tasks.

    As a teardown it waits until all before it have ended, runs whatever became of them, and leaves the run
    as failed as it was. It is not tried again, so that a failure is counted once.

    Args:
        of: `etl` or `train`.
        use_case: Its name.
    """

    def words(last: Any, plan: Mapping[str, Any] | None = None) -> list[str]:
        if last is not None or (plan is not None and not plan["new"]):
            raise AirflowSkipException("the run has not failed")
        run = [f"--run={plan['run_id']}"] if plan else []
        return ["step", "fail", use_case, f"--of={of}", *run]

    task = step("fail", "Where the run has failed, count it and mark its run in MLflow.", words, retries=0)

    def called(*results: Any) -> Any:
        return task(*results).as_teardown()

    return called
