"""The parent: holds the port, the registry and the run's folder, and keeps the workers alive."""

import os
import secrets
from contextlib import closing
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from servicio_ml import bootstrap
from servicio_ml.api.run_folder import run_folder
from servicio_ml.errors import SettingsError
from servicio_ml.settings import Settings, variable

KEY_BYTES = 32


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check(settings: Settings) -> None:
    """Refuse a server that anybody could ask, or that could not do what it is set to.

    Raises:
        SettingsError: It binds to more than loopback without API keys, or their file is wrong, or the hook's;
            or it could not start a retraining.
    """
    if settings.keys_file is None and not is_loopback(settings.host):
        problem = (
            f"{settings.host!r} can be reached from other machines and no API keys are set; "
            "make one with `servicio-ml key` and name its file in SERVICIO_ML_KEYS_FILE, or bind to 127.0.0.1"
        )
        raise SettingsError(variable("host"), problem)
    if settings.keys_file is not None:
        from servicio_ml.serving.keys import read_keys  # noqa: PLC0415  after the cheap check

        read_keys(settings.keys_file)
    if settings.hook_token_file is not None:
        from servicio_ml.serving.hooks import read_token  # noqa: PLC0415  after the cheap check

        read_token(settings.hook_token_file)
    if settings.hook_token_file is not None or settings.airflow_url:
        bootstrap.retrainer(settings)


def serve(settings: Settings) -> None:
    """Serve until a signal says stop.

    Raises:
        SettingsError: The server would be open to other machines, or the port is taken.
    """
    check(settings)
    with run_folder() as folder:
        # read by prometheus_client when it is imported, here and in the workers
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder / "metrics")
        (folder / "metrics").mkdir()
        _run(settings, folder)


def _run(settings: Settings, folder: Path) -> None:
    import uvicorn  # noqa: PLC0415  after the checks

    from servicio_ml.api.protocol import ShortRoad  # noqa: PLC0415
    from servicio_ml.api.supervisor import Supervisor  # noqa: PLC0415  after the environment is set
    from servicio_ml.api.worker import Plan, create  # noqa: PLC0415

    plan = Plan(settings=settings, folder=folder, key=secrets.token_bytes(KEY_BYTES), parent=os.getpid())
    config = uvicorn.Config(
        partial(create, plan),
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        lifespan="on",
        http=ShortRoad,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    try:
        socket = config.bind_socket()
    except SystemExit:
        problem = f"{settings.port} is taken on {settings.host}; stop what listens there or choose another"
        raise SettingsError(variable("port"), problem) from None
    with closing(bootstrap.registry_link(settings, plan.socket, plan.key)), socket:
        # once, here: no worker has to load what migrations need
        bootstrap.prepare_log(settings)
        Supervisor(config, sockets=[socket]).run()
