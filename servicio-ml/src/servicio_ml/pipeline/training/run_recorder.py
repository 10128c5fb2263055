"""What training leaves in MLflow: runs, metrics, pictures, versions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from optuna import Study
from optuna.trial import FrozenTrial

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.progress import Progress
from servicio_ml.domain.ports.registry import ModelVersion, Registry
from servicio_ml.domain.ports.tracker import Run, Tracker
from servicio_ml.domain.search import BLEND
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.lifecycle.version_tags import (
    CANDIDATE_TAG,
    FAMILY_TAG,
    FRAMEWORK_TAG,
    PARAMS_TAG,
    RESULT_TAG,
)
from servicio_ml.pipeline.training import plots as figures
from servicio_ml.pipeline.training.blending.blend import split_params
from servicio_ml.pipeline.training.build_candidate import BuiltCandidate
from servicio_ml.pipeline.training.candidate_result import CandidateResult, build_candidate_result
from servicio_ml.pipeline.training.dataset import Holdout
from servicio_ml.pipeline.training.parameters import name_frameworks

TRAIN_RUN = "train_run"
"""Tag of runs and versions with their parent run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPorts:
    """The ports that training uses, and where its studies are."""

    store: ObjectStore
    tracker: Tracker
    registry: Registry
    progress: Progress
    study_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateStage:
    """Which of a candidate's models: `tuned`, or `refined` around it."""

    candidate: str
    name: str

    @property
    def tags(self) -> dict[str, str]:
        return {"step": "fit", CANDIDATE_TAG: self.candidate, "stage": self.name}


class RunRecorder:
    """The record of one training, under its parent run."""

    def __init__(
        self, use_case: UseCase, manifest: Manifest, ports: TrainingPorts, run: Run, scratch: Path
    ) -> None:
        self._use_case, self._manifest, self._ports = use_case, manifest, ports
        self._run, self._scratch = run, scratch
        # what the metrics of runs and versions are weighted by
        self._weight = {"sample_weight": use_case.sample_weight} if use_case.sample_weight else {}

    def record_data(self, trials: int, candidates: Sequence[str]) -> None:
        """What it is trained on, and with what budget."""
        manifest, counts = self._manifest, self._manifest.counts
        rows = {"train": counts.train, "test": counts.test}
        self._run.log_params(
            {
                "period": manifest.period, "data_digest": manifest.digest, "trials": trials,
                "candidates": ",".join(candidates),
                "features": ",".join(manifest.schema.names), "train_rows": rows["train"],
                "test_rows": rows["test"], **self._weight,
            }
        )  # fmt: skip
        for split, context in (("train", "training"), ("test", "evaluation")):
            name = f"{self._use_case.name} {manifest.period} {split}"
            source = f"{self._ports.store.uri}/{manifest.files[split]}"
            self._run.log_dataset(
                name, digest=manifest.digest, source=source, context=context, rows=rows[split]
            )

    def record_trial(self, candidate: str, study: str, trial: FrozenTrial) -> None:
        """One finished trial, as a nested run."""
        tags = {
            "step": "trial", "candidate": candidate, "state": trial.state.name, "study": study,
            TRAIN_RUN: self._run.id, **self._weight,
        }  # fmt: skip
        name = f"{candidate} trial {trial.number}"
        with self._ports.tracker.open_run(self._use_case.name, name, tags=tags, parent=self._run.id) as run:
            run.log_params(trial.params)
            value = trial.value
            # a pruned trial has no value, but the value at its last fold shows why
            if value is None and trial.intermediate_values:
                value = trial.intermediate_values[max(trial.intermediate_values)]
            if value is not None:
                run.log_metrics({f"validation_{self._use_case.metric}": value})

    def record_candidate(
        self, each: BuiltCandidate, stage: CandidateStage, study: Study | None, test: Holdout, until: str
    ) -> CandidateResult:
        """A candidate's run, and its artifact as a version.

        Args:
            each: The candidate.
            stage: Which of its models.
            study: Study that found its parameters, for the plots.
            test: The holdout, for the pictures.
            until: From `rows.trained_until`.
        """
        name, model, row = each.candidate.name, self._use_case.name, build_candidate_result(each)
        place = self._scratch / f"figures of {name} {stage.name}"
        figures.draw_plots(place, self._use_case, test, name, each.predictions)
        if study is not None:
            figures.draw_study(place, study, self._use_case.metric)
        tags = {
            **stage.tags, "eligible": str(each.eligible).lower(), "reason": each.exported.reason,
            TRAIN_RUN: self._run.id, **self._weight,
        }  # fmt: skip
        with self._ports.tracker.open_run(model, f"fit {name}", tags=tags, parent=self._run.id) as run:
            run.log_params({**each.candidate.fixed, **each.params})
            run.log_metrics(row.numbers)
            run.log_artifact(place, "figures")
            if each.folder is None:
                return row
            described = {
                PARAMS_TAG: json.dumps({**each.candidate.fixed, **each.params}),
                **self._describe_family(each), "period": self._manifest.period,
                "data_digest": self._manifest.digest, "trained_until": until,
                RESULT_TAG: row.to_tag(), **tags,
            }  # fmt: skip
            made = self._ports.registry.register(model, each.folder, run_id=run.id, tags=described)
        # decided after registering, since the registry has no lock that both processes share
        kept = self._keep_first(stage, made)
        if kept.version != made.version:
            self._ports.tracker.delete_run(run.id)
        return read_candidate_result(kept)

    def _describe_family(self, each: BuiltCandidate) -> dict[str, str]:
        """Describe what kind of model it is, and which libraries have fitted it."""
        families = [each.candidate.family]
        if families == [BLEND]:
            members = split_params(each.params)
            families = [known.family for known in self._use_case.candidates if known.name in members]
        return {FAMILY_TAG: each.candidate.family, FRAMEWORK_TAG: name_frameworks(families)}

    def find_registered(self, stage: CandidateStage) -> ModelVersion | None:
        """The first version that was registered of a candidate's model in this training."""
        wanted = {**stage.tags, TRAIN_RUN: self._run.id}.items()
        found = [
            each
            for each in self._ports.registry.list_versions(self._use_case.name)
            if wanted <= each.tags.items()
        ]
        # the first version wins, so all processes agree without a lock
        return min(found, key=lambda each: each.version, default=None)

    def _keep_first(self, stage: CandidateStage, made: ModelVersion) -> ModelVersion:
        """The version that stays where two processes have registered the same model at once: the first."""
        first = self.find_registered(stage) or made
        if first.version != made.version:
            self._ports.registry.delete(made.model, made.version)
        return first

    def record_refining(self, each: CandidateResult, study: Study) -> None:
        """The pictures of the study around the winner, with the winner's run."""
        place = self._scratch / "refine"
        figures.draw_study(place, study, self._use_case.metric)
        if each.version is None:
            return
        fitted = self._ports.registry.get_version(self._use_case.name, each.version).run_id
        with self._ports.tracker.open_run(self._use_case.name, "", resume=fitted) as run:
            run.log_artifact(place, "figures/refine")

    def record_winner(
        self,
        best: CandidateResult,
        artifact: Artifact,
        matrix: Matrix,
        test: Holdout,
        table: Sequence[CandidateResult],
    ) -> None:
        """The winner's metrics, the comparison of all candidates, and the plots of the model.

        Args:
            best: The winner.
            artifact: Artifact of the winner.
            matrix: `[n, features]` of the training rows.
            test: The holdout.
            table: Every candidate, in the order in which they are shown.
        """
        self._run.log_metrics({name: best.numbers[name] for name in best.metrics if name in best.numbers})
        pictures = self._scratch / "figures"
        figures.draw_correlation(pictures, self._use_case, self._manifest.schema.names, matrix)
        figures.draw_importance(pictures, self._use_case, artifact, test, best.latency_seconds)
        comparison = self._scratch / "comparison.json"
        comparison.write_text(json.dumps([each.to_json() for each in table], indent=1))
        self._run.log_artifact(comparison)
        self._run.log_artifact(pictures, "figures")


def read_candidate_result(version: ModelVersion) -> CandidateResult:
    """A registered version's row."""
    return CandidateResult.from_tag(version.tags[RESULT_TAG]).register(version.version)
