"""`servicio-ml serve` and `servicio-ml key`."""

from pathlib import Path
from typing import Annotated

import typer

from servicio_ml.cli.options import Debug
from servicio_ml.cli.session import open_session
from servicio_ml.errors import OutputError


def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind to. Default: SERVICIO_ML_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of REST, OIP and GraphQL. Default: SERVICIO_ML_PORT.")
    ] = None,
    grpc_port: Annotated[
        int | None, typer.Option(help="Port of gRPC; 0 for none. Default: SERVICIO_ML_GRPC_PORT.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Number of server processes. Default: SERVICIO_ML_WORKERS.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Serve the champions until stopped: REST, Open Inference Protocol, gRPC, GraphQL and metrics."""
    with open_session(as_json=False, debug=debug) as here:
        from servicio_ml.api.parent import serve as run
        from servicio_ml.settings import load_settings

        given = {"host": host, "port": port, "grpc_port": grpc_port, "workers": workers}
        # only options that were given: None would hide the environment's value
        settings = load_settings(**{name: value for name, value in given.items() if value is not None})
        here.progress.report(f"servicio-ml at http://{settings.host}:{settings.port}, documents at /docs")
        if settings.grpc_port:
            here.progress.report(f"gRPC at {settings.host}:{settings.grpc_port}")
        # allowed on loopback only, which `check_settings` enforces
        if settings.keys_file is None:
            here.progress.warn("no API keys: whoever reaches this machine's loopback may do everything")
        run(settings)


def key(
    name: Annotated[str, typer.Argument(help="Name of the client, one word; the access log shows it.")],
    file: Annotated[Path, typer.Option(help="File of the keys; created if it does not exist.")] = Path(
        "keys"
    ),
    admin: Annotated[
        bool,
        typer.Option(
            "--admin", help="Give the key the scope `admin`: set champions, reload models, change traffic."
        ),
    ] = False,
    debug: Debug = False,
) -> None:
    """Create an API key: the file gets its hash, and the key is shown once."""
    with open_session(as_json=False, debug=debug) as here:
        from servicio_ml.serving.http.api_keys import Scope, format_key_line, generate_key

        if not name.isidentifier():
            raise typer.BadParameter(f"{name!r} is not one word of letters, digits and _")
        made = generate_key()
        scopes = frozenset({Scope.ADMIN} if admin else {Scope.PREDICT})
        try:
            # created with these rights before the first line is written, not changed afterwards
            file.touch(mode=0o600)
            with file.open("a") as keys:
                keys.write(format_key_line(name, scopes, made) + "\n")
        except OSError as error:
            raise OutputError(file, str(error)) from error
        here.print_line(made)
