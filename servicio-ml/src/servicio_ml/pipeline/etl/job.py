"""Data that the steps of the ETL work on and pass to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.ports.progress import Progress
from servicio_ml.domain.use_case import UseCase
from servicio_ml.pipeline.reading.input_file import InputFile
from servicio_ml.pipeline.reading.raw_file import RawRows

STEP_NAME = "etl"
"""Tag `step` and name of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EtlJob:
    """One period (`YYYY-MM`) of one use case, and the work folder of this process."""

    use_case: UseCase
    period: str
    store: ObjectStore
    progress: Progress
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFileOrigin:
    """The raw file behind staged rows.

    Attributes:
        source_name: Name by which the user knows the file.
        digest: SHA-256 of its content.
        suffix: Suffix of its name, with the dot.
        dialect: Name of its dialect.
        absent_fields: Optional fields that it lacks.
    """

    source_name: str
    digest: str
    suffix: str
    dialect: str
    absent_fields: tuple[str, ...]

    @classmethod
    def from_file(cls, file: InputFile, rows: RawRows) -> "RawFileOrigin":
        return cls(
            source_name=file.source_name,
            digest=file.digest,
            suffix=file.path.suffix,
            dialect=rows.dialect.name,
            absent_fields=rows.absent_fields,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedData:
    """Data that is ready to be published.

    Attributes:
        manifest: Manifest that will point at the files.
        origin: Raw file behind the rows.
        files: `train`, `test`, `quarantine` and `overview` as local files.
        profile: Table from `summary.build_profile`.
    """

    manifest: Manifest
    origin: RawFileOrigin
    files: Mapping[str, Path]
    profile: pl.DataFrame
