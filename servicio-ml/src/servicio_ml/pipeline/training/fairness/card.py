"""The section of a model card about the groups of protected attributes."""

from collections.abc import Mapping, Sequence

from servicio_ml.domain.fairness.group_rates import GroupRates
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.output import Predictions
from servicio_ml.features.performance.group_rates import compute_group_rates
from servicio_ml.features.profile import ReferenceProfile
from servicio_ml.pipeline.training.dataset import Holdout

FAIRNESS_HEADING = "Fairness"
COLUMNS = (
    *("attribute", "group", "rows", "selection rate", "true positive rate", "false positive rate"),
    "calibration error",
)


def describe_fairness(
    use_case: UseCase, reference: ReferenceProfile, test: Holdout | None, answers: Predictions | None
) -> Mapping[str, Sequence[str]]:
    """Describe the rates of each group on the holdout; nothing without a protected attribute.

    Args:
        use_case: The use case, with its protected attributes.
        reference: Profile of the version, with the groups.
        test: The holdout; None without ground truth.
        answers: Predictions for it; None without one.
    """
    names = {each.field for each in use_case.protected_segments}
    if not names:
        return {}
    if test is None or answers is None:
        return {FAIRNESS_HEADING: ["Not measured: the rows that it was imported with have no ground truth."]}
    profiles = [each for each in reference.segments if each.field in names]
    rates = compute_group_rates(profiles, test.matrix, test.truth, answers, test.weights)
    about = f"Rates of the answer `{use_case.target.labels[1]}` on the holdout, by group."
    return {FAIRNESS_HEADING: [about, "", *_build_table(rates)]}


def _build_table(rates: Sequence[GroupRates]) -> list[str]:
    return [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", *map(_format_row, rates)]


def _format_row(each: GroupRates) -> str:
    numbers = (each.selection_rate, each.tpr, each.fpr, each.calibration_error)
    cells = " | ".join("–" if number != number else f"{number:.3f}" for number in numbers)  # noqa: PLR0124  NaN
    return f"| {each.field} | {each.group} | {each.rows} | {cells} |"
