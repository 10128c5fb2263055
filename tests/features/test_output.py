"""From scores to answers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from servicio_ml.features.output import CalibrationTable, OutputTransform

HALVED = CalibrationTable(scores=(0.0, 1.0), probabilities=(0.0, 0.5))


def test_a_binary_answer_is_calibrated_and_then_cut() -> None:
    output = OutputTransform(task="binary", labels=("no", "yes"), threshold=0.3, tables=(HALVED,))
    predictions = output.transform(np.array([[0.5, 0.5], [0.2, 0.8]]))
    assert predictions.probabilities is not None
    np.testing.assert_allclose(predictions.probabilities, [[0.75, 0.25], [0.6, 0.4]])
    assert predictions.outcomes.tolist() == [0, 1]


def test_several_classes_are_calibrated_one_by_one_and_add_up_to_one() -> None:
    plain = CalibrationTable(scores=(0.0, 1.0), probabilities=(0.0, 1.0))
    output = OutputTransform(task="multiclass", labels=("a", "b", "c"), tables=(HALVED, plain, plain))
    predictions = output.transform(np.array([[0.6, 0.4, 0.0]]))
    assert predictions.probabilities is not None
    np.testing.assert_allclose(predictions.probabilities, [[0.3 / 0.7, 0.4 / 0.7, 0.0]])
    assert predictions.outcomes.tolist() == [1]


def test_classes_that_are_all_impossible_are_equally_likely() -> None:
    never = CalibrationTable(scores=(0.0, 1.0), probabilities=(0.0, 0.0))
    output = OutputTransform(task="multiclass", labels=("a", "b"), tables=(never, never))
    np.testing.assert_allclose(output.calibrate(np.array([[0.5, 0.5]])), [[0.5, 0.5]])


def test_a_number_is_unlogged_and_kept_in_its_range() -> None:
    output = OutputTransform(task="regression", log=True, minimum=0, maximum=100)
    predictions = output.transform(np.log(np.array([[5.0], [500.0]])))
    np.testing.assert_allclose(predictions.outcomes, [5, 100])
    assert predictions.probabilities is None
    scaled = replace(output, scale=1.5).transform(np.log(np.array([[5.0], [500.0]])))
    np.testing.assert_allclose(scaled.outcomes, [7.5, 100])


@pytest.mark.parametrize(
    "output",
    [
        OutputTransform(task="binary", labels=("no", "yes"), threshold=0.3, tables=(HALVED,)),
        OutputTransform(
            task="regression", log=True, minimum=0.5, unit="INR", description="Price", scale=1.03
        ),
    ],
    ids=["binary", "regression"],
)
def test_an_output_survives_json(output: OutputTransform) -> None:
    assert OutputTransform.from_json(json.loads(json.dumps(output.to_json()))) == output


def test_an_output_of_before_it_said_what_it_predicts() -> None:
    document = OutputTransform(task="regression").to_json()
    del document["description"], document["unit"]
    assert OutputTransform.from_json(document) == OutputTransform(task="regression")
