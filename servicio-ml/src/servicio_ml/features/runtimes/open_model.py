"""A scorer of a model's file, by what stands beside it."""

from pathlib import Path

from servicio_ml.features.runtimes.scorer import OnnxScorer, Scorer
from servicio_ml.features.runtimes.tree_table import get_table_path


def open_model(path: Path, *, threads: int = 1) -> Scorer:
    """Open the table of an ONNX file, or the file itself where it has none.

    Raises:
        ArtifactError: The file is no ONNX model, or an index leaves the table.
    """
    table = get_table_path(path)
    if not table.exists():
        return OnnxScorer(path, threads=threads)
    # LLVM takes memory, which other models do not need
    from servicio_ml.features.runtimes.tree_scorer import TreeScorer  # noqa: PLC0415

    return TreeScorer.open(table, threads=threads)
