"""Code blocks of the project's documents, read and run."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TRAIN_RAIN = """
servicio-ml data sample rain_australia
servicio-ml etl rain_australia
servicio-ml train rain_australia --candidate decision_tree --trials 1
"""
"""Script that makes a champion on synthetic rows."""


def extract_blocks(page: Path, language: str) -> list[str]:
    """Extract the contents of a page's fenced blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def run_script(script: str, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script as a user in an empty folder who has activated this environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SERVICIO_ML_")}
    path = os.pathsep.join((str(Path(sys.executable).parent), clean["PATH"]))
    return subprocess.run(
        ["sh", "-e"],
        input=script,
        cwd=folder,
        env={**clean, "PATH": path, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
