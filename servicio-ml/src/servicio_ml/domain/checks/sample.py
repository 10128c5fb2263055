"""Checks of a synthetic sample: distributions, templates, and what its columns say of each other."""

from collections.abc import Iterable, Iterator
from string import Formatter
from typing import TYPE_CHECKING

from servicio_ml.domain.checks.fields import is_day
from servicio_ml.errors import UseCaseError, format_names

if TYPE_CHECKING:
    from servicio_ml.domain.sample import Factor, Marginal, Panel, SampleColumn, SyntheticSample, Text

# a unique value for each row: an identifier column needs one, and no distribution gives it
ROW = "row"
"""Name for the row number, six digits, in the templates of a `Text`."""


def raise_problem(where: str, problems: Iterator[str]) -> None:
    """Raise the first problem.

    Raises:
        UseCaseError: There is one.
    """
    if problem := next(problems, ""):
        raise UseCaseError(where, problem)


def find_factor_problems(factor: "Factor") -> Iterator[str]:
    """Describe what is wrong with a factor."""
    # 1 would repeat the first day for ever
    if abs(factor.persistence) >= 1:
        yield f"persistence is {factor.persistence}; it must be between -1 and 1"


def find_marginal_problems(marginal: "Marginal") -> Iterator[str]:
    """Describe what is wrong with a distribution."""
    if sum(map(bool, (marginal.quantiles, marginal.shares, marginal.dates))) != 1:
        yield "a marginal has either quantiles or shares or dates"
    if marginal.quantiles:
        yield from _find_quantile_problems(marginal)
    if marginal.shares and not sum(marginal.shares.values()) > 0:
        yield "its shares add up to 0; at least one must be above"
    if marginal.dates:
        yield from _find_day_problems(*marginal.dates)
    # noise fills the rest of the variance, and its share cannot be negative
    if marginal.explained > 1:
        yield f"the squares of the loadings {marginal.loadings} add up to more than 1"


def _find_day_problems(first: str, last: str) -> Iterator[str]:
    if wrong := [day for day in (first, last) if not is_day(day)]:
        yield f"{wrong[0]!r} is no date; write YYYY-MM-DD"
    elif first > last:
        yield f"its first day {first} is after its last {last}"


def _find_quantile_problems(marginal: "Marginal") -> Iterator[str]:
    chances = sorted(marginal.quantiles)
    if (chances[0], chances[-1]) != (0, 1):
        yield f"quantiles go from 0 to 1, not over {chances}"
    values = [marginal.quantiles[chance] for chance in chances]
    if values != sorted(values):
        yield f"its quantiles {values} must not descend"
    try:
        format(1.5, marginal.number_format)
    except ValueError:
        yield f"number_format is {marginal.number_format!r}; write a format of numbers, such as '.1f'"


def find_text_problems(text: "Text") -> Iterator[str]:
    """Describe what is wrong with templates."""
    if not sum(text.templates.values()) > 0:
        yield "it needs at least one template with a share above 0"
    for template in text.templates:
        try:
            names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
        except ValueError as error:
            yield f"template {template!r}: {error}; write {{name}} for a column and {{{{ for a bracket"
            return
        if not all(name[:1].isidentifier() for name in names):
            yield f"template {template!r} has a place without a name; write {{name}} for a column"


def list_names(templates: Iterable[str]) -> set[str]:
    """List the columns that templates name."""
    names = {
        name for template in templates for _, name, _, _ in Formatter().parse(template) if name is not None
    }
    return {name.partition("[")[0].partition(".")[0] for name in names}


def find_panel_problems(panel: "Panel") -> Iterator[str]:
    """Describe what is wrong with a panel."""
    if not panel.entities or len(set(panel.entities)) != len(panel.entities):
        yield "entities must be at least one, each named once"
    if not is_day(panel.last):
        yield f"last is {panel.last!r}; write YYYY-MM-DD"
    if panel.date == panel.entity:
        yield f"date and entity are the same column {panel.date!r}"


def find_sample_problems(sample: "SyntheticSample") -> Iterator[str]:
    """Describe what is wrong with a sample whose columns are right by themselves."""
    if unknown := set(sample.hidden) - set(sample.columns):
        yield f"hidden names no column {format_names(sorted(unknown))}"
    if sample.panel is None and any(
        factor.season or factor.persistence or factor.levels for factor in sample.factors
    ):
        yield "season, persistence and levels of factors need days and entities; declare a panel"
    seen: set[str] = set()
    # in the order of the file, which is also the order of the random draws
    for name, column in sample.columns.items():
        for problem in _find_column_problems(sample, column, seen):
            yield f"column {name!r} {problem}"
        seen.add(name)


def _find_column_problems(
    sample: "SyntheticSample", column: "SampleColumn", above: set[str]
) -> Iterator[str]:
    # columns are drawn in this order, so a column can read only those above it
    if lacking := _list_sources(column) - above:
        yield f"needs {', '.join(sorted(lacking))} declared above it"
    if len(getattr(column, "loadings", ())) > len(sample.factors):
        yield "has more loadings than there are factors"
    if sample.panel is None and _needs_panel(column):
        yield "needs days or entities; declare a panel"
    elif sample.panel and (strange := set(column.missing_at) - set(sample.panel.entities)):
        yield f"is missing at {format_names(sorted(strange))}, which is no entity of the panel"


def _list_sources(column: "SampleColumn") -> set[str]:
    named = {getattr(column, name, "") for name in ("source", "missing_with", "at_least", "at_most")}
    named |= list_names(getattr(column, "templates", ())) - {ROW}
    return named - {""}


def _needs_panel(column: "SampleColumn") -> bool:
    # only `NextDay` has a source and nothing else
    is_next_day = type(column).__name__ == "NextDay"
    return is_next_day or getattr(column, "lag", 0) > 0 or bool(column.missing_at)
