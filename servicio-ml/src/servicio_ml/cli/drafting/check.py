"""`servicio-ml check`: what the ETL would do with a raw file, before any ETL."""

from typing import TYPE_CHECKING

import typer

from servicio_ml.cli.etl import find_raw_file
from servicio_ml.cli.options import Debug, DescribedSource, Json, UseCaseName
from servicio_ml.cli.session import FAILED, CommandSession, open_session

if TYPE_CHECKING:
    from servicio_ml.pipeline.check_raw_file import RawFileCheck


def check(
    name: UseCaseName,
    source: DescribedSource = "",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Check a raw file against its use case: rows by status, reasons of the quarantine, refusals.

    Nothing is published. The exit code is 1 where `etl` or `train` would refuse the file.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.pipeline.check_raw_file import check_raw_file
        from servicio_ml.pipeline.training.parameters import check_parameters
        from servicio_ml.use_cases.catalogue import find

        use_case = find(name, here.settings.use_cases_dir)
        check_parameters(use_case)
        address = find_raw_file(here, use_case, source)
        with bootstrap.open_source(here.settings, address) as path:
            found = check_raw_file(use_case, path, source_name=address)
        show_check(here, found)
        here.print_document({"use_case": name, **found.to_json()})
    if found.problems:
        raise typer.Exit(FAILED)


def show_check(here: CommandSession, found: "RawFileCheck") -> None:
    """Print what the ETL would do with a file, a sentence a line."""
    statuses = ", ".join(
        f"{count} {name}" for name, count in reversed([*found.status_counts.items()]) if count
    )
    here.print_line(f"{found.source} ({found.dialect}): {found.rows} rows: {statuses}")
    for sentence in found.quarantine:
        here.print_line(f"quarantine: {sentence}")
    for field, reason in found.leaks.items():
        here.print_line(f"left out: {field} gives the target away: {reason}")
    for what, names in (
        ("columns that are not read", found.ignored),
        ("fields not in the file", found.absent),
    ):
        if names:
            here.print_line(f"{what}: {', '.join(names)}")
    for problem in found.problems:
        here.print_line(f"refused: {problem}")
    if not found.problems:
        here.print_line("the file can be published by `servicio-ml etl`")
