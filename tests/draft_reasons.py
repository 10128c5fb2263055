"""Templates of the reasons of a draft, as its source has them."""

import ast
from functools import cache
from pathlib import Path

from servicio_ml.pipeline import drafting
from servicio_ml.pipeline.drafting.reasons import SEPARATOR, format_reason
from streamlit_app.translation import compile_template

FOLDER = Path(drafting.__file__).parent


def list_template_arguments() -> list[ast.expr]:
    """List the first arguments of all calls of `format_reason`."""
    trees = [ast.parse(path.read_text()) for path in FOLDER.rglob("*.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call.args[0] for call in calls if getattr(call.func, "id", "") == format_reason.__name__]


@cache
def list_templates() -> frozenset[str]:
    """List the templates."""
    return frozenset(str(each.value) for each in list_template_arguments() if isinstance(each, ast.Constant))


def find_unknown_sentences(reason: str) -> list[str]:
    """Find the sentences of a reason that no template gives, and no page translates."""
    patterns = [compile_template(each) for each in list_templates()]
    sentences = reason.split(SEPARATOR)
    return [each for each in sentences if not any(pattern.fullmatch(each) for pattern in patterns)]
