"""What a person may do with a rollout on the command line."""

from enum import StrEnum


class RolloutAction(StrEnum):
    """Actions of `servicio-ml rollout`."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    STATUS = "status"
