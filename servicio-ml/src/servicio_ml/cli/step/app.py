"""The command group `servicio-ml step`.

Each step prints one line of JSON as its last line on standard output and everything else on standard error.
Steps pass on URIs and ids only. Repeating a step with the same arguments has no further effect.
"""

import typer

from servicio_ml.cli.step import decision, etl, training

app = typer.Typer(help="Run one step of `etl` or `train`, for a scheduler.", no_args_is_help=True)
# in the order in which a scheduler runs them, which is that of --help
for command in (
    etl.extract,
    etl.transform,
    etl.split,
    etl.publish,
    training.plan,
    training.tune,
    training.select,
    training.refine,
    training.export,
    decision.judge,
    decision.promote,
    decision.rollout,
    decision.reject,
    decision.reload,
    decision.record,
    decision.fail,
):
    app.command()(command)
