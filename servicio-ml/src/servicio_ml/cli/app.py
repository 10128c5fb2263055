"""The `servicio-ml` application: its commands and their order in the help."""

import gc

import typer

from servicio_ml.cli import (
    backtest,
    data,
    drift,
    etl,
    promote,
    prune,
    report,
    score,
    serve,
    stream,
    train,
)
from servicio_ml.cli.drafting import check, init
from servicio_ml.cli.experiments import experiment
from servicio_ml.cli.importing import import_model
from servicio_ml.cli.isolated import environment
from servicio_ml.cli.prediction_log import predictions, view
from servicio_ml.cli.rollout import rollout
from servicio_ml.cli.segments import slices
from servicio_ml.cli.step import app as step_app
from servicio_ml.cli.tickets import acknowledge

# imports alone create far more objects than the default of 700 between two collections
COLLECT_AFTER = 100_000
"""New objects before the collector looks for cycles: imports make many that stay, and looking takes time."""

app = typer.Typer(
    name="servicio-ml",
    help="From a raw file to a monitored champion: ETL, training, promotion and serving of tabular models.",
    no_args_is_help=True,
    # an unexpected error must show Python's own traceback, which a report can quote
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("init")(init.init)
app.command("check")(check.check)
app.add_typer(data.app, name="data")
app.command("etl")(etl.etl)
app.command("train")(train.train)
app.command("import")(import_model.import_model)
app.command("promote")(promote.promote)
app.command("experiment")(experiment.experiment)
app.command("rollout")(rollout.rollout)
app.command("rollback")(promote.rollback)
app.command("history")(promote.history)
app.add_typer(step_app.app, name="step")
app.command("prune")(prune.prune)
app.command("score")(score.score)
app.command("predictions")(predictions.write_predictions)
app.command("predictions-view")(view.create_view)
app.command("drift")(drift.drift)
app.command("slices")(slices.slices)
app.command("acknowledge")(acknowledge.acknowledge)
app.command("report")(report.report)
app.command("backtest")(backtest.backtest)
app.command("environment")(environment.environment)
app.command("serve")(serve.serve)
app.command("key")(serve.key)
app.command("stream-worker")(stream.stream_worker)
app.command("stream-sample")(stream.stream_sample)


def main() -> None:
    """Run the command line."""
    # before the commands import their libraries, which happens inside each command
    gc.set_threshold(COLLECT_AFTER)
    try:
        app()
    finally:
        gc.freeze()  # the process ends: nothing is to be looked for any more
