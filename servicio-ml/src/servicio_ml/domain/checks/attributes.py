"""Checks of a dataclass against its own annotations: type, range and form of each attribute."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from servicio_ml.domain.checks.plain_values import find_plain_problem, show
from servicio_ml.errors import UseCaseError

SNAKE_CASE = re.compile(r"[a-z][a-z0-9_]*")
# one form of names that is valid in JSON, GraphQL, SQL, Parquet and metric labels alike
SNAKE_CASE_RULE = "snake case: a-z, 0-9 and _, a letter first"
TYPE_NAMES: Mapping[Any, str] = {
    str: "a text", float: "a number", int: "a whole number", bool: "True or False", NoneType: "None"
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Range of a number; `above` and `below` exclude the limit itself."""

    minimum: float = -math.inf
    maximum: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def find_problem(self, value: float) -> str:
        """Describe the range if a number lies outside; else return an empty text."""
        if self.minimum <= value <= self.maximum and self.above < value < self.below:
            return ""
        named = (
            ("at least", self.minimum), ("at most", self.maximum),
            ("above", self.above), ("below", self.below),
        )  # fmt: skip
        limits = (f"{word} {limit:g}" for word, limit in named if math.isfinite(limit))
        return f"it must be {' and '.join(limits)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextForm:
    """Form of a text.

    Attributes:
        pattern: Pattern that the full text must match.
        rule: Description of the form, for messages.
    """

    pattern: re.Pattern[str]
    rule: str

    def find_problem(self, value: str) -> str:
        """Describe the form if a text has another; else return an empty text."""
        return "" if self.pattern.fullmatch(value) else f"it must be {self.rule}"


Share = Annotated[float, Limits(minimum=0, maximum=1)]
"""A share from 0 to 1: 0.2 stands for 20 %."""
InnerShare = Annotated[float, Limits(above=0, below=1)]
Positive = Annotated[float, Limits(above=0)]
NotNegative = Annotated[float, Limits(minimum=0)]
Correlation = Annotated[float, Limits(minimum=-1, maximum=1)]
Count = Annotated[int, Limits(minimum=1)]
Natural = Annotated[int, Limits(minimum=0)]
Name = Annotated[str, TextForm(pattern=SNAKE_CASE, rule=SNAKE_CASE_RULE)]
Line = Annotated[
    str, TextForm(pattern=re.compile(r"\S[^\r\n]*"), rule="one line that begins with a character")
]
"""The name of a raw column, a dialect or a factor."""
OptionalLine = Annotated[
    str, TextForm(pattern=re.compile(r"|\S[^\r\n]*"), rule="one line that begins with a character")
]
Title = Annotated[
    str, TextForm(pattern=re.compile(r"\S[^\r\n\t]*"), rule="one line that begins with a character")
]
Caption = Annotated[str, TextForm(pattern=re.compile(r"[^\r\n\t]*"), rule="one line")]
Unit = Annotated[
    str, TextForm(pattern=re.compile(r"|\S|\S[^\r\n\t]*\S"), rule="one line without blanks around it")
]
# raw texts are stripped before they are compared, so a text with outer blanks would never be found
Stripped = Annotated[str, TextForm(pattern=re.compile(r"|\S|\S[^\r\n]*\S"), rule="without blanks around it")]
Label = Annotated[
    str, TextForm(pattern=re.compile(r"\S|\S[^\r\n]*\S"), rule="a text without blanks around it")
]


def check_attributes(definition: object, where: str) -> None:
    """Check each attribute of a dataclass against its annotation.

    Args:
        definition: Instance of a dataclass.
        where: Its kind and name, for the message.

    Raises:
        UseCaseError: An attribute has another type, lies outside its range or has another form.
    """
    kind: Any = type(definition)
    for name, annotation in _get_annotations(kind).items():
        if problem := find_problem(getattr(definition, name), annotation, name):
            raise UseCaseError(where, problem)


@cache
def _get_annotations(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind, include_extras=True)


def find_problem(value: Any, annotation: Any, path: str) -> str:
    """Describe in what a value differs from an annotation, with its place; else return an empty text."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return find_problem(value, arguments[0], path) or _find_rule_problem(value, arguments[1], path)
    if origin in {Union, UnionType}:
        return _find_union_problem(value, arguments, path)
    if origin is tuple:
        return _find_tuple_problem(value, arguments, path)
    if origin is not None and origin is not Literal and issubclass(origin, Mapping):
        return _find_mapping_problem(value, arguments, path)
    if origin is Literal:
        right = value in arguments and isinstance(value, str)
    else:
        right = _is_instance(value, annotation)
    if not right:
        return f"{path} is {show(value)}; it must be {describe_type(annotation)}"
    problem = find_plain_problem(value, is_whole=annotation is int)
    return f"{path} is {show(value)}; {problem}" if problem else ""


def _is_instance(value: Any, kind: Any) -> bool:
    # `bool` is a subclass of `int` and would pass as a number
    if kind in {int, float}:
        return isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    return isinstance(value, kind)


def _find_rule_problem(value: Any, rule: Limits | TextForm, path: str) -> str:
    problem = rule.find_problem(value)
    return f"{path} is {show(value)}; {problem}" if problem else ""


def _find_union_problem(value: Any, options: tuple[Any, ...], path: str) -> str:
    problems = [find_problem(value, option, path) for option in options]
    if not all(problems):
        return ""
    # an option of the value's own type says more than a list of types: what is out of its range, for one
    for option, problem in zip(options, problems, strict=True):
        kind = get_args(option)[0] if get_origin(option) is Annotated else option
        if _is_instance(value, get_origin(kind) or kind):
            return problem
    hint = _suggest_tuple(value) if any(get_origin(option) is tuple for option in options) else ""
    return f"{path} is {show(value)}; it must be {_join(options)}{hint}"


def _find_tuple_problem(value: Any, arguments: tuple[Any, ...], path: str) -> str:
    if not isinstance(value, tuple):
        return f"{path} is {show(value)}; it must be a tuple{_suggest_tuple(value)}"
    if arguments[-1:] == (...,):
        items: tuple[Any, ...] = arguments[:1] * len(value)
    elif len(arguments) == len(value):
        items = arguments
    else:
        return f"{path} has {len(value)} items; it must have {len(arguments)}"
    problems = (
        find_problem(item, kind, f"{path}[{i}]")
        for i, (item, kind) in enumerate(zip(value, items, strict=True))
    )
    return next(filter(None, problems), "")


def _suggest_tuple(value: Any) -> str:
    if isinstance(value, list | set | frozenset):
        return "; write (…, …) with round brackets"
    # the usual slip: `("a")` is the text "a"
    return f"; write ({show(value)},) with a comma" if not isinstance(value, Mapping | NoneType) else ""


def _find_mapping_problem(value: Any, arguments: tuple[Any, ...], path: str) -> str:
    if not isinstance(value, Mapping):
        return f"{path} is {show(value)}; it must be a mapping {{…: …}}"
    return next(filter(None, _find_item_problems(value, arguments, path)), "")


def _find_item_problems(value: Mapping[Any, Any], arguments: tuple[Any, ...], path: str) -> Iterator[str]:
    for key, item in value.items():
        yield find_problem(key, arguments[0], f"a key of {path}")
        yield find_problem(item, arguments[1], f"{path}[{show(key)}]")


def describe_type(annotation: Any) -> str:
    """Describe a type in words."""
    if annotation in TYPE_NAMES:
        return TYPE_NAMES[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin is Annotated:
        return describe_type(arguments[0])
    if origin in {Union, UnionType}:
        return _join(arguments)
    if origin is None and issubclass(annotation, StrEnum):
        return _join_words([f"{annotation.__name__}.{each.name}" for each in annotation])
    return {tuple: "a tuple", None: f"{annotation.__name__}(…)"}.get(origin, "a mapping")


def _join(options: tuple[Any, ...]) -> str:
    return _join_words(list(dict.fromkeys(map(describe_type, options))))


def _join_words(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
