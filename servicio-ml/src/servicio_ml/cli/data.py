"""`servicio-ml data`: synthetic rows, the original, an upload, and the columns or a summary of a raw file."""

from collections.abc import Mapping
from typing import Any

import typer

from servicio_ml.cli.etl import find_raw_file
from servicio_ml.cli.options import (
    Debug,
    DescribedSource,
    DraftSource,
    FetchSeconds,
    Json,
    SampleFile,
    SampleRows,
    SampleSeed,
    UploadFile,
    UploadName,
    UseCaseName,
)
from servicio_ml.cli.session import CommandSession, open_session

# the publishers' libraries have no timeout of their own that covers the download
FETCH_SECONDS = 300.0
UPLOADS = "raw-files"
"""Folder of uploads in the lake; no use case has this name."""
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
SHORT = 24
"""Characters of a text that a table shows."""

app = typer.Typer(
    help="Raw data of a use case: synthetic rows, the original, an upload, a summary table.",
    no_args_is_help=True,
)


@app.command()
def sample(
    name: UseCaseName,
    rows: SampleRows = None,
    seed: SampleSeed = 0,
    output: SampleFile = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write synthetic rows: columns, formats, gaps and relation to the target as in the original."""
    with open_session(as_json=as_json, debug=debug) as here:
        import numpy as np

        from servicio_ml import bootstrap
        from servicio_ml.features.synthetic.sampler import draw_rows
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        # the place where `etl` looks, so that the two commands work without any path
        target = output or bootstrap.open_raw_files(here.settings).get_sample_path(use_case)
        table = draw_rows(use_case, rows or use_case.sample.rows, np.random.default_rng(seed))
        bootstrap.write_csv(target, table.columns, header=table.named)
        bootstrap.open_raw_files(here.settings).record_sample(use_case, target)
        here.print_line(f"{table.rows} synthetic rows of {name} (seed {seed}): {target}")
        here.print_document({"use_case": name, "path": str(target), "rows": table.rows, "seed": seed})


@app.command()
def fetch(
    name: UseCaseName,
    timeout: FetchSeconds = FETCH_SECONDS,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Download the original from its publisher, through kagglehub or ucimlrepo."""
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        target = bootstrap.open_raw_files(here.settings).get_fetched_path(use_case)
        bootstrap.fetch_original(use_case, target, timeout_seconds=timeout)
        size = target.stat().st_size
        here.print_line(f"{target}: {size} bytes (licence: {use_case.origin.licence or 'not stated'})")
        here.print_document(
            {"use_case": name, "path": str(target), "bytes": size, "licence": use_case.origin.licence}
        )


@app.command()
def put(name: UploadName, file: UploadFile, as_json: Json = False, debug: Debug = False) -> None:
    """Upload a raw file to the lake, where every machine with access to the lake can read it."""
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.domain.checks.attributes import SNAKE_CASE, SNAKE_CASE_RULE
        from servicio_ml.errors import UseCaseError

        if not SNAKE_CASE.fullmatch(name):
            raise UseCaseError(repr(name), f"names are {SNAKE_CASE_RULE}")
        lake = bootstrap.open_lake(here.settings)
        # named by the use case, so that next month's file takes its place
        key = f"{UPLOADS}/{name}{''.join(file.suffixes[-2:] if file.suffix in PACKED else [file.suffix])}"
        lake.put(key, file)
        address, size = f"{lake.uri}/{key}", file.stat().st_size
        here.print_line(f"{address}: {size} bytes")
        here.print_line(f"next: servicio-ml etl {name} --source {address}")
        here.print_document({"use_case": name, "address": address, "bytes": size})


@app.command()
def columns(source: DraftSource, as_json: Json = False, debug: Debug = False) -> None:
    """List the columns of a raw file of which `init` can predict one, and suggest one of them."""
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.drafting.draft import list_columns
        from servicio_ml.pipeline.drafting.targets.suggestion import suggest_target

        with bootstrap.open_source(here.settings, source) as path:
            found = list_columns(path, source)
        target = suggest_target(found)
        for name in found:
            here.print_line(f"{name}   # suggested as --target" if name == target else name)
        here.print_document({"source": source, "columns": found, "target": target})


@app.command()
def describe(
    name: UseCaseName,
    source: DescribedSource = "",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Summarize a raw file as the ETL would read it: rows, quarantined rows, and each field."""
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.describe_raw_file import describe as run
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        # the same choice as in `etl`, so the description is of the file that it would read
        address = find_raw_file(here, use_case, source)
        with bootstrap.open_source(here.settings, address) as path:
            document = run(use_case, path, source_name=address).to_json()
        _show(here, use_case.title, document)
        here.print_document({"use_case": name, **document})


def _show(here: CommandSession, title: str, described: Mapping[str, Any]) -> None:
    statuses = ", ".join(f"{n} {name}" for name, n in reversed(described["status_counts"].items()) if n)
    here.print_line(f"{described['source']} ({described['dialect']}): {described['rows']} rows: {statuses}")
    for what, said in (
        ("quarantined since", described["reasons"]),
        ("columns that are not read", ", ".join(described["ignored"])),
        ("optional fields that are not there", ", ".join(described["absent"])),
    ):
        if said:
            here.print_line(f"{what}: {said}")
    here.print_table(
        f"{title}: the kept rows",
        ["field", "kind", "missing", "distinct", "minimum … mean … maximum", "example"],
        [_build_cells(field) for field in described["fields"]],
    )


def _build_cells(field: Mapping[str, Any]) -> list[object]:
    show = _shorten if field["mean"] is None else _format_number
    shown = [
        text
        for text in (show(field["minimum"]), _format_number(field["mean"]), show(field["maximum"]))
        if text
    ]
    if field["most_frequent"] is not None:
        shown = [f"{_shorten(field['most_frequent'])} ({field['most_frequent_share']:.0%})"]
    return [
        field["name"],
        ", ".join(filter(None, (field["kind"], field["unit"]))),
        f"{field['missing_after']:.1%}",
        field["distinct"],
        " … ".join(shown),
        show(field["example"]),
    ]


def _format_number(value: str | float | None) -> str:
    """A number for a table, to five digits."""
    return "" if value is None else f"{float(f'{float(value):.5g}'):.10g}"


def _shorten(value: str | None) -> str:
    """A text for a table, cut where it is long."""
    text = value or ""
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
