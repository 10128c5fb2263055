"""`servicio-ml data`: look-alike rows, the original, and a summary table of a raw file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from servicio_ml.cli.session import Debug, Json, Session, UseCaseName, session

FETCH_SECONDS = 300.0
SHORT = 24
"""Characters of a text that a table shows."""

app = typer.Typer(
    help="The raw data of a use case: look-alike rows, the original, a summary table.", no_args_is_help=True
)


@app.command()
def sample(
    name: UseCaseName,
    rows: Annotated[
        int | None, typer.Option(min=1, help="How many; the use case's number if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same file.")] = 0,
    output: Annotated[
        Path | None, typer.Option(help="File to write; `etl` finds it by itself if not given.")
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write look-alike rows: the original's columns, spellings, gaps and ties to the target, not its rows."""
    with session(as_json=as_json, debug=debug) as here:
        import numpy as np

        from servicio_ml import bootstrap
        from servicio_ml.adapters.raw_files import write_csv
        from servicio_ml.features.sampler import draw
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        target = output or bootstrap.raw_files(here.settings).sample(use_case)
        table = draw(use_case, rows or use_case.sample.rows, np.random.default_rng(seed))
        write_csv(target, table.columns, header=table.named)
        here.line(f"{table.rows} look-alike rows of {name} (seed {seed}): {target}")
        here.document({"use_case": name, "path": str(target), "rows": table.rows, "seed": seed})


@app.command()
def fetch(
    name: UseCaseName,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds that the download may take.")
    ] = FETCH_SECONDS,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Download the original from its publisher, through kagglehub or ucimlrepo."""
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.adapters.origins import fetch_original
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        target = bootstrap.raw_files(here.settings).fetched(use_case)
        fetch_original(use_case, target, seconds=timeout)
        size = target.stat().st_size
        here.line(f"{target}: {size} bytes (licence: {use_case.origin.licence or 'not stated'})")
        here.document(
            {"use_case": name, "path": str(target), "bytes": size, "licence": use_case.origin.licence}
        )


@app.command()
def describe(
    name: UseCaseName,
    source: Annotated[
        str,
        typer.Option(
            metavar="PATH|URL|S3",
            help="Raw file: a path, http(s)://… or s3://…; when not given, the one that `etl` takes.",
        ),
    ] = "",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Sum up a raw file as the ETL would read it: rows, what would be quarantined, and each field."""
    with session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.describe import describe as run
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        address = source or str(bootstrap.raw_files(here.settings).found(use_case))
        with bootstrap.source(here.settings, address) as path:
            document = run(use_case, path, named=address).to_json()
        _show(here, use_case.title, document)
        here.document({"use_case": name, **document})


def _show(here: Session, title: str, described: Mapping[str, Any]) -> None:
    fates = ", ".join(f"{count} {fate}" for fate, count in reversed(described["fates"].items()) if count)
    here.line(f"{described['source']} ({described['dialect']}): {described['rows']} rows: {fates}")
    for what, said in (
        ("quarantined since", described["reasons"]),
        ("columns that are not read", ", ".join(described["ignored"])),
        ("optional fields that are not there", ", ".join(described["absent"])),
    ):
        if said:
            here.line(f"{what}: {said}")
    here.table(
        f"{title}: the kept rows",
        ["field", "kind", "missing", "distinct", "least … mean … greatest", "example"],
        [_cells(field) for field in described["fields"]],
    )


def _cells(field: Mapping[str, Any]) -> list[object]:
    show = _short if field["mean"] is None else _number
    shown = [
        text for text in (show(field["minimum"]), _number(field["mean"]), show(field["maximum"])) if text
    ]
    if field["most_frequent"] is not None:
        shown = [f"{_short(field['most_frequent'])} ({field['most_frequent_share']:.0%})"]
    return [
        field["name"],
        ", ".join(filter(None, (field["kind"], field["unit"]))),
        f"{field['missing_before']:.1%}",
        field["distinct"],
        " … ".join(shown),
        show(field["example"]),
    ]


def _number(value: str | float | None) -> str:
    """A number for a table, to five digits."""
    return "" if value is None else f"{float(f'{float(value):.5g}'):.10g}"


def _short(value: str | None) -> str:
    """A text for a table, cut where it is long."""
    text = value or ""
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"
