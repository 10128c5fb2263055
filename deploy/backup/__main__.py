"""`make backup TO=folder` and `make restore FROM=folder`. It needs nothing but Python."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deploy.backup import compose, embedded
from deploy.backup.engine import Engine
from deploy.backup.manifest import BackupError, Manifest, read

ROOT = Path(__file__).parents[2]
MEBIBYTE = 1 << 20
START = "docker compose --profile all up --detach"
STATE, DEFAULT_STATE = "SERVICIO_ML_STATE_DIR", ROOT / "var"
ELSEWHERE = {
    "SERVICIO_ML_LAKE_URL": "the lake",
    "SERVICIO_ML_MLFLOW_URL": "MLflow",
    "SERVICIO_ML_STUDY_URL": "the studies",
    "SERVICIO_ML_LOG_URL": "the prediction log",
}
"""Settings that let something be kept outside of the state folder."""


def main(words: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run the command."""
    given = _parser().parse_args(words)
    state = Path(variables.get(STATE) or DEFAULT_STATE)
    try:
        if given.verb == "backup":
            return _backup(given, state, variables)
        return _restore(given, state)
    except (BackupError, OSError) as error:
        print(f"make {given.verb}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.backup", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    backup = verbs.add_parser("backup", help="back up a platform, which may run meanwhile")
    backup.add_argument("folder", type=Path, help="that is made; it must not be there")
    backup.add_argument("--of", choices=(embedded.KIND, compose.KIND), default=embedded.KIND)
    restore = verbs.add_parser("restore", help="fill an empty platform, which does not run")
    restore.add_argument("folder", type=Path, help="of the backup")
    restore.add_argument("--replace", action="store_true", help="delete what the platform has")
    return parser


def _backup(given: argparse.Namespace, state: Path, variables: Mapping[str, str]) -> int:
    if given.folder.exists():
        raise BackupError(f"{given.folder} is there already; name a new folder")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    if given.of == compose.KIND:
        made = compose.backup(Engine(root=ROOT), given.folder, now)
    else:
        made = embedded.backup(state, given.folder, now)
        for name in ELSEWHERE.keys() & {name for name, value in variables.items() if value}:
            print(f"not in the backup: {ELSEWHERE[name]}, which {name} keeps elsewhere", file=sys.stderr)
    print(f"{given.folder} holds {_size(made)}; restore it by: make restore FROM={given.folder}")
    return 0


def _restore(given: argparse.Namespace, state: Path) -> int:
    manifest = read(given.folder)
    if manifest.of == compose.KIND:
        compose.restore(Engine(root=ROOT), given.folder, replace=given.replace)
        print(f"restored {_size(manifest)} of {manifest.made_at}; go on: {START}")
        return 0
    embedded.restore(manifest, given.folder, state, replace=given.replace)
    print(f"restored {_size(manifest)} of {manifest.made_at} into {state}; go on: make up")
    return 0


def _size(manifest: Manifest) -> str:
    return f"{len(manifest.entries)} files, {manifest.bytes / MEBIBYTE:,.1f} MiB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
