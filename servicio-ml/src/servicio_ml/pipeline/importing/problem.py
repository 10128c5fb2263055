"""Rows that a model is imported with: the published ones with ground truth, or those of the file without."""

from dataclasses import dataclass, replace

import numpy as np

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.derived import Fitted
from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import ModelImportError
from servicio_ml.features.encoder import Encoder
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.importing.table import ModelRows
from servicio_ml.pipeline.importing.typed_rows import TypedRows, read_typed_rows
from servicio_ml.pipeline.reading.input_file import InputFile
from servicio_ml.pipeline.training.dataset import Holdout, build_holdout, build_problem
from servicio_ml.pipeline.training.estimators import EstimatorSettings
from servicio_ml.pipeline.training.fitting import SEED, TrainingProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProblem:
    """What a model is proven and measured on.

    Attributes:
        training: Rows of the reference profile and of the golden rows; their truth is NaN where the file has
            none.
        test: Rows of the holdout; None without ground truth.
        rows: All rows of the file that the use case takes.
    """

    training: TrainingProblem
    test: Holdout | None
    rows: TypedRows


def build_import_problem(
    use_case: UseCase,
    manifest: Manifest | None,
    store: ObjectStore,
    file: InputFile,
    model_rows: ModelRows,
    threads: int,
) -> ImportProblem:
    """Read the rows that a model is imported with.

    Args:
        use_case: The use case.
        manifest: Manifest of the published file; None without ground truth.
        store: The lake.
        file: The file.
        model_rows: Rows of the file as pandas reads them, with the columns that the model reads.
        threads: Number of threads.

    Raises:
        DataError: The rows cannot be read, or do not fit.
    """
    if manifest is None:
        schema = _build_schema(use_case, model_rows)
        rows = _read_rows(file, use_case, schema, model_rows)
        return ImportProblem(training=_build_unlabelled(use_case, schema, rows), test=None, rows=rows)
    train, test = read_split(store, manifest, "train"), read_split(store, manifest, "test")
    training = build_problem(use_case, manifest.schema, train, seed=SEED, threads=threads)
    holdout = build_holdout(use_case, training.setting.schema, test)
    rows = _read_rows(file, use_case, training.setting.schema, model_rows)
    return ImportProblem(training=training, test=holdout, rows=rows)


def _read_rows(file: InputFile, use_case: UseCase, schema: FeatureSchema, model_rows: ModelRows) -> TypedRows:
    derived = {each.name for each in schema.derived}
    # derived columns that the model reads and the file has
    given = [name for name in model_rows.columns if name in derived and name in model_rows.frame]
    return read_typed_rows(file, use_case, schema, given)


def _build_schema(use_case: UseCase, model_rows: ModelRows) -> FeatureSchema:
    """Build the schema of rows without ground truth: nothing that is fitted or learned on a training's rows.

    Raises:
        ModelImportError: A field learns its levels or words.
    """
    absent = {
        each.name
        for each in use_case.schema.fields
        if each.optional and not {each.name, *each.columns} & {*model_rows.frame.columns}
    }
    schema = use_case.schema.drop_fields({*use_case.non_features, *absent})
    for each in schema.fields:
        if each.kind is Kind.TEXT or (each.learned_levels and not each.levels):
            raise ModelImportError(
                model_rows.source_name,
                f"the field {each.name!r} of the use case learns from rows of a training, and these rows have"
                " no ground truth; give rows that have it, or list its levels",
            )
    return replace(schema, derived=tuple(each for each in schema.derived if not isinstance(each, Fitted)))


def _build_unlabelled(use_case: UseCase, schema: FeatureSchema, rows: TypedRows) -> TrainingProblem:
    matrix = Encoder(schema).encode_frame(rows.frame)
    unknown = np.full(len(matrix), np.nan)
    setting = EstimatorSettings(schema=schema, classes=len(use_case.target.labels), seed=SEED, threads=1)
    return TrainingProblem(
        use_case=use_case, setting=setting, matrix=matrix, truth=unknown, target=unknown, folds=()
    )
