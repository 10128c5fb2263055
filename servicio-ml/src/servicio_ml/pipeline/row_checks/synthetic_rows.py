"""Protection of real rows: a drawn sample does not take their place in a period."""

from pathlib import Path

from servicio_ml.domain.ports.object_store import ObjectStore
from servicio_ml.errors import ContractError
from servicio_ml.pipeline.etl.publish import read_previous_manifest
from servicio_ml.pipeline.reading.input_file import compute_file_digest


def check_real_rows_stay(
    store: ObjectStore, use_case: str, period: str, source: Path, samples: frozenset[str]
) -> None:
    """Refuse a file of synthetic rows for a period that holds real ones.

    Args:
        store: The lake.
        use_case: Name of the use case.
        period: `YYYY-MM`.
        source: The raw file; it may be absent, which reading it reports.
        samples: SHA-256 of the files of synthetic rows that are known.

    Raises:
        ContractError: The file is one of them, and the published one is not.
    """
    if not samples or not source.is_file() or compute_file_digest(source) not in samples:
        return
    previous = read_previous_manifest(store, use_case, period)
    # the key of the raw file holds its digest
    if previous is not None and Path(previous.raw).stem not in samples:
        raise ContractError(
            str(source),
            f"its rows are synthetic, and the period {period} holds those of {previous.source}; give another"
            " --period or --source, or --force to replace real rows by synthetic ones",
        )
