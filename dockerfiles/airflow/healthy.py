"""Whether a part of Airflow is well, at less cost than by Airflow's own command: `healthy.py scheduler`."""

import json
import os
import socket
import sys
from urllib.request import urlopen

SERVER = "http://{host}:8080/api/v2/monitor/health"
SECONDS = 5


def part_is_healthy(name: str, host: str) -> bool:
    """What the API server knows of a part by its heartbeats."""
    with urlopen(SERVER.format(host=host), timeout=SECONDS) as answer:  # noqa: S310  our own server
        return bool(json.load(answer)[name]["status"] == "healthy")


def worker_answers() -> bool:
    """Whether this machine's worker answers over the broker."""
    from celery import Celery  # noqa: PLC0415  only a worker needs it

    celery = Celery(broker=os.environ["AIRFLOW__CELERY__BROKER_URL"])
    return bool(celery.control.ping(destination=[f"celery@{socket.gethostname()}"], timeout=SECONDS))


def main(part: str) -> int:
    """Say it by the exit code."""
    try:
        if part == "worker":
            return not worker_answers()
        host = "127.0.0.1" if part == "metadatabase" else "airflow-apiserver"
        return not part_is_healthy(part, host)
    except Exception as error:  # noqa: BLE001  whatever it is, the part is not well
        sys.stderr.write(f"{part}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
