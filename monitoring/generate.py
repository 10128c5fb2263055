"""Write the rules that are committed: `python -m monitoring.generate`."""

from pathlib import Path

import yaml
from monitoring.rule import Group
from monitoring.rules import document, groups

RULES = Path(__file__).parent / "prometheus" / "rules"
HEAD = "# Generated from monitoring/*.py by `python -m monitoring.generate`; do not edit.\n"
LINE_CHARACTERS = 120


def text(group: Group) -> str:
    """The file of one group."""
    return HEAD + yaml.safe_dump(document([group]), sort_keys=False, width=LINE_CHARACTERS)


def main() -> None:
    RULES.mkdir(parents=True, exist_ok=True)
    for group in groups():
        (RULES / f"{group.name}.yaml").write_text(text(group))


if __name__ == "__main__":
    main()
