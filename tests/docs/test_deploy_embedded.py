"""docs/deploy-embedded.md names what is there; tests/deploy/embedded runs it."""

import re

from deploy.embedded.settings import UpOptions
from documents import ROOT, extract_blocks

PAGE = ROOT / "docs" / "deploy-embedded.md"
MAKEFILE = (ROOT / "Makefile").read_text()


def test_every_variable_is_documented() -> None:
    table = PAGE.read_text().split("## Variables")[1]
    documented = re.findall(r"^\| `([A-Z_]+)` \| `?([^`|]*)`? \|", table, re.MULTILINE)
    assert {name for name, _ in documented} == {name.upper() for name in UpOptions.model_fields}
    said = dict(documented)
    fixed = {name.upper(): made.default for name, made in UpOptions.model_fields.items() if made.default}
    assert {name: said[name] for name in fixed} == {name: f"{value}" for name, value in fixed.items()}


def test_every_command_is_a_target_of_make() -> None:
    commands = [line.split() for block in extract_blocks(PAGE, "console") for line in block.splitlines()]
    assert len(commands) == 6
    for program, target, *variables in commands:
        assert program == "make"
        rule = re.search(rf"^{target}: .*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
        assert rule is not None, target
        assert all(f"$({each.split('=')[0]})" in rule[1] for each in variables)
