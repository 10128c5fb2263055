"""`make backup TO=folder` and `make restore FROM=folder`; they need the standard library only."""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deploy.backup import compose, embedded
from deploy.backup.engine import ComposeEngine
from deploy.backup.manifest import BackupError, BackupManifest, read_manifest

ROOT = Path(__file__).parents[2]
MEBIBYTE = 1 << 20
START_COMMAND = "docker compose --profile all up --detach --build"
STATE_VARIABLE, DEFAULT_STATE = "SERVICIO_ML_STATE_DIR", ROOT / "var"
EXTERNAL_STORES = {
    "SERVICIO_ML_LAKE_URL": "the lake",
    "SERVICIO_ML_MLFLOW_URL": "MLflow",
    "SERVICIO_ML_STUDY_URL": "the studies",
    "SERVICIO_ML_LOG_URL": "the prediction log",
    "SERVICIO_ML_DATA_DIR": "the raw files",
}
"""Settings that move data out of the state folder, with the data they move."""
USE_CASES_VARIABLE, DEFAULT_USE_CASES = "SERVICIO_ML_USE_CASES_DIR", ROOT / "use_cases"


def main(words: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the command."""
    given = _build_parser().parse_args(words)
    state = Path(variables.get(STATE_VARIABLE) or DEFAULT_STATE)
    try:
        if given.verb == "backup":
            return _back_up(given, state, variables)
        return _restore(given, state)
    except (BackupError, OSError) as error:
        print(f"make {given.verb}: {error}", file=sys.stderr)
        return 1


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.backup", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    backup = verbs.add_parser("backup", help="back up a platform; it may run meanwhile")
    backup.add_argument("folder", type=Path, help="new folder for the backup")
    backup.add_argument("--of", choices=(embedded.KIND, compose.KIND), default=embedded.KIND)
    restore = verbs.add_parser("restore", help="fill an empty, stopped platform")
    restore.add_argument("folder", type=Path, help="folder of the backup")
    restore.add_argument("--replace", action="store_true", help="delete the platform's present data")
    return parser


def _back_up(given: argparse.Namespace, state: Path, variables: Mapping[str, str]) -> int:
    if given.folder.exists():
        raise BackupError(f"{given.folder} exists already; name a new folder")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if given.of == compose.KIND:
        made = compose.back_up(ComposeEngine(root=ROOT), given.folder, now)
    else:
        made = embedded.back_up(state, given.folder, now)
        for line in _list_excluded(variables):
            print(f"not in the backup: {line}", file=sys.stderr)
    print(f"{given.folder} holds {_describe_size(made)}; restore it by: make restore FROM={given.folder}")
    return 0


def _list_excluded(variables: Mapping[str, str]) -> Iterator[str]:
    """List the data of an embedded platform that is not in its state folder."""
    for name, data in EXTERNAL_STORES.items():
        if variables.get(name):
            yield f"{data}, which {name} keeps elsewhere"
    use_cases = Path(variables.get(USE_CASES_VARIABLE) or DEFAULT_USE_CASES)
    if any(use_cases.glob("*.py")):
        yield f"your use cases in {use_cases}; keep them in version control"


def _restore(given: argparse.Namespace, state: Path) -> int:
    manifest = read_manifest(given.folder)
    if manifest.of == compose.KIND:
        compose.restore(ComposeEngine(root=ROOT), given.folder, replace=given.replace)
        print(f"restored {_describe_size(manifest)} of {manifest.made_at}; go on: {START_COMMAND}")
        return 0
    embedded.restore(manifest, given.folder, state, replace=given.replace)
    print(f"restored {_describe_size(manifest)} of {manifest.made_at} into {state}; go on: make up")
    return 0


def _describe_size(manifest: BackupManifest) -> str:
    return f"{len(manifest.entries)} files, {manifest.bytes / MEBIBYTE:,.1f} MiB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
