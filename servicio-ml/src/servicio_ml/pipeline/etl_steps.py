"""The ETL in steps, each in a process of its own, on this machine or another.

What one step leaves for the next is in the lake, in `<use case>/staging/<digest of period and raw file>/`:
the raw file, then files named by their content with a document that names them. Publishing moves the period's
manifest last and deletes the folder; until then readers see the previous state.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports import Clock, ObjectStore, Run, Tracker
from servicio_ml.domain.published import manifest_key
from servicio_ml.domain.use_case import Dialect, UseCase
from servicio_ml.errors import ContractError, NotPublishedError, StoreError, listed
from servicio_ml.pipeline import etl
from servicio_ml.pipeline.etl import Job, Origin, Prepared
from servicio_ml.pipeline.ingest import take_snapshot
from servicio_ml.pipeline.period import last_day
from servicio_ml.pipeline.publish import SHOWN_DIGITS, file_digest
from servicio_ml.pipeline.staging import STAGED, Staged, planned_for, stage
from servicio_ml.pipeline.transform import Fate

STAGING, BEGUN = "staging", "begun.json"
FINISHED = "FINISHED"
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What publishing did.

    Attributes:
        manifest: In force.
        seconds: From the beginning of the first step; None where it was published before, by a step that was
            killed after that or has been run again.
    """

    manifest: Manifest
    seconds: float | None


def extract(job: Job, source: Path, named: str, clock: Clock) -> str:
    """Bring a raw file to the lake and give its URI.

    Raises:
        SourceError: The file cannot be read, or is no UTF-8 text.
    """
    last_day(job.period)
    snapshot = take_snapshot(source, named, job.folder)
    mark = hashlib.sha256(f"{job.period} {snapshot.digest}".encode()).hexdigest()[:SHOWN_DIGITS]
    folder = f"{job.use_case.name}/{STAGING}/{mark}"
    _put_document(job, f"{folder}/{BEGUN}", {"at": clock(), "source": named, "period": job.period})
    return _put(job, f"{folder}/{snapshot.path.name}", snapshot.path)


def transform(job: Job, raw: str, named: str) -> tuple[str, Mapping[str, int]]:
    """Type and check every row of an extracted file.

    Args:
        job: The period.
        raw: URI from `extract`.
        named: What the user called the file.

    Returns:
        The URI of what is staged, and how many rows have each fate.

    Raises:
        DataError: The file cannot be used.
    """
    last = last_day(job.period)
    key = key_of(job.store, raw)
    snapshot = take_snapshot(job.store.fetch(key), named, job.folder)
    rows = etl.read(job, snapshot)
    staged = stage(snapshot, rows, job.use_case, last)
    fates = {fate.value: count for fate, count in staged.fates.items()}
    document = {
        "period": job.period,
        "raw": key,
        "origin": asdict(etl.origin_of(snapshot, rows)),
        "rows": _put_by_content(job, _folder(key), job.folder / STAGED),
        "fates": fates,
        "missing": staged.missing,
    }
    uri = _put_named(job, _folder(key), "staged", document)
    return uri, {"read": sum(fates.values()), **fates}


def split(job: Job, staged: str) -> tuple[str, Manifest]:
    """Look for leaks, split, and verify the contract of what will be published.

    Args:
        job: The period.
        staged: URI from `transform`.

    Returns:
        The URI of what is prepared, and the manifest that will point at it.

    Raises:
        ContractError: Nothing may be published.
    """
    key = key_of(job.store, staged)
    document = _document(job, key)
    origin = _origin(document)
    prepared = etl.prepare(job, origin, _staged(job, document, origin))
    table = job.folder / "profile.parquet"
    prepared.table.write_parquet(table)
    files = {name: _put_by_content(job, _folder(key), path) for name, path in prepared.files.items()}
    ready = {
        "period": job.period,
        "raw": document["raw"],
        "origin": document["origin"],
        "manifest": prepared.manifest.to_json(),
        "files": files,
        "table": _put_by_content(job, _folder(key), table),
    }
    mark = file_digest(etl.pointer(job, prepared.manifest))[:SHOWN_DIGITS]
    return _put_document(job, f"{_folder(key)}/prepared-{mark}.json", ready), prepared.manifest


def publish(job: Job, prepared: str, tracker: Tracker, clock: Clock) -> Published:
    """Log the run, publish, and delete the folder of the steps.

    Args:
        job: The period.
        prepared: URI from `split`; one that is published already is no error.
        tracker: Of the run.
        clock: Tells how long it all took.

    Raises:
        StoreError: The lake refuses; the previous state still holds.
    """
    key = key_of(job.store, prepared)
    try:
        document = _document(job, key)
        begun = float(json.loads(_text(job.store, f"{_folder(key)}/{BEGUN}"))["at"])
    except NotPublishedError:
        manifest = _in_force(job, key)
        if manifest is None:
            raise
        _sweep(job, key)
        return Published(manifest=manifest, seconds=None)
    ready = _prepared(job, document)
    tags = {"step": etl.STEP, "period": job.period, "staging": key, "begun": repr(begun)}
    earlier = tracker.runs(job.use_case.name, tags)
    done = any(run.status == FINISHED for run in earlier)
    if not done:
        resume = next((run.id for run in earlier), "")
        with tracker.run(job.use_case.name, etl.STEP, tags=tags, resume=resume) as run:
            _log_and_replace(run, job, ready, document)
    _sweep(job, key)
    return Published(manifest=ready.manifest, seconds=None if done else clock() - begun)


def key_of(store: ObjectStore, uri: str) -> str:
    """The key of a URI of the lake.

    Raises:
        StoreError: It is of another lake, or no folder of the steps.
    """
    root = f"{store.uri}/"
    key = uri.removeprefix(root)
    if not uri.startswith(root) or f"/{STAGING}/" not in key or ".." in key.split("/"):
        raise StoreError(
            store.uri, uri, "no step has left this in this lake; give the URI of the step before"
        )
    return key


def _log_and_replace(run: Run, job: Job, ready: Prepared, document: Document) -> None:
    etl.log(run, job, ready)
    etl.replace_state(job, ready, job.store.fetch(document["raw"]))


def _in_force(job: Job, key: str) -> Manifest | None:
    """The period's manifest, if it is the one of that key."""
    try:
        path = job.store.fetch(manifest_key(job.use_case.name, job.period))
    except NotPublishedError:
        return None
    if Path(key).stem != f"prepared-{file_digest(path)[:SHOWN_DIGITS]}":
        return None
    return Manifest.from_json(json.loads(path.read_text(encoding="utf-8")))


def _sweep(job: Job, prepared: str) -> None:
    """Delete the folder; the document first, so that what is half deleted is not taken for whole."""
    try:
        job.store.delete(prepared)
        for key in job.store.keys(f"{_folder(prepared)}/"):
            job.store.delete(key)
    except StoreError as error:
        job.progress.warn(f"published, but files of the steps could not be deleted: {error}")


def _staged(job: Job, document: Document, origin: Origin) -> Staged:
    return Staged(
        rows=pl.scan_parquet(_local(job, document["rows"])),
        plan=planned_for(job.use_case, _dialect(job.use_case, origin), origin.absent),
        fates={Fate(name): count for name, count in document["fates"].items()},
        missing=document["missing"],
    )


def _dialect(use_case: UseCase, origin: Origin) -> Dialect:
    for dialect in use_case.dialects:
        if dialect.name == origin.dialect:
            return dialect
    names = listed(dialect.name for dialect in use_case.dialects)
    raise ContractError(
        origin.named,
        f"it was read in the dialect {origin.dialect!r}; dialects are {names}: run step transform",
    )


def _prepared(job: Job, document: Document) -> Prepared:
    return Prepared(
        manifest=Manifest.from_json(document["manifest"]),
        origin=_origin(document),
        files={name: _local(job, key) for name, key in document["files"].items()},
        table=pl.read_parquet(_local(job, document["table"])),
    )


def _origin(document: Document) -> Origin:
    return Origin(**{**document["origin"], "absent": tuple(document["origin"]["absent"])})


def _document(job: Job, key: str) -> dict[str, Any]:
    """What a step has left.

    Raises:
        StoreError: It is of another period.
        NotPublishedError: It is not there (any more).
    """
    document: dict[str, Any] = json.loads(_text(job.store, key))
    if document["period"] != job.period:
        raise StoreError(job.store.uri, key, f"it is of the period {document['period']}, not {job.period}")
    return document


def _text(store: ObjectStore, key: str) -> str:
    try:
        return store.fetch(key).read_text(encoding="utf-8")
    except NotPublishedError as error:
        raise NotPublishedError(store.uri, key, "run the steps anew, from step extract on") from error


def _local(job: Job, key: str) -> Path:
    """A local copy that is this process's own: another one may sweep the lake's."""
    path = job.folder / Path(key).name
    shutil.copyfile(job.store.fetch(key), path)
    return path


def _put(job: Job, key: str, path: Path) -> str:
    job.store.put(key, path)
    return f"{job.store.uri}/{key}"


def _put_by_content(job: Job, folder: str, path: Path) -> str:
    key = f"{folder}/{path.stem}-{file_digest(path)[:SHOWN_DIGITS]}{path.suffix}"
    _put(job, key, path)
    return key


def _put_named(job: Job, folder: str, stem: str, document: Document) -> str:
    text = json.dumps(document, sort_keys=True)
    return _put_document(
        job, f"{folder}/{stem}-{hashlib.sha256(text.encode()).hexdigest()[:SHOWN_DIGITS]}.json", document
    )


def _put_document(job: Job, key: str, document: Document) -> str:
    path = job.folder / Path(key).name
    path.write_text(json.dumps(document), encoding="utf-8")
    return _put(job, key, path)


def _folder(key: str) -> str:
    return key.rpartition("/")[0]
