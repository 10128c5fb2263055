"""The lake's folder in which one ETL step leaves its output for the next."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.pipeline.etl.job import EtlJob
from servicio_ml.pipeline.etl.publish import DIGEST_DIGITS
from servicio_ml.pipeline.reading.input_file import compute_file_digest

STAGING, START_FILE = "staging", "started.json"
JsonDocument = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagingFolder:
    """Folder of one raw file in one period.

    Attributes:
        job: Job of this process.
        prefix: Key of the folder, without a slash at the end.
    """

    job: EtlJob
    prefix: str

    @classmethod
    def from_raw_file(cls, job: EtlJob, digest: str) -> "StagingFolder":
        # both, since one file may be published for several periods at the same time
        name = hashlib.sha256(f"{job.period} {digest}".encode()).hexdigest()[:DIGEST_DIGITS]
        return cls(job=job, prefix=f"{job.use_case.name}/{STAGING}/{name}")

    @classmethod
    def from_key(cls, job: EtlJob, key: str) -> "StagingFolder":
        return cls(job=job, prefix=key.rpartition("/")[0])

    def put(self, name: str, path: Path) -> str:
        """Upload a file and return its URI."""
        store, key = self.job.store, f"{self.prefix}/{name}"
        store.put(key, path)
        return f"{store.uri}/{key}"

    def put_by_content(self, path: Path) -> str:
        """Upload a file under a name that holds its digest, and return its key."""
        name = f"{path.stem}-{compute_file_digest(path)[:DIGEST_DIGITS]}{path.suffix}"
        self.put(name, path)
        return f"{self.prefix}/{name}"

    def put_document(self, name: str, document: JsonDocument) -> str:
        """Upload a document and return its URI."""
        path = self.job.folder / name
        path.write_text(json.dumps(document), encoding="utf-8")
        return self.put(name, path)

    def put_document_by_content(self, stem: str, document: JsonDocument) -> str:
        """Upload a document under a name that holds its digest, and return its URI."""
        # sorted, so that the same content has the same name in every process
        text = json.dumps(document, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]
        return self.put_document(f"{stem}-{digest}.json", document)

    def read_document(self, name: str) -> dict[str, Any]:
        """Read a document.

        Raises:
            NotPublishedError: The document does not exist (any more).
        """
        store, key = self.job.store, f"{self.prefix}/{name}"
        try:
            text = store.fetch(key).read_text(encoding="utf-8")
        except NotPublishedError as error:
            raise NotPublishedError(store.uri, key, "run the steps again, from step extract on") from error
        document: dict[str, Any] = json.loads(text)
        return document

    def copy_to_work_folder(self, key: str) -> Path:
        """Copy a file to this process's work folder, since another process may delete the lake's."""
        path = self.job.folder / Path(key).name
        shutil.copyfile(self.job.store.fetch(key), path)
        return path

    def delete(self, document_key: str) -> None:
        """Delete the folder, its final document first, so that what remains is not taken for complete."""
        store = self.job.store
        try:
            store.delete(document_key)
            for key in store.list_keys(f"{self.prefix}/"):
                store.delete(key)
        except StoreError as error:
            problem = f"published, but files of the staging folder could not be deleted: {error}"
            self.job.progress.warn(problem)


def resolve_key(store: ObjectStore, uri: str) -> str:
    """Resolve a URI to its key in the lake.

    Raises:
        StoreError: The URI is of another lake, or not in a staging folder.
    """
    # a URI comes from a command line: it must not reach files outside the staging folders
    root = f"{store.uri}/"
    key = uri.removeprefix(root)
    if not uri.startswith(root) or f"/{STAGING}/" not in key or ".." in key.split("/"):
        problem = "it is no output of a step in this lake; give the URI of the step before"
        raise StoreError(store.uri, uri, problem)
    return key
