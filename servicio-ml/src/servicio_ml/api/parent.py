"""The parent process: it holds the port, the registry and the run folder, and restarts workers."""

import os
import secrets
from contextlib import closing
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from servicio_ml import bootstrap
from servicio_ml.api.memory import MAX_ARENAS
from servicio_ml.api.run_folder import create_run_folder
from servicio_ml.api.worker_plan import PROTOCOL, WorkerPlan, create_app
from servicio_ml.errors import SettingsError
from servicio_ml.settings import Settings, get_variable
from servicio_ml.use_cases.catalogue import UserFolder

KEY_BYTES = 32


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_settings(settings: Settings) -> None:
    """Refuse settings that would open the server to everybody, or that cannot work.

    Raises:
        SettingsError: The server binds to more than loopback without API keys, the file of the keys or of the
            hook's token is wrong, or a retraining could not be started.
    """
    if settings.keys_file is None and not is_loopback(settings.host):
        problem = (
            f"{settings.host!r} can be reached from other machines and no API keys are set; "
            "make one with `servicio-ml key` and name its file in SERVICIO_ML_KEYS_FILE, or bind to 127.0.0.1"
        )
        raise SettingsError(get_variable("host"), problem)
    if settings.keys_file is not None:
        from servicio_ml.serving.http.api_keys import read_keys  # noqa: PLC0415  after the cheap check

        read_keys(settings.keys_file)
    if settings.hook_token_file is not None:
        from servicio_ml.serving.retraining.hook import read_token  # noqa: PLC0415  after the cheap check

        read_token(settings.hook_token_file)
    if settings.hook_token_file is not None or settings.airflow_url:
        bootstrap.create_retrainer(settings)


def serve(settings: Settings) -> None:
    """Serve until a signal stops the process.

    Raises:
        SettingsError: The settings are refused, or the port is taken.
    """
    check_settings(settings)
    # named once at the start; a broken file does not keep the others from being served
    UserFolder(settings.use_cases_dir).find_broken_files()
    with create_run_folder() as folder:
        # prometheus_client reads it when it is imported, here and in the workers
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder / "metrics")
        # the C library reads it when a worker starts
        os.environ.setdefault("MALLOC_ARENA_MAX", MAX_ARENAS)
        (folder / "metrics").mkdir()
        _run_workers(settings, folder)


def _run_workers(settings: Settings, folder: Path) -> None:
    import uvicorn  # noqa: PLC0415  after the checks

    from servicio_ml.api.supervisor import Supervisor  # noqa: PLC0415  after the environment is set

    plan = WorkerPlan(
        settings=settings, folder=folder, key=secrets.token_bytes(KEY_BYTES), parent=os.getpid()
    )
    config = uvicorn.Config(
        partial(create_app, plan),
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        lifespan="on",
        http=PROTOCOL,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    try:
        # bound before the workers start: they all inherit it
        socket = config.bind_socket()
    except SystemExit:
        problem = f"{settings.port} is taken on {settings.host}; stop what listens there or choose another"
        raise SettingsError(get_variable("port"), problem) from None
    with socket:
        # migrated here once, so that no worker loads the migration library
        bootstrap.prepare_log(settings)
        # it imports MLflow while the workers start
        with closing(bootstrap.create_registry_link(settings, plan.socket, plan.key)):
            Supervisor(config, sockets=[socket]).run()
