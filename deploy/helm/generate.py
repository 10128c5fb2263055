"""Write what the chart has from elsewhere, its schema and the rules: `python -m deploy.helm.generate`."""

import json
from collections.abc import Mapping
from pathlib import Path

from monitoring.generate import text
from monitoring.rules import groups

from deploy.helm.schema import values_schema

CHART = Path(__file__).parent / "servicio-ml"


def files() -> Mapping[Path, str]:
    """Every generated file of the chart and what it holds; a chart can read nothing outside of its folder."""
    rules = {CHART / "rules" / f"{group.name}.yaml": text(group) for group in groups()}
    return {CHART / "values.schema.json": json.dumps(values_schema(), indent=2) + "\n", **rules}


def main() -> None:
    for path, content in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)


if __name__ == "__main__":
    main()
