"""Traffic plans as rows of two tables, whichever database holds them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import reduce
from operator import add
from typing import Any, Protocol, TypeVar

from servicio_ml.domain.ports.traffic_plans import ChangedPlan
from servicio_ml.domain.rollout.guardrails import ArmCounts
from servicio_ml.domain.rollout.paired_sums import PairedSums
from servicio_ml.domain.rollout.traffic_plan import BUILDERS, TrafficPlan

READ = "SELECT kind, document FROM traffic_plan WHERE model = ? AND ? IN ('', kind) ORDER BY seq DESC LIMIT ?"
WRITE = """
INSERT INTO traffic_plan (model, plan_id, kind, document) VALUES (?, ?, ?, ?)
ON CONFLICT (model, plan_id) DO UPDATE SET document = excluded.document
"""
READ_COUNTS = "SELECT document FROM traffic_count WHERE model = ? AND plan_id = ?"
WRITE_COUNTS = """
INSERT INTO traffic_count (model, plan_id, process, document) VALUES (?, ?, ?, ?)
ON CONFLICT (model, plan_id, process) DO UPDATE SET document = excluded.document
"""
Result = TypeVar("Result")
Execute = Callable[[str, tuple[Any, ...]], Sequence[tuple[Any, ...]]]
"""Executes a statement with `?` for each parameter, and returns its rows."""


class PlanDatabase(Protocol):
    """Database that holds the tables."""

    def run(self, work: Callable[[Execute], Result], lock: str = "") -> Result:
        """Run work in a transaction, alone with the plans of a model where `lock` names one."""
        ...


class SqlTrafficPlans:
    """Traffic plans in a database.

    Args:
        database: Database whose schema is up to date.
    """

    def __init__(self, database: PlanDatabase) -> None:
        self._database = database

    def change(self, model: str, change: Callable[[TrafficPlan | None], ChangedPlan]) -> ChangedPlan:
        def run_change(execute: Execute) -> ChangedPlan:
            newest = next(iter(_read(execute, model, 1)), None)
            plan = change(newest)
            if plan != newest:
                execute(WRITE, (model, plan.id, plan.kind, json.dumps(plan.to_json())))
            return plan

        return self._database.run(run_change, lock=model)

    def load(self, model: str, limit: int = 1, kind: str = "") -> Sequence[TrafficPlan]:
        return self._database.run(lambda execute: _read(execute, model, limit, kind))

    def save_counts(self, model: str, plan_id: str, process: str, counts: ArmCounts) -> None:
        row = (model, plan_id, process, json.dumps(asdict(counts)))
        self._database.run(lambda execute: execute(WRITE_COUNTS, row))

    def sum_counts(self, model: str, plan_id: str) -> ArmCounts:
        rows = self._database.run(lambda execute: execute(READ_COUNTS, (model, plan_id)))
        return reduce(add, (_build_counts(json.loads(document)) for (document,) in rows), ArmCounts())


def _read(execute: Execute, model: str, limit: int, wanted: str = "") -> list[TrafficPlan]:
    rows = execute(READ, (model, wanted, limit))
    return [BUILDERS[kind](json.loads(document)) for kind, document in rows]


def _build_counts(document: dict[str, Any]) -> ArmCounts:
    sums = PairedSums(**document["expected_loss"])
    scores = tuple(PairedSums(**each) for each in document["scores"])
    return ArmCounts(**{**document, "expected_loss": sums, "scores": scores})
