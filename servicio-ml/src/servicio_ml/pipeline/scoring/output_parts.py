"""Where scores are kept: part files, and a record of which of them are complete.

`part-00000.parquet`, `quarantine-00000.parquet` (where the part has rejected rows) and so on, and at the end
`manifest.json`. Until then `progress.json` holds the record, and the same command goes on after the parts
that it names. One writer per place.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.pipeline.scoring.score_rows import ScoredRowsResult

MANIFEST, PROGRESS = "manifest.json", "progress.json"
# deletion is limited to names of this pattern: the folder may hold other files of the user
OWN_FILE = re.compile(r"(part|quarantine)-\d{5,}\.parquet")
ANEW = "choose another --output, or start anew with --force"
Document = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class OutputParts:
    """The parts of one file's scores.

    Attributes:
        store: Holds them.
        record: What they belong to (`identity`), the `input`, and `parts`: file, rows, scored, quarantined.
        folder: For files on their way to the store.
        complete: Whether the manifest is there already.
    """

    store: ObjectStore
    record: Document
    folder: Path
    complete: bool

    def add(self, results: Sequence[ScoredRowsResult]) -> None:
        """Store the next part, then the record that names it."""
        number = len(self.record["parts"])
        file, quarantine = f"part-{number:05}.parquet", f"quarantine-{number:05}.parquet"
        answers = pl.concat([each.answers for each in results])
        rejected = pl.concat([each.rejected for each in results])
        if len(rejected):
            # files before the record: a crash in between leaves files that nothing names
            self._store_frame(quarantine, rejected)
        self._store_frame(file, answers)
        self.record["parts"].append(
            {
                "file": file,
                "quarantine": quarantine if len(rejected) else None,
                "rows": len(answers) + len(rejected),
                "scored": len(answers),
                "quarantined": len(rejected),
            }
        )
        put_document(self.store, PROGRESS, self.record, self.folder)

    def write_manifest(self) -> Document:
        """Store the manifest: the record with its counts."""
        counts = {
            name: sum(each[name] for each in self.record["parts"])
            for name in ("rows", "scored", "quarantined")
        }
        manifest = {**self.record, "counts": counts}
        # the manifest appears before the progress goes, so one of the two always exists
        put_document(self.store, MANIFEST, manifest, self.folder)
        self.store.delete(PROGRESS)
        return manifest

    def _store_frame(self, key: str, frame: pl.DataFrame) -> None:
        path = self.folder / key
        frame.write_parquet(path)
        self.store.put(key, path)
        # uploaded parts are deleted at once: the scratch folder needs room for one part only
        path.unlink()


def open_output(store: ObjectStore, record: Document, folder: Path, *, force: bool) -> OutputParts:
    """Resume the output of an earlier run of the same scoring, or begin a new one.

    Args:
        store: Holds the output.
        record: `identity` and `input` of this scoring.
        folder: Scratch folder for files before they are uploaded.
        force: Discard the output that exists.

    Raises:
        StoreError: The store fails, or holds the output of another scoring.
    """
    unfinished, finished = (
        (None, None) if force else (_read_document(store, PROGRESS), _read_document(store, MANIFEST))
    )
    # a record of unfinished work counts: it is written before an older manifest goes
    found = unfinished or finished
    present = [key for key in store.list_keys("") if OWN_FILE.fullmatch(key)]
    if not force:
        _check_existing(store, found, present, record["identity"])
    output = OutputParts(store=store, record=found or {**record, "parts": []}, folder=folder, complete=False)
    if finished is not None and unfinished is None:
        output.complete = True
        return output
    put_document(store, PROGRESS, output.record, folder)
    store.delete(MANIFEST)
    _delete_incomplete(store, present, output.record)
    return output


def _delete_incomplete(store: ObjectStore, present: list[str], record: Document) -> None:
    """Delete the files of parts that the record does not list: their upload was interrupted."""
    complete = {each[kind] for each in record["parts"] for kind in ("file", "quarantine")}
    for key in present:
        if key not in complete:
            store.delete(key)


def put_document(store: ObjectStore, key: str, document: Document, folder: Path) -> None:
    path = folder / key
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    store.put(key, path)


def _read_document(store: ObjectStore, key: str) -> Document | None:
    try:
        document = json.loads(store.fetch(key).read_text(encoding="utf-8"))
    except NotPublishedError:
        return None
    except ValueError as error:
        raise StoreError(store.uri, key, f"it is no record of scores ({error}); {ANEW}") from error
    if not isinstance(document, dict) or not {"identity", "parts"} <= document.keys():
        raise StoreError(store.uri, key, f"it is no record of scores; {ANEW}")
    return document


def _check_existing(
    store: ObjectStore, found: Document | None, present: list[str], identity: Document
) -> None:
    if found is not None:
        _refuse_other(store, found["identity"], identity)
    elif present:
        raise StoreError(store.uri, present[0], f"it exists, but no manifest describes it; {ANEW}")


def _refuse_other(store: ObjectStore, there: Document, now: Document) -> None:
    differences = [
        f"{name} {there.get(name)!r} there, {now[name]!r} now" for name in now if there.get(name) != now[name]
    ]
    if differences:
        problem = f"it holds scores of something else ({'; '.join(differences)}); {ANEW}"
        raise StoreError(store.uri, PROGRESS, problem)
