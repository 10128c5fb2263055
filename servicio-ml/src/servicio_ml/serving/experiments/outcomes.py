"""Outcomes of an experiment: the answers to clients with a key that have ground truth."""

from collections import defaultdict
from collections.abc import Callable

from servicio_ml.domain.experiments.design import ExperimentMetric
from servicio_ml.domain.experiments.experiment import Experiment
from servicio_ml.domain.experiments.outcome_sums import OutcomeSums, OutcomeTable
from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.domain.prediction import LabelledPrediction, Purpose
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.rollout.losses import compute_loss

ComputeValue = Callable[[LabelledPrediction], float]


class OutcomeReader:
    """Reads the outcomes of experiments.

    Args:
        log: Prediction log.
        models: Loaded models, which know how a version loses.
    """

    def __init__(self, log: PredictionLog, models: LoadedModels) -> None:
        self._log, self._models = log, models

    def read_outcomes(self, experiment: Experiment, now: float) -> OutcomeTable:
        """Read the outcomes of an experiment until its end.

        All are read each time, by the newest ground truth: a correction replaces what was received before.

        Args:
            experiment: Experiment.
            now: Time in seconds since 1970.

        Raises:
            ServicioError: The log cannot be read, or a version cannot be loaded.
        """
        phases = [defaultdict[int, OutcomeSums](OutcomeSums) for _ in experiment.phases]
        compute_value = self._create_metric(experiment)
        end = now if experiment.ended_at is None else experiment.ended_at
        for each in self._log.read_ground_truth(experiment.model, experiment.since, end):
            prediction = each.prediction
            phase = experiment.find_phase(prediction.at)
            # what a client asked for by version was not assigned
            if (
                phase is not None
                and prediction.purpose == Purpose.CANARY
                and prediction.version in experiment.versions
            ):
                phases[phase][prediction.version].add(compute_value(each))
        return OutcomeTable(phases=phases)

    def _create_metric(self, experiment: Experiment) -> ComputeValue:
        """Create the function that computes the value of a row, whose mean is compared."""
        metric = experiment.design.metric
        if metric is ExperimentMetric.TRUTH:
            return lambda labelled: labelled.actual
        if metric is ExperimentMetric.ERROR:
            return lambda labelled: float(labelled.prediction.outcome != labelled.actual)
        versions = {
            version: self._models.get_or_load(experiment.model, str(version))
            for version in experiment.versions
        }
        return lambda labelled: _compute_loss(versions[labelled.prediction.version], labelled)


def _compute_loss(version: LoadedModel, labelled: LabelledPrediction) -> float:
    if not version.labels:
        return compute_loss(version, labelled.prediction, labelled.actual)
    # halved, as the metric `brier` of a training
    return compute_loss(version, labelled.prediction, version.labels[int(labelled.actual)]) / 2
