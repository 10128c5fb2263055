"""Health check of an Airflow component, cheaper than Airflow's own command: `healthy.py scheduler`."""

import json
import os
import socket
import sys
from urllib.request import urlopen

SERVER = "http://{host}:8080/api/v2/monitor/health"
SECONDS = 5


def is_component_healthy(name: str, host: str) -> bool:
    """Whether a component is healthy for the API server, which knows its heartbeats."""
    with urlopen(SERVER.format(host=host), timeout=SECONDS) as answer:  # noqa: S310  our own server
        return bool(json.load(answer)[name]["status"] == "healthy")


def is_worker_alive() -> bool:
    """Whether this machine's worker answers over the broker."""
    from celery import Celery  # noqa: PLC0415  only a worker needs it

    celery = Celery(broker=os.environ["AIRFLOW__CELERY__BROKER_URL"])
    return bool(celery.control.ping(destination=[f"celery@{socket.gethostname()}"], timeout=SECONDS))


def main(component: str) -> int:
    """Say it by the exit code."""
    try:
        if component == "worker":
            return not is_worker_alive()
        host = "127.0.0.1" if component == "metadatabase" else "airflow-apiserver"
        return not is_component_healthy(component, host)
    except Exception as error:  # noqa: BLE001  whatever it is, the component is not healthy
        sys.stderr.write(f"{component}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
