"""Programs within the containers of the running stack."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy.backup.manifest import BackupError

COMPOSE = ("docker", "compose", "--profile", "all")
DATABASE_SERVICE = "postgres"
BUCKET_SERVICE = "api"
"""Whose image speaks S3, and whose containers know the credentials."""
BUCKET_PROGRAM = Path(__file__).with_name("bucket.py")
SUPERUSER = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Docker Compose.

    Attributes:
        root: Folder of docker-compose.yaml.
    """

    root: Path

    def database(self, *words: str, source: IO[bytes] | None = None, sink: IO[bytes] | None = None) -> bytes:
        """Run one of PostgreSQL's programs beside it, as its superuser.

        Raises:
            BackupError: It failed.
        """
        program, *rest = words
        within = ("exec", "-T", DATABASE_SERVICE, program, "--username", SUPERUSER, *rest)
        return self._run(within, source, sink)

    def query(self, database: str, statement: str) -> Sequence[str]:
        """The lines that a statement gives."""
        words = ("psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--tuples-only", "--no-align", "--quiet")
        told = self.database(*words, "--dbname", database, "--command", statement)
        return told.decode().split("\n")[:-1]

    def bucket(
        self, verb: str, bucket: str, source: IO[bytes] | None = None, sink: IO[bytes] | None = None
    ) -> bytes:
        """Run the program of the buckets.

        Raises:
            BackupError: It failed.
        """
        python = ("python", "-c", BUCKET_PROGRAM.read_text(), verb, bucket)
        return self._run(("run", "--rm", "--no-deps", "-T", BUCKET_SERVICE, *python), source, sink)

    def _run(self, words: Sequence[str], source: IO[bytes] | None, sink: IO[bytes] | None) -> bytes:
        if shutil.which(COMPOSE[0]) is None:
            raise BackupError("there is no docker; the command is run where the stack is")
        done = subprocess.run(
            [*COMPOSE, *words], cwd=self.root, check=False, stderr=subprocess.PIPE,
            stdin=source or subprocess.DEVNULL, stdout=sink or subprocess.PIPE,
        )  # fmt: skip
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip() or "it said nothing"
            what = " ".join(word for word in words if "\n" not in word)
            raise BackupError(f"docker compose {what} ended with {done.returncode}: {said}")
        return done.stdout or b""
