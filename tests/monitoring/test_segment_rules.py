"""Records of segments against NumPy, on random counts of errors and error sums."""

from pathlib import Path

import numpy as np
import pytest
from monitoring.rules import build_groups

from promtool import Expected, format_series, run
from servicio_ml.features.bins import Numbers
from servicio_ml.features.performance.loss_excess import LossReference, compute_loss_excess

VALUES = 30
MINE = {"model": "rain", "version": "3", "segment": "site"}
CLOSE = 1e-6
Drawn = dict[str, Numbers]


def draw(random: np.random.Generator, *, is_share: bool) -> tuple[Drawn, Numbers]:
    """Draw the metrics of some values, and compute the excess of their losses."""
    rows = random.integers(1, 300, VALUES).astype(float)
    known = random.integers(30, 3000, VALUES).astype(float)
    reference = random.uniform(0.01, 0.6, VALUES)
    drawn = {"labels_total": rows, "reference_rows": known, "reference_loss": reference}
    if is_share:
        wrong = random.binomial(rows.astype(int), reference).astype(float)
        # none and all of them wrong
        wrong[0], wrong[1] = 0, rows[1]
        excess = compute_loss_excess(
            rows, wrong / rows, wrong / rows, LossReference(rows=known, loss=reference, variance=None)
        )
        return {**drawn, "loss_total": wrong}, excess
    errors = [random.gamma(0.8, reference[i], int(n)) for i, n in enumerate(rows)]
    # a mean without a variance
    errors[0] = np.full(int(rows[0]), 0.5)
    sums = np.array([each.sum() for each in errors])
    squares = np.array([(each**2).sum() for each in errors])
    variance = reference**2 * random.uniform(0.5, 2, VALUES)
    excess = compute_loss_excess(
        rows, sums / rows, squares / rows, LossReference(rows=known, loss=reference, variance=variance)
    )
    more = {"loss_total": sums, "squared_loss_total": squares, "reference_variance": variance}
    return {**drawn, **more}, excess


@pytest.mark.slow
@pytest.mark.parametrize("is_share", [True, False], ids=["error rates", "errors"])
def test_the_excess_is_that_of_numpy(*, is_share: bool, tmp_path: Path) -> None:
    drawn, excess = draw(np.random.default_rng(7), is_share=is_share)
    effect = 1.7
    series = {
        format_series("servicio_ml_segment_design_effect", **MINE, instance=each): f"{effect}+0x9"
        for each in ("a", "b")
    }
    for name, values in drawn.items():
        for i, value in enumerate(values.tolist()):
            labels = {**MINE, "value": f"v{i}", "job": "servicio-ml"}
            if not name.endswith("total"):
                for instance in ("a", "b"):
                    series[format_series(f"servicio_ml_segment_{name}", **labels, instance=instance)] = (
                        f"{value!r}+0x9"
                    )
            else:
                # the rows of two servers
                for instance, share in (("a", 0.25), ("b", 0.75)):
                    series[format_series(f"servicio_ml_segment_{name}", **labels, instance=instance)] = (
                        f"0 {value * share!r}+0x8"
                    )
    wanted = (excess / np.sqrt(effect)).tolist()
    tests = [
        "abs("
        + format_series("segment:loss:deviations", **MINE, value=f"v{i}", window="30d")
        + f" - {number!r}) < bool {CLOSE}"
        for i, number in enumerate(wanted)
    ]
    groups = [group for group in build_groups() if group.name == "models"]
    expected = Expected(query=f"sum({' or '.join(tests)})", at="20m", samples={"{}": float(VALUES)})
    assert run(groups, series, [expected], tmp_path) == ""


def test_an_excess_is_as_rare_as_of_a_normal_distribution() -> None:
    """Beyond three standard errors: .00135; a normal approximation of 40 errors has .004."""
    random, streams, rows = np.random.default_rng(1), 200_000, 40
    wrong = random.binomial(rows, 0.08, streams)
    of_shares = compute_loss_excess(
        np.full(streams, rows), wrong / rows, wrong / rows,
        LossReference(rows=np.array(1e9), loss=np.array(0.08), variance=None),
    )  # fmt: skip
    errors = random.exponential(size=(streams, rows))
    of_means = compute_loss_excess(
        np.full(streams, rows), errors.mean(axis=1), (errors**2).mean(axis=1),
        LossReference(rows=np.array(1e9), loss=np.array(1.0), variance=np.array(1.0)),
    )  # fmt: skip
    assert 0.0002 < (of_shares > 3).mean() < 0.003
    assert 0.0002 < (of_means > 3).mean() < 0.00135
