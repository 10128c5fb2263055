"""A server in memory that rolls out a challenger, with traffic and ground truth."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fakes.decision_log import MemoryDecisionLog
from fakes.tracker import MemoryTracker
from services import create_service
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.prediction import GroundTruth, Interface
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION, DecisionRecord
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.rollout import Rollout
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.lifecycle.experiments.maintainer import ExperimentMaintainer
from servicio_ml.lifecycle.model_history import ModelHistory
from servicio_ml.lifecycle.rollout.actions import begin_rollout
from servicio_ml.lifecycle.rollout.maintainer import RolloutMaintainer
from servicio_ml.serving.experiments.outcomes import OutcomeReader
from servicio_ml.serving.models.loaded_model import PredictionResult
from servicio_ml.serving.rollout.cycle import CountSaver, RolloutCycle
from servicio_ml.serving.rollout.losses import LossReader

MODEL, LEAD_SECONDS, JUDGE_SECONDS = "small", 25.0, 10.0
CHAMPION_VERSION, CHALLENGER_VERSION = 1, 2
FAST_RAMP = Ramp(
    shadow=1.0, steps=(0.2, 1.0), min_rows=200, max_loss_growth=0.2, max_expected_loss_growth=0.2,
    watch_hours=2.0,
)  # fmt: skip
BAD_SHARE = 0.6
"""Share of the rows for which a bad model gives the probability of the other class."""


class RolloutFixture:
    """A server with a champion and a challenger, which are equal unless `replace_predictions` is called."""

    def __init__(self, folder: Path, artifact_folder: Path) -> None:
        self.made = create_service(folder, artifact_folder)
        self.made.promote(artifact_folder, CHALLENGER)
        self.clock, self.plans, self.models = self.made.clock, self.made.plans, self.made.service.models
        self.tracker = MemoryTracker(folder / "runs", self.clock)
        self.history = ModelHistory(
            self.tracker, self.made.registry, NoStats(), self.clock, MemoryDecisionLog().hold_champion
        )
        self.history.record_outside_move(MODEL)
        self.cycles = [self.build_cycle()]
        self._golden = [
            json.dumps(each).encode() for each in self.models.get_champion(MODEL).artifact.golden["records"]
        ]
        self._random = np.random.default_rng(1)

    def build_cycle(self) -> RolloutCycle:
        """Build the regular work of another worker of the server."""
        service = self.made.service
        rollouts = RolloutMaintainer(
            self.plans, self.history, LossReader(service.log, service.models).read_losses, self.clock,
            judge_seconds=JUDGE_SECONDS, lead_seconds=LEAD_SECONDS,
        )  # fmt: skip
        experiments = ExperimentMaintainer(
            self.plans, OutcomeReader(service.log, service.models).read_outcomes, self.clock,
            judge_seconds=JUDGE_SECONDS, lead_seconds=LEAD_SECONDS,
        )  # fmt: skip
        saver = CountSaver(self.plans, service.predictor.arm_counter)
        return RolloutCycle(service.models, saver, rollouts, experiments)

    def start(self, ramp: Ramp = FAST_RAMP) -> None:
        begin_rollout(self.plans, MODEL, (CHAMPION_VERSION, CHALLENGER_VERSION), ramp, "ann", self.clock())
        self.models.refresh()

    @property
    def rollout(self) -> Rollout:
        (newest,) = self.plans.load(MODEL)
        assert isinstance(newest, Rollout)
        return newest

    @property
    def champion(self) -> int:
        found = self.made.registry.resolve(MODEL, CHAMPION)
        assert found is not None
        return found.version

    @property
    def decisions(self) -> list[DecisionRecord]:
        return list(self.history.list_decisions(MODEL).decisions)

    def ask(self, client: str) -> PredictionResult:
        """Predict for a client, as an interface does."""
        predictor = self.made.service.predictor
        loaded_model, purpose = predictor.route(MODEL, client)
        body = self._golden[int(self._random.integers(len(self._golden)))]
        matrix = loaded_model.decoder.decode_record(body).matrix
        return predictor.score_sync(loaded_model, matrix, Interface.REST, purpose)

    def send(self, rows: int, *, labelled: bool = True) -> list[PredictionResult]:
        """Send requests of as many clients, wait for the rows in shadow, and send the ground truth."""
        results = []
        for i in range(rows):
            results.append(self.ask(f"client {i}"))
            # more waiting rows would be dropped
            if not i % 50:
                self.wait_for_shadow()
        self.wait_for_shadow()
        if labelled:
            self.made.log.add_ground_truth([self.draw_truth(each) for each in results])
        return results

    def wait_for_shadow(self) -> None:
        # a task behind all others of the only thread
        self.made.service.predictor._shadow._executor.submit(int).result()

    def draw_truth(self, result: PredictionResult) -> GroundTruth:
        """Draw the ground truth with the probability that a good model gives it."""
        actual = float(self._random.random() < self.get_probability(result))
        return GroundTruth(prediction_id=result.ids[0], actual=actual, at=self.clock())

    def get_probability(self, result: PredictionResult) -> float:
        """Return the probability of the positive class that a good model gives."""
        artifact = self.models.get_or_load(MODEL, str(CHAMPION_VERSION)).artifact
        probabilities = artifact.output.transform(
            artifact.scorer.score(result.scored_batch.matrix)
        ).probabilities
        assert probabilities is not None
        return float(probabilities[result.start, 1])

    def run(self, seconds: float = JUDGE_SECONDS) -> None:
        """Let time pass, and let each worker do its regular work and refresh its models."""
        self.clock.now += seconds
        for cycle in self.cycles:
            cycle.run()
        self.models.refresh()

    def run_until(self, is_reached: Callable[[Rollout], bool], rows: int = 150) -> None:
        """Send requests until the rollout is as wanted."""
        for _ in range(200):
            if is_reached(self.rollout):
                return
            self.send(rows)
            self.run()
        pytest.fail(f"never reached: {self.rollout}")


def replace_predictions(monkeypatch: pytest.MonkeyPatch, place: RolloutFixture, version: int) -> None:
    """Make a version give the probability of the other class for a share of the rows."""
    bad, predict = place.models.get_or_load(MODEL, str(version)).artifact, Artifact.predict
    numbers = np.random.default_rng(2)

    def predict_badly(self: Artifact, matrix: Matrix) -> Predictions:
        found = predict(self, matrix)
        if self is not bad or found.probabilities is None:
            return found
        flipped = numbers.random(len(matrix)) < BAD_SHARE
        probabilities = np.where(flipped[:, None], found.probabilities[:, ::-1], found.probabilities)
        return Predictions(outcomes=(probabilities[:, 1] > 0.5).astype(float), probabilities=probabilities)

    monkeypatch.setattr(Artifact, "predict", predict_badly)
