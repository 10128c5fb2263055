"""Syntax of an arithmetic expression over fields: a small part of Python's, read by Python's parser."""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from keyword import iskeyword

from servicio_ml.domain.checks.plain_values import show

MAX_CHARACTERS, MAX_NODES = 500, 200
"""Maximum length of a text, and number of nodes of its tree: its nesting stays within Python's."""
MAX_CONSTANT = 2.0**127
"""Maximum of a number in an expression, about that of float32."""
FUNCTIONS = {"abs": 1, "log": 1, "sqrt": 1, "min": 2, "max": 2}
"""Minimum number of arguments by function; `min` and `max` take more."""
SYNTAX = (
    "it holds fields, numbers, brackets, + - * / **, one comparison (< <= > >= == !=) at a time, "
    "and abs, log, sqrt, min, max"
)
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)


@lru_cache(maxsize=256)
def parse_expression(text: str) -> ast.expr:
    """Parse an expression into a tree of names, numbers, operators, comparisons and calls of `FUNCTIONS`.

    Raises:
        ValueError: The text is too long or no such expression; the message describes the fault.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"the expression has {len(text)} characters; the maximum is {MAX_CHARACTERS}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        problem = _find_size_problem(tree) or next(_find_problems(tree), "")
    # nesting beyond the parser's depth ends in one of the last two
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{show(text)} is no expression; {_describe_words(text) or SYNTAX}") from error
    if problem:
        raise ValueError(f"{problem}; {SYNTAX}")
    if not list_names(tree):
        raise ValueError(f"{show(text)} names no field; an expression is computed from at least one")
    return tree


def list_names(tree: ast.expr) -> tuple[str, ...]:
    """List the fields that an expression names, each once, in alphabetical order."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called)
    return tuple(sorted({node.id for node in names}))


def _describe_words(text: str) -> str:
    """Describe the words of Python in a text, which are no names of fields in an expression."""
    words = sorted({word for word in re.findall(r"\w+", text) if iskeyword(word)})
    return f"fields called {', '.join(words)} (words of Python) need another name" if words else ""


def _find_size_problem(tree: ast.expr) -> str:
    count = sum(1 for _ in ast.walk(tree))
    return "" if count <= MAX_NODES else "the expression is too long; make several columns of it"


def _find_problems(tree: ast.expr) -> Iterator[str]:
    match tree:
        case ast.Name():
            return
        case ast.Constant(value=value):
            yield from _find_number_problems(value)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            yield from _find_problems(operand)
        case ast.BinOp(left=left, op=operator, right=right) if isinstance(operator, _OPERATORS):
            yield from _find_problems(left)
            yield from _find_problems(right)
        case ast.Compare(left=left, ops=[sign], comparators=[right]) if isinstance(sign, _COMPARISONS):
            yield from _find_problems(left)
            yield from _find_problems(right)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            yield from _find_call_problems(name, arguments)
        case _:
            yield f"{show(ast.unparse(tree))} cannot be computed"


def _find_number_problems(value: object) -> Iterator[str]:
    # a bool is an int too
    if type(value) not in {int, float}:
        yield f"{show(value)} is no number"
    # so that infinity, which Python reads from 1e999, is refused too
    elif not -MAX_CONSTANT <= value <= MAX_CONSTANT:  # type: ignore[operator]  # a number, as checked above
        yield "it holds a number beyond ±1.7e38"


def _find_call_problems(name: str, arguments: list[ast.expr]) -> Iterator[str]:
    minimum = FUNCTIONS[name]
    if len(arguments) < minimum or (minimum == 1 and len(arguments) > 1):
        wanted = "1 argument" if minimum == 1 else "2 arguments or more"
        yield f"{name} takes {wanted}, not {len(arguments)}"
    for argument in arguments:
        yield from _find_problems(argument)
