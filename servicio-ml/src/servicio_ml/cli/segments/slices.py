"""`servicio-ml slices`: the rows of a window on which a version is worse than it expects."""

from typing import TYPE_CHECKING

from servicio_ml.cli.drift import open_window
from servicio_ml.cli.options import Debug, Json, UseCaseName, WindowLength, WindowVersion
from servicio_ml.cli.session import CommandSession, open_session

if TYPE_CHECKING:
    from servicio_ml.pipeline.slices.findings import SliceFindings


def slices(
    name: UseCaseName,
    length: WindowLength = "30d",
    version: WindowVersion = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Search the labelled rows of a window for values of one or two fields where the model fails.

    A slice is shown where its error rate (classes) or mean absolute error (numbers) exceeds what the model
    expects of these rows by more than chance; half of the rows choose slices, the others test them.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml.pipeline.slices.findings import find_slices

        found = find_slices(open_window(here, name, length, version))
        _show(here, found, length)
        here.print_document(found.to_json())


def _show(here: CommandSession, found: "SliceFindings", length: str) -> None:
    from servicio_ml.pipeline.slices.findings import COLUMNS

    info, rows = found.window.info, len(found.rows.losses)
    if not rows:
        here.print_line(
            f"no rows of {info.model} version {info.version} of the last {length} have ground truth"
        )
        return
    title = (
        f"{info.model} version {info.version}: {rows:,} rows of the last {length} with ground truth, "
        f"loss {found.rows.losses.mean():.4g}"
    )
    if found.slices:
        here.print_table(title, COLUMNS, found.build_table())
    else:
        here.print_line(title)
        here.print_line("no slice is worse than the model expects by more than chance")
