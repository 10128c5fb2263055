"""The plan of a training: what is tuned, with which budget, and its fingerprint."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.search import BLEND, Candidate, Parameter
from servicio_ml.domain.use_case import UseCase


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What to train.

    Attributes:
        candidates: Candidates to tune and compare.
        trials: Number of trials of each candidate.
        seconds: Time limit for tuning and refining all candidates.
        start: Candidate to the parameters of its first trial.
        threads: Maximum number of threads of a model.
        force: Whether to train where nothing is new.
    """

    candidates: tuple[Candidate, ...]
    trials: int
    seconds: float
    threads: int
    start: Mapping[str, Mapping[str, Parameter]] = field(default_factory=dict)
    force: bool = False

    @property
    def names(self) -> list[str]:
        return [candidate.name for candidate in self.candidates]

    @property
    def tuned(self) -> tuple[Candidate, ...]:
        """Candidates that are tuned: all but a blend, which is made of them when the winner is selected."""
        return tuple(candidate for candidate in self.candidates if candidate.family != BLEND)

    @property
    def blend(self) -> Candidate | None:
        return next((candidate for candidate in self.candidates if candidate.family == BLEND), None)

    def get_initial_params(self, candidate: Candidate) -> dict[str, Parameter]:
        return {**candidate.start, **self.start.get(candidate.name, {})}


def compute_fingerprint(use_case: UseCase, manifest: Manifest, plan: TrainingPlan) -> str:
    """SHA-256 of all that decides what training leaves: data, definition, plan and code version."""
    searched = [(candidate, plan.get_initial_params(candidate)) for candidate in plan.candidates]
    inputs = (_list_definition(use_case, manifest), searched, plan.trials, version("servicio-ml"))
    return hashlib.sha256(repr(inputs).encode()).hexdigest()


def compute_study_digest(use_case: UseCase, manifest: Manifest, candidate: Candidate) -> str:
    """Compute 12 digits of a SHA-256 of all that decides the value of a trial beside its parameters.

    Trials of another objective, metric, weight or fixed parameter cannot be compared with new ones; a wider
    space and more trials go on with a study.
    """
    own = (candidate.family, candidate.fixed, candidate.monotone, candidate.tuning_rows)
    inputs = (_list_definition(use_case, manifest), own)
    return hashlib.sha256(repr(inputs).encode()).hexdigest()[:12]


def _list_definition(use_case: UseCase, manifest: Manifest) -> tuple[object, ...]:
    # the promotion policy is absent: it does not change what training produces
    return (
        manifest.digest, use_case.task, use_case.target, use_case.metric, use_case.split,
        use_case.class_weights, use_case.sample_weight, use_case.objective, manifest.schema,
    )  # fmt: skip


def build_plan_document(manifest: Manifest, plan: TrainingPlan) -> dict[str, Any]:
    """Build the document that a training's run keeps of its plan."""
    return {
        "manifest": manifest.to_json(), "candidates": plan.names, "trials": plan.trials,
        "seconds": plan.seconds, "start": {name: dict(params) for name, params in plan.start.items()},
    }  # fmt: skip
