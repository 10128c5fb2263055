"""Fills the generated blocks of the documents from the catalogue: `python docs/generate.py`."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from servicio_ml.domain.derived import Derived
from servicio_ml.domain.schema import Field
from servicio_ml.domain.use_case import ColumnSplit, DateSplit, GroupSplit, Origin, Target, Task, UseCase
from servicio_ml.errors import format_names
from servicio_ml.settings import Settings, get_variable
from servicio_ml.use_cases.catalogue import DEFAULT, load_catalogue

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "settings.md", ROOT / "docs" / "use-cases.md")
ATTRIBUTE = re.compile(r"^ +(\w+): (.+)$", re.MULTILINE)
BLOCK = re.compile(r"(<!-- generated: (?P<what>[a-z-]+) ?(?P<name>\w*) -->\n).*?(<!-- end -->)", re.DOTALL)
TASKS = {
    Task.BINARY: "binary classification",
    Task.MULTICLASS: "classification of {} levels",
    Task.REGRESSION: "regression",
}


def fill(text: str) -> str:
    """The page with every generated block as the catalogue has it now."""
    use_cases = load_catalogue()

    def build_block(match: re.Match[str]) -> str:
        wanted = [use_cases[match["name"]]] if match["name"] else list(use_cases.values())
        return f"{match[1]}\n{BLOCKS[match['what']](wanted)}\n\n{match[4]}"

    return BLOCK.sub(build_block, text)


def _format_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = (columns, ["---"] * len(columns), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _build_overview(use_cases: Sequence[UseCase]) -> str:
    return _format_table(
        ("use case", "task", "target", "candidates", "raw file", "where from"),
        [
            (
                f"[`{each.name}`](docs/use-cases.md#{each.name})"
                + (" (the default)" if each.name == DEFAULT else ""),
                _describe_task(each),
                _describe_target(each.target),
                ", ".join(candidate.name.replace("_", " ") for candidate in each.candidates),
                each.origin.file,
                _describe_origin(each.origin),
            )
            for each in use_cases
        ],
    )


def _describe_task(use_case: UseCase) -> str:
    return TASKS[use_case.task].format(len(use_case.target.labels))


def _describe_target(target: Target) -> str:
    unit = f" ({target.unit})" if target.unit else ""
    if not target.labels:
        return f"`{target.column}`{unit}"
    if not target.edges:
        return f"`{target.column}`: {' or '.join(target.labels)}"
    cuts = [f"{edge:g}" for edge in target.edges]
    steps = [part for pair in zip(target.labels, cuts, strict=False) for part in (pair[0], f"< {pair[1]} ≤")]
    return f"`{target.column}`: {' '.join((*steps, target.labels[-1]))}"


def _describe_origin(origin: Origin) -> str:
    places = [f"Kaggle `{origin.kaggle}`"] if origin.kaggle else []
    return " or ".join([*places, f"UCI {origin.uci}"] if origin.uci else places)


def _build_facts(use_cases: Sequence[UseCase]) -> str:
    [use_case] = use_cases
    promotion = use_case.promotion
    facts = {
        "task": _describe_task(use_case),
        "target": f"{_describe_target(use_case.target)}; {use_case.target.description}"
        + (", fitted on its logarithm" if use_case.target.log else ""),
        "original": f"{use_case.origin.file}, {_describe_origin(use_case.origin)}",
        "licence": use_case.origin.licence,
        "dialects read": ", ".join(dialect.name for dialect in use_case.dialects),
        "copies of a row": "dropped" if use_case.deduplicate else "kept",
        "split": _split(use_case),
        "candidates": ", ".join(f"`{candidate.name}`" for candidate in use_case.candidates),
        "promoted by": f"`{promotion.metric}`, floor {promotion.floor:g}; worst slice of "
        + ", ".join(f"`{name}`" for name in promotion.slices),
    }
    return _format_table(("", ""), list(facts.items()))


def _split(use_case: UseCase) -> str:
    split = use_case.split
    if isinstance(split, DateSplit):
        return (
            f"the last {split.test_share:.0%} of the rows by `{split.field}`; {split.folds} expanding windows"
        )
    if isinstance(split, ColumnSplit):
        return f"the rows whose `{split.field}` is {split.test}; {split.folds}-fold cross-validation"
    if isinstance(split, GroupSplit):
        return f"{split.test_share:.0%} by a hash of `{split.field}`; {split.folds} folds of whole groups"
    return f"{split.test_share:.0%} by a hash of the row's features; {split.folds}-fold cross-validation"


def _build_inputs(use_cases: Sequence[UseCase]) -> str:
    [use_case] = use_cases
    fields = _format_table(
        ("field", "raw column", "takes", "what it is"),
        [
            (f"`{field.name}`", ", ".join(field.columns), _describe_allowed(field), field.description)
            for field in use_case.schema.fields
        ],
    )
    derived = _format_table(
        ("derived column", "made by"),
        [(f"`{each.name}`", _describe_derived(each)) for each in use_case.schema.derived],
    )
    return f"{fields}\n\n{derived}"


def _describe_allowed(field: Field) -> str:
    parse = field.parse
    notes = [
        field.allowed.replace(f"one of {', '.join(field.levels)}", f"one of {format_names(field.levels)}"),
        *(f"{number:g} means missing" for number in parse.missing_numbers),
        *(f"1 {unit} = {factor:g} {field.unit}" for unit, factor in parse.units.items() if factor != 1),
        *(["the file may lack it"] if field.optional else []),
    ]
    return "; ".join(notes)


def _describe_derived(column: Derived) -> str:
    return f"{type(column).__name__.lower()} of {', '.join(f'`{source}`' for source in column.sources)}"


def _build_settings(_: Sequence[UseCase]) -> str:
    meanings = dict(ATTRIBUTE.findall(Settings.__doc__ or ""))
    return _format_table(
        ("variable", "when not set", "what it is"),
        [
            (f"`{get_variable(name)}`", f"`{field.default}`" if field.default else "–", meanings[name])
            for name, field in Settings.model_fields.items()
        ],
    )


BLOCKS: Mapping[str, Callable[[Sequence[UseCase]], str]] = {
    "overview": _build_overview,
    "facts": _build_facts,
    "inputs": _build_inputs,
    "settings": _build_settings,
}

if __name__ == "__main__":
    for page in PAGES:
        page.write_text(fill(page.read_text()))
