"""The model card: what a version is, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.search import BLEND, Candidate
from servicio_ml.domain.use_case import UseCase
from servicio_ml.pipeline.evaluate import ClassMetrics
from servicio_ml.pipeline.training.blending.blend import WEIGHT, split_params
from servicio_ml.pipeline.training.export import ExportedModel
from servicio_ml.pipeline.training.fitting import TrainingProblem

UNMEASURED = (
    "Not measured: the rows that it was imported with have no ground truth. Its quality, its calibration and"
    " the limits of a loss of performance are not known."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOrigin:
    """Where a model comes from.

    Attributes:
        name: Name of the candidate.
        lines: Lines of a Markdown list about it.
    """

    name: str
    lines: tuple[str, ...]


def describe_candidate(
    problem: TrainingProblem,
    candidate: Candidate,
    params: Mapping[str, Any],
    exported: ExportedModel,
    source: str,
) -> ModelOrigin:
    """Describe a candidate that was trained here."""
    lines = (
        *_describe_model(candidate, params),
        f"- Trained on {len(problem.matrix)} rows of {source}.",
        *_describe_weights(problem.use_case),
        f"- One row takes {exported.latency_seconds * 1000:.3f} ms on the training machine.",
        f"- ONNX differs from its original by at most {exported.parity:.1e} on the holdout.",
    )
    return ModelOrigin(name=candidate.name, lines=lines)


def render_model_card(
    problem: TrainingProblem,
    origin: ModelOrigin,
    metrics: Mapping[str, float],
    classes: Sequence[ClassMetrics],
    sections: Mapping[str, Sequence[str]],
) -> str:
    """Render a Markdown card of a model version.

    Args:
        problem: The training rows.
        origin: Where the model comes from.
        metrics: Every metric on the holdout; none without ground truth.
        classes: Metrics of each class on the holdout; none for two classes.
        sections: Lines of further sections by heading.
    """
    use_case = problem.use_case
    target = use_case.target
    number = "a number" if use_case.quantile is None else f"its {use_case.quantile:g} quantile, a number"
    answer = (
        f"one of {', '.join(target.labels)}" if target.labels else f"{number} [{target.unit or 'no unit'}]"
    )
    lines = [
        f"# {use_case.title}: {origin.name}",
        "",
        use_case.description,
        "",
        f"- Predicts: {target.name} — {target.description}; {answer}.",
        *origin.lines,
        "",
        "## On the holdout",
        "",
        *_render_metrics(metrics),
        "",
        *_render_classes(classes),
        *(line for name, each in sections.items() for line in (f"## {name}", "", *each, "")),
        "## Inputs",
        "",
        "| field | takes | what |",
        "|---|---|---|",
        *(f"| {each.name} | {each.allowed} | {each.description} |" for each in problem.setting.schema.fields),
    ]
    return "\n".join(lines) + "\n"


def _render_metrics(metrics: Mapping[str, float]) -> list[str]:
    if not metrics:
        return [UNMEASURED]
    rows = (f"| {name} | {value:.4f} | {_describe_formula(name)} |" for name, value in metrics.items())
    return ["| metric | value | how |", "|---|---|---|", *rows]


def _describe_weights(use_case: UseCase) -> list[str]:
    if not use_case.sample_weight:
        return []
    column = use_case.schema.get_field(use_case.sample_weight).column
    text = (
        f"- Rows count with the weight in their column `{column}`: in the fit, in the calibration and in"
        " every metric below; numbers of rows are not weighted."
    )
    return [text]


def _describe_model(candidate: Candidate, params: Mapping[str, Any]) -> list[str]:
    if candidate.family != BLEND:
        return [f"- Model: {candidate.family}, {_format_pairs({**candidate.fixed, **params})}."]
    members = (
        f"  - {name}, weight {own.pop(WEIGHT):.2f}: {_format_pairs(own)}."
        for name, own in split_params(params).items()
    )
    return ["- Model: weighted average of the scores of these candidates, in one ONNX graph:", *members]


def _render_classes(classes: Sequence[ClassMetrics]) -> list[str]:
    """Render the table of the classes; of two classes, the metrics say it all."""
    if not classes:
        return []
    rows = (
        f"| {each.label} | {each.rows} | {each.precision:.4f} | {each.recall:.4f} | {each.f1:.4f} |"
        for each in classes
    )
    head = ["| class | rows | precision | recall | F1 |", "|---|---|---|---|---|"]
    return ["## Each class on the holdout", "", *head, *rows, ""]


def _describe_formula(metric: str) -> str:
    return METRICS[metric].formula if metric in METRICS else "before calibration"


def _format_pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )
