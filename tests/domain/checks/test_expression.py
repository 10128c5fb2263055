"""What is no expression is refused with its fault."""

import re

import pytest

from servicio_ml.domain.checks.expression import list_names, parse_expression


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size +", "'size +' is no expression; it holds fields, numbers, brackets"),
        ("", "'' is no expression"),
        (
            "class / 2 + in",
            "'class / 2 + in' is no expression; fields called class, in (words of Python) need another name",
        ),
        ("a = 2", "'a = 2' is no expression"),
        ("1 + 2", "'1 + 2' names no field"),
        ("size % 2", "'size % 2' cannot be computed"),
        ("size.real", "'size.real' cannot be computed"),
        ("size[0]", "'size[0]' cannot be computed"),
        ("~size", "'~size' cannot be computed"),
        ("(lambda: size)()", "cannot be computed"),
        ("__import__('os')", "cannot be computed"),
        ("min(a=size, b=2)", "cannot be computed"),
        ("min(*size, 2)", "cannot be computed"),
        ("size < 1 < 2", "'size < 1 < 2' cannot be computed"),
        ("size + 'a'", "'a' is no number"),
        ("size * True", "True is no number"),
        ("size * 2j", "2j is no number"),
        ("size * 1e999", "it holds a number beyond ±1.7e38"),
        ("log(size, 2)", "log takes 1 argument, not 2"),
        ("min(size)", "min takes 2 arguments or more, not 1"),
        ("-" * 300 + "size", "the expression is too long"),
        ("(" * 230 + "size" + ")" * 230, "is no expression"),
        ("size" * 200, "the expression has 800 characters; the maximum is 500"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_expression(text)


def test_a_field_may_have_the_name_of_a_function() -> None:
    assert list_names(parse_expression("log(max(min, 1)) + abs + abs")) == ("abs", "min")
