"""The `servicio-ml` application: its commands and their order in the help."""

import typer

from servicio_ml.cli import data, etl

app = typer.Typer(
    name="servicio-ml",
    help="From a raw file to a monitored champion: ETL, training, promotion and serving of tabular models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(data.app, name="data")
app.command("etl")(etl.etl)


def main() -> None:
    """Run the command line."""
    app()
