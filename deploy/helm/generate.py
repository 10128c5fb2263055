"""Write the generated files of the chart, its schema and the rules: `python -m deploy.helm.generate`."""

import json
from collections.abc import Mapping
from pathlib import Path

from monitoring.generate import to_text
from monitoring.rules import build_groups

from deploy.helm.schema import build_values_schema

CHART = Path(__file__).parent / "servicio-ml"


def generate_files() -> Mapping[Path, str]:
    """Generate the files of the chart: path to content. A chart cannot read files outside of its folder."""
    rules = {CHART / "rules" / f"{group.name}.yaml": to_text(group) for group in build_groups()}
    return {CHART / "values.schema.json": json.dumps(build_values_schema(), indent=2) + "\n", **rules}


def main() -> None:
    for path, content in generate_files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)


if __name__ == "__main__":
    main()
