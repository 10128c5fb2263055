"""Parameters, metrics, datasets and artifacts of an ETL's run in the tracker."""

import json
from dataclasses import asdict
from pathlib import Path

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.tracker import Run
from servicio_ml.lifecycle.published import MANIFEST
from servicio_ml.pipeline.etl.job import EtlJob, PreparedData
from servicio_ml.pipeline.etl.summary import extract_profile_metrics
from servicio_ml.pipeline.reading.input_file import compute_file_digest


def log_run(run: Run, job: EtlJob, prepared: PreparedData) -> None:
    """Log parameters, row counts, a mean and deviation per feature, digests, the profile and the manifest."""
    manifest, origin, counts = prepared.manifest, prepared.origin, asdict(prepared.manifest.counts)
    run.log_params(
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
    rows = {f"rows_{name}": float(count) for name, count in counts.items()}
    run.log_metrics(
        {
            **rows,
            "train_test_duplicates": float(manifest.train_test_duplicates),
            **extract_profile_metrics(prepared.profile),
        }
    )
    for name, key, context in (
        ("raw", manifest.raw, "raw"),
        ("train", manifest.files["train"], "training"),
        ("test", manifest.files["test"], "evaluation"),
    ):
        digest = origin.digest if name == "raw" else compute_file_digest(prepared.files[name])
        count = counts["read" if name == "raw" else name]
        run.log_dataset(name, digest=digest, source=f"{job.store.uri}/{key}", context=context, rows=count)
    # CSV, because MLflow shows it in its pages
    profile_file = job.folder / "profile.csv"
    prepared.profile.write_csv(profile_file)
    run.log_artifact(profile_file)
    run.log_artifact(write_manifest(job, manifest))


def write_manifest(job: EtlJob, manifest: Manifest) -> Path:
    """Write the manifest to the work folder."""
    path = job.folder / MANIFEST
    # the file's digest names the prepared data, so its format must not change between steps
    path.write_text(json.dumps(manifest.to_json(), indent=1, ensure_ascii=False), encoding="utf-8")
    return path
