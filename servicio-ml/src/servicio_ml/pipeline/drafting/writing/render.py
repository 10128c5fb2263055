"""Source text of a use case: only what differs from the defaults, one line a field."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field as Attribute
from dataclasses import fields
from enum import StrEnum
from typing import Any

from servicio_ml.domain.defaults.attributes import build_caption, build_example, build_title
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Target, UseCase

LONG_NUMBER = 1e15
"""Number from which whole numbers are written with an exponent."""
WIDTH = 120
"""Characters of a line: a field needs one of them in most cases."""
INDENT = "    "


def render_object(definition: Any) -> list[str]:
    """Render a definition as parts between which a line may be broken; defaults are left out."""
    parts = [part for name, value in list_attributes(definition) for part in render_named(name, value)]
    parts = [*parts[:-1], *(part.removesuffix(",") for part in parts[-1:])] or [""]
    parts[0] = f"{type(definition).__name__}({parts[0]}"
    return [*parts[:-1], f"{parts[-1]})"]


def fill_lines(parts: Sequence[str], indent: str) -> Iterator[str]:
    """Wrap parts into lines of at most `WIDTH` characters; further lines are indented by four more."""
    line = indent + parts[0]
    for part in parts[1:]:
        if len(line) + 1 + len(part) > WIDTH:
            yield line
            line = f"{indent}{INDENT}{part}"
        else:
            line = f"{line} {part}"
    yield line


def list_types(definition: Any) -> set[type[Any]]:
    """List the types that the source of a definition names."""
    if isinstance(definition, StrEnum):
        return {type(definition)}
    if isinstance(definition, tuple):
        return {kind for each in definition for kind in list_types(each)}
    if not hasattr(definition, "__dataclass_fields__"):
        return set()
    if isinstance(definition, Candidate):
        return set()  # a function makes the standard ones
    named = [kind for _, value in list_attributes(definition) for kind in list_types(value)]
    return {type(definition), *named}


def list_attributes(definition: Any) -> Iterator[tuple[str, Any]]:
    """List the attributes of a definition that differ from their defaults."""
    derived = _list_derived_defaults(definition)
    for attribute in fields(definition):
        value = getattr(definition, attribute.name)
        default = derived.get(attribute.name, _get_default(attribute))
        if type(value) is not type(default) or value != default:
            yield attribute.name, value


def _list_derived_defaults(definition: Any) -> Mapping[str, Any]:
    if isinstance(definition, UseCase):
        return {"title": build_title(definition.name)}
    if not isinstance(definition, Field | Target):
        return {}
    captions = {"column": definition.name, "description": build_caption(definition.column)}
    if not isinstance(definition, Field):
        return captions
    levels = {"levels": definition.levels} if definition.kind is Kind.BOOLEAN else {}
    return {**captions, **levels, "example": build_example(definition)}


def _get_default(attribute: Attribute[Any]) -> Any:
    return attribute.default if attribute.default_factory is NO_DEFAULT else attribute.default_factory()


def render_named(name: str, value: Any) -> Iterator[str]:
    """Render an argument with its comma, as parts between which a line may be broken."""
    first, *others = _render_value(value)
    parts = [f"{name}={first}", *others]
    yield from (*parts[:-1], f"{parts[-1]},")


def _render_value(value: Any) -> list[str]:
    if isinstance(value, StrEnum):
        return [f"{type(value).__name__}.{value.name}"]
    if isinstance(value, str):
        return [quote(value)]
    if isinstance(value, tuple):
        return _join_items([" ".join(_render_value(each)) for each in value], "()", is_tuple=True)
    if isinstance(value, Mapping):
        return _join_items(
            [f"{quote(key)}: {' '.join(_render_value(each))}" for key, each in value.items()], "{}"
        )
    return render_object(value) if hasattr(value, "__dataclass_fields__") else [_render_number(value)]


def _render_number(value: Any) -> str:
    is_short = isinstance(value, float) and value.is_integer() and abs(value) < LONG_NUMBER
    return repr(int(value)) if is_short else repr(value)


def _join_items(items: Sequence[str], brackets: str, *, is_tuple: bool = False) -> list[str]:
    if not items:
        return [brackets]
    parts = [*(f"{item}," for item in items[:-1]), items[-1] + ("," if is_tuple and len(items) == 1 else "")]
    parts[0] = brackets[0] + parts[0]
    return [*parts[:-1], parts[-1] + brackets[1]]


def quote(text: str) -> str:
    """Quote a text: in double quotes where it holds none, raw where that saves doubled backslashes."""
    if '"' in text or not text.isprintable():
        return repr(text)
    return f'r"{text}"' if "\\" in text and not text.endswith("\\") else json.dumps(text, ensure_ascii=False)
