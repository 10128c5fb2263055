"""`servicio-ml serve` and `servicio-ml key`."""

from pathlib import Path
from typing import Annotated

import typer

from servicio_ml.cli.session import Debug, session
from servicio_ml.errors import OutputError


def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind to; SERVICIO_ML_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Of REST, OIP and GraphQL; SERVICIO_ML_PORT.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="Of gRPC, 0 for none; SERVICIO_ML_GRPC_PORT.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; SERVICIO_ML_WORKERS.")] = None,
    debug: Debug = False,
) -> None:
    """Serve the champions until stopped: REST, Open Inference Protocol, gRPC, GraphQL and metrics."""
    with session(as_json=False, debug=debug) as here:
        from servicio_ml.api.parent import serve as run
        from servicio_ml.settings import load

        given = {"host": host, "port": port, "grpc_port": grpc_port, "workers": workers}
        settings = load(**{name: value for name, value in given.items() if value is not None})
        here.progress.say(f"servicio-ml at http://{settings.host}:{settings.port}, documents at /docs")
        if settings.grpc_port:
            here.progress.say(f"gRPC at {settings.host}:{settings.grpc_port}")
        if settings.keys_file is None:
            here.progress.warn("no API keys: whoever reaches this machine's loopback may do everything")
        run(settings)


def key(
    name: Annotated[str, typer.Argument(help="Whose it is, one word.")],
    file: Annotated[Path, typer.Option(help="The file of keys, made when it is not there.")] = Path("keys"),
    admin: Annotated[bool, typer.Option("--admin", help="May also reload models and steer traffic.")] = False,
    debug: Debug = False,
) -> None:
    """Make an API key: its hash goes into the file, the key itself is shown once."""
    with session(as_json=False, debug=debug) as here:
        from servicio_ml.serving.keys import Scope, line, new_key

        if not name.isidentifier():
            raise typer.BadParameter(f"{name!r} is not one word of letters, digits and _")
        made = new_key()
        scopes = frozenset({Scope.ADMIN} if admin else {Scope.PREDICT})
        try:
            file.touch(mode=0o600)
            with file.open("a") as keys:
                keys.write(line(name, scopes, made) + "\n")
        except OSError as error:
            raise OutputError(file, str(error)) from error
        here.line(made)
