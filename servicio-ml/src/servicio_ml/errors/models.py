"""Errors of registry, training, promotion and retraining."""

from servicio_ml.errors.base import ServicioError


class RegistryError(ServicioError):
    """MLflow cannot be reached or refuses."""

    def __init__(self, registry: str, problem: str) -> None:
        super().__init__(f"MLflow at {registry}: {problem}")


class NoSuchModelError(RegistryError):
    """The registry has no such model, version or alias."""

    def __init__(self, model: str, wanted: str, remedy: str) -> None:
        ServicioError.__init__(self, f"model {model!r} has no {wanted}; {remedy}")


class ReloadError(ServicioError):
    """A server cannot be notified of a new champion."""

    def __init__(self, server: str, problem: str) -> None:
        super().__init__(
            f"server {server}: {problem}; it checks for itself every SERVICIO_ML_POLL_SECONDS seconds"
        )


class TrainingError(ServicioError):
    """No model can be trained, exported or promoted."""

    def __init__(self, use_case: str, problem: str) -> None:
        super().__init__(f"{use_case}: {problem}")


class PromotionError(TrainingError):
    """A version cannot become champion in the present state of the registry."""


class RolloutError(TrainingError):
    """A rollout cannot begin, or cannot be changed, in the present state of the model."""


class ArtifactError(TrainingError):
    """A model artifact is incomplete or wrong."""


class ForeignModelError(ArtifactError):
    """A registered version has no artifact of this platform."""

    def __init__(self, model: str, version: int, kind: str) -> None:
        problem = (
            f"version {version} is {kind} that servicio-ml did not make, so it has no schema for requests"
            f"; register it by `servicio-ml import {model} --model models:/{model}/{version} --data FILE`, or"
            f" run `servicio-ml rollback {model}`"
        )
        super().__init__(model, problem)


class RetrainingError(ServicioError):
    """A retraining cannot be started."""

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"{model} is not retrained: {problem}")
