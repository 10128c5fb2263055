"""The servers' environments: each of its own, from a hashed lock, built once."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "benchmarks" / "requirements"
SERVING, EVERYTHING = ROOT / "requirements" / "serving.txt", ROOT / "requirements" / "dev.txt"
OURS = "ours"
PEERS = ("bentoml", "litserve", "mlflow", "mlserver", "plain")
SHARED = ("joblib", "lightgbm", "numpy", "onnxruntime", "pandas", "scikit-learn", "scipy")
"""What reads the saved models is of the version that wrote them."""
STAMP = "lock.sha256"


def get_python(cache: Path, name: str) -> Path:
    """The interpreter of an environment, which is made when it is not there or its lock has changed.

    Args:
        cache: Folder that keeps them.
        name: A peer, or `OURS`: what the server's image installs, with the package itself as it is here.

    Raises:
        subprocess.CalledProcessError: The installation fails.
    """
    folder, lock = cache / name, SERVING if name == OURS else LOCKS / f"{name}.txt"
    python, digest = folder / "bin" / "python", hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / STAMP
    if stamp.is_file() and stamp.read_text() == digest:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run_uv("venv", "--python", sys.executable, str(folder))
    _run_uv("pip", "sync", "--python", str(python), "--require-hashes", str(lock))
    if name == OURS:
        how = ("--no-deps", "--build-constraints", str(EVERYTHING))
        _run_uv("pip", "install", "--python", str(python), *how, "--editable", str(ROOT / "servicio-ml"))
    stamp.write_text(digest)
    return python


def lock(constraints: Path) -> None:
    """Resolve every peer's lock anew, with our versions of what reads the models.

    Args:
        constraints: File to write those versions to.
    """
    wanted = re.compile(rf"^({'|'.join(SHARED)})==")
    pins = [line.removesuffix(" \\") for line in EVERYTHING.read_text().splitlines() if wanted.match(line)]
    constraints.write_text("\n".join(pins) + "\n")
    for peer in PEERS:
        _run_uv(
            *("pip", "compile", "--upgrade", "--universal", "--python-version", "3.11", "--generate-hashes"),
            *("--no-header", "--no-annotate", "-c", str(constraints)),
            *(str(LOCKS / f"{peer}.in"), "-o", str(LOCKS / f"{peer}.txt")),
        )


def _run_uv(*words: str) -> None:
    # bytecode is compiled once, not at the start of every server
    environment = {**os.environ, "UV_COMPILE_BYTECODE": "1"}
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *words], check=True, env=environment)
