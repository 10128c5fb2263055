"""The kinds of faults that a backtest puts into a stream."""

from enum import StrEnum


class FaultKind(StrEnum):
    """What breaks: one sensor, a unit of measurement, the coding of a category, or the labels."""

    SENSOR = "sensor"
    UNIT = "unit"
    CODING = "coding"
    LABELS = "labels"
