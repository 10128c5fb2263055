"""What training leaves in MLflow: runs, metrics, pictures, versions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna import Study
from optuna.trial import FrozenTrial

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports import ModelVersion, ObjectStore, Progress, Registry, Run, Tracker
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.pipeline import figures
from servicio_ml.pipeline.finish import Finished
from servicio_ml.pipeline.rows import Holdout
from servicio_ml.pipeline.standing import Standing, standing

TRAIN_RUN, STANDING = "train_run", "standing"
"""Tags: the parent run of runs and versions, and a version's row in the comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The ports that training uses, and where its studies are."""

    store: ObjectStore
    tracker: Tracker
    registry: Registry
    progress: Progress
    study_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Which of a candidate's models: `tuned`, or `refined` around it."""

    candidate: str
    name: str

    @property
    def tags(self) -> dict[str, str]:
        return {"step": "fit", "candidate": self.candidate, "stage": self.name}


class Record:
    """The record of one training, under its parent run."""

    def __init__(self, use_case: UseCase, manifest: Manifest, world: World, run: Run, scratch: Path) -> None:
        self._use_case, self._manifest, self._world = use_case, manifest, world
        self._run, self._scratch = run, scratch

    def data(self, trials: int, candidates: Sequence[str]) -> None:
        """What it is trained on, and with what budget."""
        manifest, counts = self._manifest, self._manifest.counts
        rows = {"train": counts.train, "test": counts.test}
        self._run.params(
            {
                "period": manifest.period, "data_digest": manifest.digest, "trials": trials,
                "candidates": ",".join(candidates),
                "features": ",".join(manifest.schema.names), "train_rows": rows["train"],
                "test_rows": rows["test"],
            }
        )  # fmt: skip
        for part, context in (("train", "training"), ("test", "evaluation")):
            name = f"{self._use_case.name} {manifest.period} {part}"
            source = f"{self._world.store.uri}/{manifest.files[part]}"
            self._run.dataset(name, digest=manifest.digest, source=source, context=context, rows=rows[part])

    def trial(self, candidate: str, study: str, trial: FrozenTrial) -> None:
        """One finished trial, as a nested run."""
        tags = {
            "step": "trial", "candidate": candidate, "state": trial.state.name, "study": study,
            TRAIN_RUN: self._run.id,
        }  # fmt: skip
        name = f"{candidate} trial {trial.number}"
        with self._world.tracker.run(self._use_case.name, name, tags=tags, parent=self._run.id) as run:
            run.params(trial.params)
            value = trial.value
            if value is None and trial.intermediate_values:
                value = trial.intermediate_values[max(trial.intermediate_values)]
            if value is not None:
                run.metrics({f"validation_{self._use_case.metric}": value})

    def candidate(self, each: Finished, stage: Stage, study: Study, test: Holdout, until: str) -> Standing:
        """A candidate's run, and its artifact as a version.

        Args:
            each: The candidate.
            stage: Which of its models.
            study: That its parameters are from, for the pictures.
            test: The holdout, for the pictures.
            until: From `rows.trained_until`.
        """
        name, model, row = each.candidate.name, self._use_case.name, standing(each)
        place = self._scratch / f"figures of {name} {stage.name}"
        figures.draw(place, self._use_case, test, each)
        figures.draw_study(place, study, self._use_case.metric)
        tags = {
            **stage.tags, "eligible": str(each.eligible).lower(), "reason": each.exported.reason,
            TRAIN_RUN: self._run.id,
        }  # fmt: skip
        with self._world.tracker.run(model, f"fit {name}", tags=tags, parent=self._run.id) as run:
            run.params({**each.candidate.fixed, **each.params})
            run.metrics(row.numbers)
            run.artifact(place, "figures")
            if each.folder is None:
                return row
            described = {
                "params": json.dumps(dict(each.params)), "period": self._manifest.period,
                "data_digest": self._manifest.digest, "trained_until": until, STANDING: row.to_tag(), **tags,
            }  # fmt: skip
            made = self._world.registry.register(model, each.folder, run_id=run.id, tags=described)
        kept = self._only(stage, made)
        if kept.version != made.version:
            self._world.tracker.delete(run.id)
        return standing_of(kept)

    def registered(self, stage: Stage) -> ModelVersion | None:
        """The first version that was registered of a candidate's model in this training."""
        wanted = {**stage.tags, TRAIN_RUN: self._run.id}.items()
        found = [
            each for each in self._world.registry.versions(self._use_case.name) if wanted <= each.tags.items()
        ]
        return min(found, key=lambda each: each.version, default=None)

    def _only(self, stage: Stage, made: ModelVersion) -> ModelVersion:
        """The version that stays where two processes have registered the same model at once: the first."""
        first = self.registered(stage) or made
        if first.version != made.version:
            self._world.registry.delete(made.model, made.version)
        return first

    def refining(self, each: Standing, study: Study) -> None:
        """The pictures of the study around the winner, with the winner's run."""
        place = self._scratch / "refine"
        figures.draw_study(place, study, self._use_case.metric)
        if each.version is None:
            return
        fitted = self._world.registry.version(self._use_case.name, each.version).run_id
        with self._world.tracker.run(self._use_case.name, "", resume=fitted) as run:
            run.artifact(place, "figures/refine")

    def winner(
        self, best: Standing, artifact: Artifact, matrix: Matrix, test: Holdout, table: Sequence[Standing]
    ) -> None:
        """The winner's metrics, the comparison of all candidates, the pictures of the whole.

        Args:
            best: The winner.
            artifact: Of it.
            matrix: `[n, features]` of the training rows.
            test: The holdout.
            table: Every candidate, in the order in which they are shown.
        """
        self._run.metrics({name: best.numbers[name] for name in best.metrics if name in best.numbers})
        pictures = self._scratch / "figures"
        figures.draw_correlation(pictures, self._use_case, self._manifest.schema.names, matrix)
        figures.draw_importance(pictures, self._use_case, artifact, test, best.latency_seconds)
        comparison = self._scratch / "comparison.json"
        comparison.write_text(json.dumps([each.to_json() for each in table], indent=1))
        self._run.artifact(comparison)
        self._run.artifact(pictures, "figures")


def standing_of(version: ModelVersion) -> Standing:
    """A registered version's row."""
    return Standing.from_tag(version.tags[STANDING]).registered(version.version)
