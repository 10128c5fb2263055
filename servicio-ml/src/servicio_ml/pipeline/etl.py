"""The ETL: extract, transform, validate, quarantine, check for leaks, split and publish one period.

Nothing is fitted here: whatever learns from data belongs to a model and sees training rows only. Everything
is logged before the manifest is replaced, so that a failure of the tracker or of the lake leaves the previous
state in force.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import polars as pl

from servicio_ml.domain.dataset import Counts, Manifest
from servicio_ml.domain.overview import OVERVIEW, Overview
from servicio_ml.domain.policy import LeakPolicy
from servicio_ml.domain.ports import Advance, ObjectStore, Progress, Run, Stats, Tracker
from servicio_ml.domain.published import MANIFEST
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import DateSplit, UseCase
from servicio_ml.errors import ContractError, StoreError, listed
from servicio_ml.pipeline import publish
from servicio_ml.pipeline.contract import verify
from servicio_ml.pipeline.ingest import RawRows, Snapshot, read_rows, take_snapshot
from servicio_ml.pipeline.leaks import count_twins, find_leaks
from servicio_ml.pipeline.overview import overview
from servicio_ml.pipeline.period import last_day
from servicio_ml.pipeline.plan import target_field
from servicio_ml.pipeline.split import TEST, with_sides
from servicio_ml.pipeline.staging import Staged, stage, write_parts
from servicio_ml.pipeline.summary import profile, profile_metrics
from servicio_ml.pipeline.transform import Fate

STEP = "etl"
STEPS = 5
NOT_IN_THE_FILE = "not in the file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One period of one use case, and the work folder of its run."""

    use_case: UseCase
    period: str
    store: ObjectStore
    progress: Progress
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What staged rows are from.

    Attributes:
        named: What the user called the raw file.
        digest: SHA-256 of its content.
        suffix: Of its name, with the dot.
        dialect: How it is spelt.
        absent: Optional fields that it lacks.
    """

    named: str
    digest: str
    suffix: str
    dialect: str
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is ready to be published.

    Attributes:
        manifest: That will point at it.
        origin: Of the rows.
        files: `train`, `test`, `quarantine` and `overview` as local files.
        table: About them, from `summary.profile`.
    """

    manifest: Manifest
    origin: Origin
    files: Mapping[str, Path]
    table: pl.DataFrame


def run_etl(
    use_case: UseCase,
    source: Path,
    *,
    named: str,
    period: str,
    store: ObjectStore,
    connect: Callable[[], Tracker],
    progress: Progress,
    stats: Stats,
) -> Manifest:
    """Publish a raw file as the data of a period.

    Args:
        use_case: Whose data it is.
        source: The raw file: a CSV (UTF-8) or Parquet.
        named: What the user called it.
        period: `YYYY-MM`; rows dated after it are left out. Publishing a period again restates it.
        store: The lake.
        connect: Gives the tracker of the run; called once the columns are found, since it takes time.
        progress: Who waits.
        stats: Where the counts of rows are sent.

    Raises:
        SettingsError: The period is no month.
        DataError: The file cannot be used.
        RegistryError: MLflow cannot be reached.
        StoreError: The lake cannot be written; the previous state still holds.
    """
    with (
        tempfile.TemporaryDirectory(prefix="servicio-ml-etl-") as folder,
        progress.bar(f"etl {use_case.name}", total=STEPS) as advance,
    ):
        job = Job(use_case=use_case, period=period, store=store, progress=progress, folder=Path(folder))
        manifest = _run(job, source, named, connect, advance)
    send_counts(manifest, stats)
    return manifest


def send_counts(manifest: Manifest, stats: Stats) -> None:
    """Send where the rows went."""
    for part, rows in asdict(manifest.counts).items():
        stats.gauge(f"etl.{manifest.use_case}.rows_{part}", rows)


def _run(job: Job, source: Path, named: str, connect: Callable[[], Tracker], advance: Advance) -> Manifest:
    last = last_day(job.period)
    snapshot = take_snapshot(source, named, job.folder)
    raw = read(job, snapshot)
    advance(note="transform")
    with connect().run(job.use_case.name, STEP, tags={"step": STEP, "period": job.period}) as run:
        staged = stage(snapshot, raw, job.use_case, last)
        advance(note="check")
        prepared = prepare(job, origin_of(snapshot, raw), staged)
        advance(note="log")
        log(run, job, prepared)
        advance(note="publish")
        replace_state(job, prepared, snapshot.path)
        advance()
    return prepared.manifest


def read(job: Job, snapshot: Snapshot) -> RawRows:
    """The rows of a raw file.

    Raises:
        DataError: It is not one of the use case.
    """
    raw = read_rows(snapshot, job.use_case)
    if raw.ignored:
        job.progress.say(f"columns that are not read: {listed(raw.ignored)}")
    return raw


def origin_of(snapshot: Snapshot, raw: RawRows) -> Origin:
    return Origin(
        named=snapshot.named, digest=snapshot.digest, suffix=snapshot.path.suffix, dialect=raw.dialect.name,
        absent=raw.absent,
    )  # fmt: skip


def prepare(job: Job, origin: Origin, staged: Staged) -> Prepared:
    """Check, split and write what will be published.

    Raises:
        ContractError: Nothing may be published.
    """
    use_case = job.use_case
    if rejected := staged.fates[Fate.QUARANTINED]:
        job.progress.warn(f"{rejected} rows are in quarantine, mostly since {staged.reasons()}")
    dropped = dict.fromkeys(origin.absent, NOT_IN_THE_FILE) | _leaks(job, staged)
    schema = use_case.schema.without(dropped)
    sided = with_sides(staged.kept, use_case.split, _identity(schema))
    parts = write_parts(staged, sided, schema, job.folder)
    train, test = (verify(parts[part], schema, use_case.target) for part in ("train", "test"))
    if not (train and test):
        problem = f"too few rows to split: {train} for training, {test} for testing"
        raise ContractError(origin.named, problem)
    told = overview(use_case, schema, staged.plan, origin.dialect, parts)
    files = {**parts, OVERVIEW: _written(told, job.folder)}
    manifest = Manifest(
        use_case=use_case.name,
        period=job.period,
        source=origin.named,
        raw=publish.raw_key(use_case.name, origin.digest, origin.suffix),
        digest=_digest(parts, schema, use_case),
        files=publish.part_keys(use_case.name, job.period, files),
        counts=_counts(staged.fates, train, test),
        schema=schema,
        dropped=dropped,
        twins=_twins(job, sided, schema),
    )
    published = target_field(replace(use_case.target, edges=()))
    table = profile(staged.kept, [*schema.fields, published], staged.missing)
    return Prepared(manifest=manifest, origin=origin, files=files, table=table)


def _written(told: Overview, folder: Path) -> Path:
    path = folder / f"{OVERVIEW}.json"
    path.write_text(told.to_text(), encoding="utf-8")
    return path


def _leaks(job: Job, staged: Staged) -> dict[str, str]:
    """The leaking fields with their reasons, where the use case drops them.

    Raises:
        ContractError: It does not, or they cannot be done without.
    """
    use_case = job.use_case
    fields = [column.field for column in staged.plan.columns]
    found = find_leaks(staged.kept, fields, use_case.target)
    reasons = "; ".join(found.values())
    if found and use_case.leaks is LeakPolicy.FAIL:
        raise ContractError(
            use_case.name, f"features give the target away: {reasons}; take them out of the schema"
        )
    needed = {use_case.split.field} if isinstance(use_case.split, DateSplit) else set()
    if needed.intersection(found) or len(found) == len(fields):
        raise ContractError(
            use_case.name, f"features that cannot be left out give the target away: {reasons}"
        )
    for name, reason in found.items():
        job.progress.warn(f"{name} is left out, it gives the target away: {reason}")
    return found


def _identity(schema: FeatureSchema) -> Sequence[str]:
    """The fields that every file has, so that a row's side does not hang on those that some files lack."""
    required = [field.name for field in schema.fields if not field.optional]
    return required or schema.field_names


def _twins(job: Job, sided: pl.LazyFrame, schema: FeatureSchema) -> int:
    """How many test rows are equal to a training row in every field that models read themselves."""
    read = [field.name for field in schema.fields if field.direct]
    twins = count_twins(sided.filter(~pl.col(TEST)), sided.filter(TEST), read)
    if twins:
        job.progress.warn(f"{twins} test rows are equal to a training row in every field that models read")
    return twins


def _counts(fates: Mapping[Fate, int], train: int, test: int) -> Counts:
    return Counts(
        read=sum(fates.values()),
        train=train,
        test=test,
        quarantined=fates[Fate.QUARANTINED],
        duplicates=fates[Fate.DUPLICATE],
        unlabelled=fates[Fate.UNLABELLED],
        later=fates[Fate.LATER],
    )


def _digest(parts: Mapping[str, Path], schema: FeatureSchema, use_case: UseCase) -> str:
    """SHA-256 over what training reads: both files, the schema and the target."""
    document = {
        "train": publish.file_digest(parts["train"]),
        "test": publish.file_digest(parts["test"]),
        "schema": schema.to_json(),
        "target": asdict(use_case.target),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def log(run: Run, job: Job, prepared: Prepared) -> None:
    """Log the run: parameters, counts, a mean and deviation per feature, digests, the table, the manifest."""
    manifest, origin, counts = prepared.manifest, prepared.origin, asdict(prepared.manifest.counts)
    run.params(
        {
            "source": manifest.source,
            "raw_digest": origin.digest,
            "data_digest": manifest.digest,
            "period": manifest.period,
            "dialect": origin.dialect,
            "split": job.use_case.split,
            "deduplicate": job.use_case.deduplicate,
            "dropped": "; ".join(f"{name}: {reason}" for name, reason in manifest.dropped.items()),
            "lake": job.store.uri,
        }
    )
    rows = {f"rows_{part}": float(count) for part, count in counts.items()}
    run.metrics({**rows, "twins": float(manifest.twins), **profile_metrics(prepared.table)})
    for name, key, context in (
        ("raw", manifest.raw, "raw"),
        ("train", manifest.files["train"], "training"),
        ("test", manifest.files["test"], "evaluation"),
    ):
        digest = origin.digest if name == "raw" else publish.file_digest(prepared.files[name])
        count = counts["read" if name == "raw" else name]
        run.dataset(name, digest=digest, source=f"{job.store.uri}/{key}", context=context, rows=count)
    profile_file = job.folder / "profile.csv"
    prepared.table.write_csv(profile_file)
    run.artifact(profile_file)
    run.artifact(pointer(job, manifest))


def replace_state(job: Job, prepared: Prepared, raw: Path) -> None:
    """Publish, and delete what only older states named.

    Args:
        job: The period.
        prepared: The new state.
        raw: The raw file.

    Raises:
        StoreError: The lake refuses; the previous state still holds.
    """
    manifest = prepared.manifest
    previous = publish.previous_manifest(job.store, manifest.use_case, manifest.period)
    publish.publish(job.store, manifest, {"raw": raw, **prepared.files}, pointer(job, manifest))
    try:
        publish.sweep(job.store, manifest, previous)
    except StoreError as error:
        job.progress.warn(f"published, but files of an older run could not be deleted: {error}")


def pointer(job: Job, manifest: Manifest) -> Path:
    """The manifest as a local file."""
    path = job.folder / MANIFEST
    path.write_text(json.dumps(manifest.to_json(), indent=1, ensure_ascii=False), encoding="utf-8")
    return path
