"""Where scores are kept: part files, and a record of which of them are whole.

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

from servicio_ml.domain.ports import ObjectStore
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.pipeline.answers import Scored

MANIFEST, PROGRESS = "manifest.json", "progress.json"
OWN_FILE = re.compile(r"(part|quarantine)-\d{5,}\.parquet")
ANEW = "choose another --output, or start anew with --force"
Document = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Parts:
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

    def add(self, scored: Sequence[Scored]) -> None:
        """Store the next part, then the record that names it."""
        number = len(self.record["parts"])
        file, quarantine = f"part-{number:05}.parquet", f"quarantine-{number:05}.parquet"
        answers = pl.concat([each.answers for each in scored])
        rejected = pl.concat([each.rejected for each in scored])
        if len(rejected):
            self._put(quarantine, rejected)
        self._put(file, answers)
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

    def finish(self) -> Document:
        """Store the manifest: the record with its counts."""
        counts = {
            name: sum(part[name] for part in self.record["parts"])
            for name in ("rows", "scored", "quarantined")
        }
        manifest = {**self.record, "counts": counts}
        put_document(self.store, MANIFEST, manifest, self.folder)
        self.store.delete(PROGRESS)
        return manifest

    def _put(self, key: str, frame: pl.DataFrame) -> None:
        path = self.folder / key
        frame.write_parquet(path)
        self.store.put(key, path)
        path.unlink()


def begin(store: ObjectStore, record: Document, folder: Path, *, force: bool) -> Parts:
    """What is there of the same scores already; an empty record where there is nothing.

    Args:
        store: Where they are kept.
        record: `identity` and `input` of what shall be scored.
        folder: For files on their way to the store.
        force: Throw away what is there.

    Raises:
        StoreError: The store refuses, or holds something else.
    """
    unfinished, finished = (None, None) if force else (_read(store, PROGRESS), _read(store, MANIFEST))
    # a record of unfinished work counts: it is written before an older manifest goes
    found = unfinished or finished
    present = [key for key in store.keys("") if OWN_FILE.fullmatch(key)]
    if found is not None:
        _refuse_other(store, found["identity"], record["identity"])
    elif present and not force:
        raise StoreError(store.uri, present[0], f"it is there, but nothing tells of what; {ANEW}")
    parts = Parts(store=store, record=found or {**record, "parts": []}, folder=folder, complete=False)
    if finished is not None and unfinished is None:
        parts.complete = True
        return parts
    put_document(store, PROGRESS, parts.record, folder)
    store.delete(MANIFEST)
    whole = {part[kind] for part in parts.record["parts"] for kind in ("file", "quarantine")}
    for key in present:
        if key not in whole:
            store.delete(key)
    return parts


def put_document(store: ObjectStore, key: str, document: Document, folder: Path) -> None:
    path = folder / key
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    store.put(key, path)


def _read(store: ObjectStore, key: str) -> Document | None:
    try:
        document = json.loads(store.fetch(key).read_text(encoding="utf-8"))
    except NotPublishedError:
        return None
    except ValueError as error:
        raise StoreError(store.uri, key, f"it is no record of scores ({error}); {ANEW}") from error
    if not isinstance(document, dict) or not {"identity", "parts"} <= document.keys():
        raise StoreError(store.uri, key, f"it is no record of scores; {ANEW}")
    return document


def _refuse_other(store: ObjectStore, there: Document, now: Document) -> None:
    differences = [
        f"{name} {there.get(name)!r} there, {now[name]!r} now" for name in now if there.get(name) != now[name]
    ]
    if differences:
        problem = f"it holds scores of something else ({'; '.join(differences)}); {ANEW}"
        raise StoreError(store.uri, PROGRESS, problem)
