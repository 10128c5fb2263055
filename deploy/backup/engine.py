"""Programs that run in the containers of the stack."""

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
"""Service whose image has an S3 client and whose containers have the credentials."""
BUCKET_PROGRAM = Path(__file__).with_name("bucket.py")
FOLDER_SERVICE = "airflow-cli"
"""Service whose containers may write the folders of use cases and raw files."""
FOLDER_PROGRAM = Path(__file__).with_name("folder.py")
SUPERUSER = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeEngine:
    """Docker Compose.

    Attributes:
        root: Folder of docker-compose.yaml.
    """

    root: Path

    def run_database_program(
        self, *words: str, source: IO[bytes] | None = None, sink: IO[bytes] | None = None
    ) -> bytes:
        """Run a program of PostgreSQL in the container of the database, as superuser; return its output.

        Raises:
            BackupError: Docker is missing, or the program fails.
        """
        program, *rest = words
        within = ("exec", "-T", DATABASE_SERVICE, program, "--username", SUPERUSER, *rest)
        return self._run(within, source, sink)

    def query_lines(self, database: str, statement: str) -> Sequence[str]:
        """Run an SQL statement and return its rows as lines of text.

        Raises:
            BackupError: Docker is missing, or the statement fails.
        """
        words = ("psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--tuples-only", "--no-align", "--quiet")
        output = self.run_database_program(*words, "--dbname", database, "--command", statement)
        return output.decode().split("\n")[:-1]

    def run_bucket_program(
        self, verb: str, name: str, source: IO[bytes] | None = None, sink: IO[bytes] | None = None
    ) -> bytes:
        """Run `bucket.py` on a bucket in a new container; return its output.

        Raises:
            BackupError: Docker is missing, or the program fails.
        """
        python = ("python", "-c", BUCKET_PROGRAM.read_text(), verb, name)
        return self._run(("run", "--rm", "--no-deps", "-T", BUCKET_SERVICE, *python), source, sink)

    def run_folder_program(
        self, verb: str, name: str, source: IO[bytes] | None = None, sink: IO[bytes] | None = None
    ) -> bytes:
        """Run `folder.py` on the folder of the variable `name` in a new container; return its output.

        Raises:
            BackupError: Docker is missing, or the program fails.
        """
        python = ("python", "-c", FOLDER_PROGRAM.read_text(), verb, name)
        return self._run(("run", "--rm", "--no-deps", "-T", FOLDER_SERVICE, *python), source, sink)

    def _run(self, words: Sequence[str], source: IO[bytes] | None, sink: IO[bytes] | None) -> bytes:
        if shutil.which(COMPOSE[0]) is None:
            raise BackupError("docker is not installed; run the command on the machine of the stack")
        done = subprocess.run(
            [*COMPOSE, *words], cwd=self.root, check=False, stderr=subprocess.PIPE,
            stdin=source or subprocess.DEVNULL, stdout=sink or subprocess.PIPE,
        )  # fmt: skip
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip() or "it printed no error"
            what = " ".join(word for word in words if "\n" not in word)
            raise BackupError(f"docker compose {what} ended with {done.returncode}: {said}")
        return done.stdout or b""
