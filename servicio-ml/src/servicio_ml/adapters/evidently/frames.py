"""Rows, answers and ground truth as the pandas frames that Evidently reads, every column's kind stated."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, MulticlassClassification, Regression

from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.features.comparison import Judged
from servicio_ml.features.output import POSITIVE, Output, Predictions
from servicio_ml.features.profile import Numbers

TRUTH, ANSWER, PROBABILITY = "ground truth", "answer", "probability of the positive class"
BINARY = "binary"


def rows(schema: FeatureSchema, matrix: Numbers) -> pd.DataFrame:
    """A matrix `[n, fields]` as its fields' values."""
    columns: dict[str, Any] = {}
    for i, each in enumerate(schema.fields):
        values = matrix[:, i]
        if each.kind is Kind.CATEGORY:
            columns[each.name] = labels(each.levels, values)
        elif each.kind is Kind.DATE:
            columns[each.name] = pd.to_datetime(pd.Series(values.astype(np.float64)), unit="D")
        else:
            columns[each.name] = pd.Series(values.astype(np.float64))
    return pd.DataFrame(columns)


def labels(names: Sequence[str], codes: Numbers) -> "pd.Series[str]":
    """Codes `[n]` as their texts; NaN is missing."""
    known = ~np.isnan(codes)
    texts = np.full(len(codes), None, dtype=object)
    texts[known] = np.array(names, dtype=object)[codes[known].astype(np.int64)]
    return pd.Series(texts, dtype="str")


def described(schema: FeatureSchema, frame: pd.DataFrame, only: Sequence[str]) -> Dataset:
    """Some columns of a frame as a data set of Evidently's."""
    kinds = {each.name: each.kind for each in schema.fields}
    numbers = [name for name in only if kinds[name] in {Kind.NUMBER, Kind.INTEGER}]
    definition = DataDefinition(
        numerical_columns=numbers,
        categorical_columns=[name for name in only if kinds[name] is Kind.CATEGORY],
        datetime_columns=[name for name in only if kinds[name] is Kind.DATE],
    )
    return Dataset.from_pandas(frame[list(only)], data_definition=definition)


def shown(name: str, output: Output, answers: Predictions) -> Dataset:
    """What drift of the prediction is judged by, under a name of its own: see `Predictions.shown`."""
    if output.labels and output.task != BINARY:
        frame = pd.DataFrame({name: labels(output.labels, answers.outcomes)})
        return Dataset.from_pandas(frame, data_definition=DataDefinition(categorical_columns=[name]))
    frame = pd.DataFrame({name: answers.shown.astype(np.float64)})
    return Dataset.from_pandas(frame, data_definition=DataDefinition(numerical_columns=[name]))


def judged(output: Output, quality: Judged) -> Dataset:
    """Answers beside what really happened."""
    answers = quality.answers
    if answers.probabilities is None:
        frame = pd.DataFrame({TRUTH: quality.truth, ANSWER: answers.outcomes})
        regression = DataDefinition(
            numerical_columns=[TRUTH, ANSWER], regression=[Regression(target=TRUTH, prediction=ANSWER)]
        )
        return Dataset.from_pandas(frame, data_definition=regression)
    frame = pd.DataFrame(
        {TRUTH: labels(output.labels, quality.truth), ANSWER: labels(output.labels, answers.outcomes)}
    )
    if output.task == BINARY:
        frame[PROBABILITY] = answers.probabilities[:, POSITIVE]
        binary = BinaryClassification(
            target=TRUTH, prediction_labels=ANSWER, prediction_probas=PROBABILITY,
            pos_label=output.labels[POSITIVE],
        )  # fmt: skip
        probabilities, task = [PROBABILITY], [binary]
    else:
        # Evidently knows a class's probability by the class's own name
        probabilities = list(output.labels)
        frame[probabilities] = answers.probabilities
        task = [
            MulticlassClassification(target=TRUTH, prediction_labels=ANSWER, prediction_probas=probabilities)
        ]
    definition = DataDefinition(
        categorical_columns=[TRUTH, ANSWER], numerical_columns=probabilities, classification=task
    )
    return Dataset.from_pandas(frame, data_definition=definition)
