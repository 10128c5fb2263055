"""What a person may do with an experiment on the command line."""

from enum import StrEnum


class ExperimentAction(StrEnum):
    """Actions of `servicio-ml experiment`."""

    START = "start"
    STOP = "stop"
    STATUS = "status"
    EXPORT = "export"


class BetterTruth(StrEnum):
    """Which ground truth is better."""

    MORE = "more"
    LESS = "less"
