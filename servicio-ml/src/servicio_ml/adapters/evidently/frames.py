"""Rows, predictions and ground truth as pandas frames for Evidently, with the kind of each column."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, MulticlassClassification, Regression

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.bins import Numbers
from servicio_ml.features.comparison import LabelledSample
from servicio_ml.features.decoder import decode_codes, decode_field
from servicio_ml.features.output import POSITIVE, OutputTransform, Predictions

TRUTH, ANSWER, PROBABILITY = "ground truth", "answer", "probability of the positive class"
BINARY = "binary"


def build_rows(schema: FeatureSchema, matrix: Numbers) -> pd.DataFrame:
    """Build a frame of field values from an encoded matrix `[n, features]`; derived columns are not read."""
    columns: dict[str, Any] = {}
    for i, each in enumerate(schema.fields):
        if each.has_levels:
            columns[each.name] = decode_labels(each.levels, matrix[:, i])
        elif each.is_dated:
            columns[each.name] = decode_field(schema, i, matrix).to_pandas(date_as_object=False)
        else:
            # of a text the number of its words, whose distribution a report can draw
            columns[each.name] = pd.Series(matrix[:, i].astype(np.float64))
    return pd.DataFrame(columns)


def decode_labels(names: Sequence[str], codes: Numbers) -> "pd.Series[str]":
    """Decode codes `[n]` to their labels; NaN is missing."""
    return pd.Series(decode_codes(names, codes).to_pandas(), dtype="str")


def build_dataset(schema: FeatureSchema, frame: pd.DataFrame, names: Sequence[str]) -> Dataset:
    """Build an Evidently data set of some columns of a frame."""
    fields = [schema.get_field(name) for name in names]
    definition = DataDefinition(
        numerical_columns=[each.name for each in fields if not (each.has_levels or each.is_dated)],
        categorical_columns=[each.name for each in fields if each.has_levels],
        datetime_columns=[each.name for each in fields if each.is_dated],
    )
    return Dataset.from_pandas(frame[list(names)], data_definition=definition)


def build_prediction_dataset(name: str, output: OutputTransform, answers: Predictions) -> Dataset:
    """Build the data set by which drift of the prediction is evaluated, see `Predictions.shown`."""
    if output.labels and output.task != BINARY:
        frame = pd.DataFrame({name: decode_labels(output.labels, answers.outcomes)})
        return Dataset.from_pandas(frame, data_definition=DataDefinition(categorical_columns=[name]))
    frame = pd.DataFrame({name: answers.binned_values.astype(np.float64)})
    return Dataset.from_pandas(frame, data_definition=DataDefinition(numerical_columns=[name]))


def build_quality_dataset(output: OutputTransform, quality: LabelledSample) -> Dataset:
    """Build the data set of predictions and their ground truth."""
    answers = quality.answers
    if answers.probabilities is None:
        frame = pd.DataFrame({TRUTH: quality.truth, ANSWER: answers.outcomes})
        regression = DataDefinition(
            numerical_columns=[TRUTH, ANSWER], regression=[Regression(target=TRUTH, prediction=ANSWER)]
        )
        return Dataset.from_pandas(frame, data_definition=regression)
    frame = pd.DataFrame(
        {
            TRUTH: decode_labels(output.labels, quality.truth),
            ANSWER: decode_labels(output.labels, answers.outcomes),
        }
    )
    if output.task == BINARY:
        frame[PROBABILITY] = answers.probabilities[:, POSITIVE]
        binary = BinaryClassification(
            target=TRUTH, prediction_labels=ANSWER, prediction_probas=PROBABILITY,
            pos_label=output.labels[POSITIVE],
        )  # fmt: skip
        probabilities, task = [PROBABILITY], [binary]
    else:
        # Evidently expects a probability under the name of its class
        probabilities = list(output.labels)
        frame[probabilities] = answers.probabilities
        task = [
            MulticlassClassification(target=TRUTH, prediction_labels=ANSWER, prediction_probas=probabilities)
        ]
    definition = DataDefinition(
        categorical_columns=[TRUTH, ANSWER], numerical_columns=probabilities, classification=task
    )
    return Dataset.from_pandas(frame, data_definition=definition)
