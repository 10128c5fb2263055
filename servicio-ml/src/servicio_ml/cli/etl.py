"""`servicio-ml etl`: publish a raw file as the data of a period."""

import time
from dataclasses import asdict
from functools import partial

from servicio_ml.cli.options import Debug, ForceSynthetic, Json, PeriodOrCurrent, RawSource, UseCaseName
from servicio_ml.cli.session import CommandSession, open_session
from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.ports.stats import Stats
from servicio_ml.domain.use_case import UseCase


def etl(
    name: UseCaseName,
    source: RawSource = "",
    period: PeriodOrCurrent = "",
    force: ForceSynthetic = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Read a raw file, type and check every row, and publish training and test rows to the lake.

    Rejected rows go to quarantine with their reason and line. Publishing a period again replaces its data.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.etl.period import choose_period
        from servicio_ml.pipeline.step_metrics import record_outcome
        from servicio_ml.pipeline.training.parameters import check_parameters
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        # what no training could use is not published either
        check_parameters(use_case)
        # a wrong month is refused before anything is fetched
        month = choose_period(period, time.time())
        stats = bootstrap.create_stats(here.settings)
        with record_outcome(stats, time.time, f"etl.{use_case.name}"):
            manifest, lake = publish_file(here, use_case, source, month, stats, force=force)
        _show(here, manifest, lake)
        here.print_document({**manifest.to_json(), "lake": lake})


def publish_file(
    here: CommandSession, use_case: UseCase, source: str, month: str, stats: Stats, *, force: bool
) -> tuple[Manifest, str]:
    """Publish a raw file as the data of a month; return its manifest and the address of the lake."""
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.etl.run import run_etl
    from servicio_ml.pipeline.row_checks.synthetic_rows import check_real_rows_stay

    address = find_raw_file(here, use_case, source)
    here.progress.report(f"source: {address}")
    store = bootstrap.open_lake(here.settings)
    with bootstrap.open_source(here.settings, address) as path:
        if not force:
            samples = bootstrap.open_raw_files(here.settings).list_sample_digests(use_case)
            check_real_rows_stay(store, use_case.name, month, path, samples)
        # MLflow is connected late: it is only needed when the rows are ready
        connect_tracker = partial(bootstrap.connect_tracker, here.settings)
        manifest = run_etl(
            use_case, path, source_name=address, period=month, store=store,
            connect_tracker=connect_tracker, progress=here.progress, stats=stats,
        )  # fmt: skip
    return manifest, store.uri


def find_raw_file(here: CommandSession, use_case: UseCase, source: str) -> str:
    """Return the address of the raw file: `source`, or the file that stands for it where it is empty.

    Raises:
        SourceError: No address was given and no raw file is there.
    """
    from servicio_ml import bootstrap

    return source or str(bootstrap.open_raw_files(here.settings).find(use_case))


def _show(here: CommandSession, manifest: Manifest, lake: str) -> None:
    counts = asdict(manifest.counts)
    here.print_table(f"{manifest.use_case} {manifest.period}", ["rows", ""], list(counts.items()))
    # a dict keeps the order of first occurrence, which a set does not
    for reason in dict.fromkeys(manifest.dropped.values()):
        fields = ", ".join(name for name, why in manifest.dropped.items() if why == reason)
        here.print_line(f"left out: {fields} ({reason})")
    here.print_line(f"published in {lake}: {', '.join(manifest.files.values())}")
