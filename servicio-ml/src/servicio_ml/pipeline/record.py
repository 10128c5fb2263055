"""What training leaves in MLflow: runs, metrics, pictures, versions."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna import Study
from optuna.trial import FrozenTrial

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports import ModelVersion, ObjectStore, Progress, Registry, Run, Tracker
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.artifact import load_artifact
from servicio_ml.pipeline import figures
from servicio_ml.pipeline.finish import Finished
from servicio_ml.pipeline.fitting import Problem
from servicio_ml.pipeline.rows import Holdout

REFINE = "/refine/"
"""Stands in the name of a study around a winner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The ports that training uses, and where its studies are."""

    store: ObjectStore
    tracker: Tracker
    registry: Registry
    progress: Progress
    study_url: str


COMPARED = ("validation", "validation_error", "latency_seconds", "parity", "threshold")


class Record:
    """The record of one training, under its parent run."""

    def __init__(self, use_case: UseCase, manifest: Manifest, world: World, run: Run, scratch: Path) -> None:
        self._use_case, self._manifest, self._world = use_case, manifest, world
        self._run, self._scratch = run, scratch

    def data(self, problem: Problem, test: Holdout, *, trials: int, candidates: Sequence[Candidate]) -> None:
        """What it is trained on, and with what budget."""
        manifest, rows = self._manifest, {"train": len(problem.matrix), "test": len(test.matrix)}
        self._run.params(
            {
                "period": manifest.period, "data_digest": manifest.digest, "trials": trials,
                "candidates": ",".join(candidate.name for candidate in candidates),
                "features": ",".join(manifest.schema.names), "train_rows": rows["train"],
                "test_rows": rows["test"],
            }
        )  # fmt: skip
        for part, context in (("train", "training"), ("test", "evaluation")):
            name = f"{self._use_case.name} {manifest.period} {part}"
            source = f"{self._world.store.uri}/{manifest.files[part]}"
            self._run.dataset(name, digest=manifest.digest, source=source, context=context, rows=rows[part])
        figures.draw_correlation(self._figures, self._use_case, manifest.schema.names, problem.matrix)

    def trial(self, candidate: str, study: str, trial: FrozenTrial) -> None:
        """One finished trial, as a nested run."""
        tags = {"step": "trial", "candidate": candidate, "state": trial.state.name, "study": study}
        name = f"{candidate} trial {trial.number}"
        with self._world.tracker.run(self._use_case.name, name, tags=tags, parent=self._run.id) as run:
            run.params(trial.params)
            value = trial.value
            if value is None and trial.intermediate_values:
                value = trial.intermediate_values[max(trial.intermediate_values)]
            if value is not None:
                run.metrics({f"validation_{self._use_case.metric}": value})

    def study(self, candidate: str, study: Study) -> None:
        """The pictures of a study, to be logged with its candidate."""
        place = self._scratch / "studies" / candidate
        place = place / "refine" if REFINE in study.study_name else place
        figures.draw_study(place, study, self._use_case.metric)

    def candidate(self, each: Finished, test: Holdout, until: str) -> ModelVersion | None:
        """A candidate's run, and its artifact as a version under an alias of its own name.

        Args:
            each: The candidate.
            test: The holdout, for its pictures.
            until: From `rows.trained_until`.

        Returns:
            None where its artifact may not be used.
        """
        name, model = each.candidate.name, self._use_case.name
        place = self._scratch / "figures of" / name
        figures.draw(place, self._use_case, test, each)
        eligible, reason = str(each.eligible).lower(), each.exported.reason
        tags = {"step": "fit", "candidate": name, "eligible": eligible, "reason": reason}
        with self._world.tracker.run(model, f"fit {name}", tags=tags, parent=self._run.id) as run:
            run.params({**each.candidate.fixed, **each.params})
            run.metrics(_defined(_numbers(each)))
            run.artifact(place, "figures")
            run.artifact(self._scratch / "studies" / name, "figures")
            if each.folder is None:
                return None
            described = {
                "candidate": name, "params": json.dumps(dict(each.params)), "period": self._manifest.period,
                "data_digest": self._manifest.digest, "trained_until": until, "train_run": self._run.id,
                **tags,
            }  # fmt: skip
            made = self._world.registry.register(model, each.folder, run_id=run.id, tags=described)
        self._world.registry.point(model, name, made.version)
        return made

    def winner(self, best: Finished, test: Holdout, table: Sequence[Mapping[str, Any]]) -> None:
        """The winner's metrics, the comparison of all candidates, the pictures of the whole."""
        self._run.metrics(_defined(best.metrics))
        self._run.tags({"winner": best.candidate.name})
        if best.folder is not None:
            latency = best.exported.latency_seconds
            figures.draw_importance(self._figures, self._use_case, load_artifact(best.folder), test, latency)
        comparison = self._scratch / "comparison.json"
        comparison.write_text(json.dumps(table, indent=1))
        self._run.artifact(comparison)
        self._run.artifact(self._figures, "figures")

    @property
    def _figures(self) -> Path:
        return self._scratch / "figures"


def comparison_row(each: Finished, version: ModelVersion | None) -> dict[str, Any]:
    """A candidate's line in the comparison; what is not defined is null."""
    numbers = {**_numbers(each)}
    return {
        "candidate": each.candidate.name, "version": version.version if version else None,
        "eligible": each.eligible, "reason": each.exported.reason, "params": dict(each.params),
        "metrics": {name: _null(value) for name, value in each.metrics.items()},
        **{name: _null(numbers[name]) for name in COMPARED},
    }  # fmt: skip


def _numbers(each: Finished) -> dict[str, float]:
    return {
        **each.metrics, "validation": each.validation, "validation_error": each.validation_error,
        "parity": each.exported.parity,
        "latency_seconds": each.exported.latency_seconds, "threshold": each.output.threshold,
    }  # fmt: skip


def _defined(values: Mapping[str, float]) -> dict[str, float]:
    """What is not NaN: MLflow's database takes no other."""
    return {name: value for name, value in values.items() if not math.isnan(value)}


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value
