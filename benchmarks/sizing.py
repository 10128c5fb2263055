"""What a production server needs in memory and on disks: the figures of docs/sizing.md.

    PYTHONPATH=tests python -m benchmarks.sizing --state FOLDER --serving ENVIRONMENT

`FOLDER` is a state folder with champions, which is copied; `ENVIRONMENT` one of requirements/serving.txt, so
that the server is as lean as in its image. PostgreSQL, Redis, MLflow, Streamlit and Prometheus run beside it.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from servers import (
    find_free_port,
    start_mlflow_server,
    start_postgres_server,
    start_prometheus_server,
    start_redis_server,
    wait_until_ready,
)
from servicio_ml.adapters.prediction_log.journal_stats import JournalStatsReader
from servicio_ml.api.run_folder import FOLDER_PREFIX

ROOT = Path(__file__).parents[1]
MODEL = "rain_australia"
RECORD = {
    "date": "2016-06-15", "location": "Sydney", "min_temp": 12.1, "max_temp": 18.9, "rainfall": 3.4,
    "humidity_3pm": 71, "pressure_3pm": 1009.2, "wind_gust_dir": "S", "wind_gust_speed": 44,
    "rain_today": "Yes",
}  # fmt: skip
SINGLES, BATCHES, BATCH_ROWS, STREAMED = 20_000, 50, 10_000, 5_000
CLIENTS = 8
SCRAPE_SECONDS, SCRAPED_SECONDS = 2, 240
BYTES_PER_MEGABYTE = 1_000_000
BLOCK_BYTES = 512
BETWEEN_LOOKS_SECONDS = 0.2
WAIT_SECONDS = 600
DAY_SAMPLES = 86_400 // 15
"""Samples of one time series per day."""


def report(what: str, found: object) -> None:
    print(f"{what:<58} {found}", flush=True)


def measure_pss(pid: int) -> float:
    """Megabytes of a process, what it shares counted by its part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / BYTES_PER_MEGABYTE


def list_processes(pid: int) -> list[int]:
    """List a process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in list_processes(int(child)))]


def to_megabytes(pid: int) -> str:
    """Format the memory (PSS) of a process and of each of its descendants, in MB."""
    return " + ".join(f"{measure_pss(each):.0f}" for each in list_processes(pid)) + " MB"


def list_own(name: str) -> int:
    """The process that this one started and whose command line has a name."""
    for pid in list_processes(os.getpid())[1:]:
        if name in Path(f"/proc/{pid}/cmdline").read_bytes().decode():
            return pid
    raise LookupError(name)


@contextmanager
def start(command: Sequence[str], log: Path, **settings: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process with settings, stopped at the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SERVICIO_ML_")}
    given = {f"SERVICIO_ML_{name.upper()}": str(value) for name, value in settings.items()}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**clean, **given})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=WAIT_SECONDS)


def post(port: int, path: str, body: object, times: int) -> None:
    """Send one request `times` times over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    raw = json.dumps(body)
    for _ in range(times):
        connection.request("POST", path, raw, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.read() and answer.status != http.client.OK:
            raise RuntimeError(f"{path}: {answer.status}")
    connection.close()


def request(url: str, **form: str) -> Any:
    with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode() if form else None) as answer:  # noqa: S310
        return json.load(answer)["data"]


def run_folder_of(pid: int) -> Path:
    """Where a server's processes count; it holds the lock of it open."""
    opened = [each.readlink() for each in Path(f"/proc/{pid}/fd").iterdir()]
    return next(path.parent for path in opened if path.parent.name.startswith(FOLDER_PREFIX))


def wait_until_shipped(folder: Path) -> float:
    """Seconds until the journals hold nothing that is not in PostgreSQL."""
    started, statistics = time.monotonic(), JournalStatsReader(folder)
    while sum(each.unshipped_rows for each in statistics().values()):
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)
    return time.monotonic() - started


def read_used(folder: Path) -> int:
    """Bytes of the journals' rows."""
    return sum(each.used_bytes for each in JournalStatsReader(folder)().values())


def serve(stack: ExitStack, python: Path, state: Path, stores: dict[str, str]) -> int:
    """Measure the server, its log and the stream worker; gives the server's port, which is left running."""
    port, log, command = find_free_port(), state / "log", str(python.with_name("servicio-ml"))
    address = {"state_dir": state, **stores}
    process = stack.enter_context(
        start(
            [command, "serve"],
            state / "serve.log",
            port=port,
            grpc_port=find_free_port(),
            workers=2,
            **address,
        )
    )
    wait_until_ready(f"http://127.0.0.1:{port}/health/ready", process)
    report("API, parent + workers, at the start", to_megabytes(process.pid))
    with psycopg.connect(stores["log_url"], autocommit=True) as database:

        def measure_log() -> tuple[int, int]:
            database.execute("VACUUM ANALYZE prediction")
            found = database.execute(
                "SELECT (SELECT count(*) FROM prediction), pg_total_relation_size('prediction')"
            ).fetchone()
            return found or (0, 0)

        before, path = read_used(log), f"/models/{MODEL}/predict"
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda _: post(port, path, RECORD, SINGLES // CLIENTS), range(CLIENTS)))
        wait_until_shipped(log)
        rows, size = measure_log()
        report("journal, a prediction of its own", f"{(read_used(log) - before) / rows:.0f} bytes")
        report("PostgreSQL, a prediction, with its indexes", f"{size / rows:.0f} bytes")
        before, started = read_used(log), time.monotonic()
        for _ in range(BATCHES):
            post(port, f"{path}/batch", {"records": [RECORD] * BATCH_ROWS}, 1)
        answered = time.monotonic() - started
        wait_until_shipped(log)
        done, (after, after_size) = time.monotonic() - started, measure_log()
        report("10,000 rows a request, answered", f"{(after - rows) / answered:,.0f} rows/s")
        report("shipped to PostgreSQL meanwhile and after", f"{(after - rows) / done:,.0f} rows/s")
        report("journal, a row of a batch", f"{(read_used(log) - before) / (after - rows):.0f} bytes")
        report("PostgreSQL, a row of a batch", f"{(after_size - size) / (after - rows):.0f} bytes")
    report("API, parent + workers, after that load", to_megabytes(process.pid))
    files = [path for path in run_folder_of(process.pid).rglob("*") if path.is_file()]
    shared = sum(path.stat().st_blocks for path in files) * BLOCK_BYTES
    report("shared memory of the API's processes", f"{shared / BYTES_PER_MEGABYTE:.1f} MB")
    measure_worker(command, state, address)
    return port


def measure_worker(command: str, state: Path, address: dict[str, Any]) -> None:
    """Measure a stream worker."""
    metrics = find_free_port()
    arguments = [command, "stream-worker", "--metrics-port", str(metrics)]
    with start(arguments, state / "work.log", **{**address, "state_dir": state / "streams"}) as process:
        url = f"http://127.0.0.1:{metrics}/metrics"
        wait_until_ready(url, process)
        sample = [sys.executable, "-m", "servicio_ml", "stream-sample", MODEL]
        sample[1:3] = ["-c", "from servicio_ml.cli import main; main()"]
        with start(
            [*sample, "--rows", str(STREAMED), "--rate", "0"], state / "sample.log", **address
        ) as sent:
            if sent.wait(timeout=WAIT_SECONDS):
                raise RuntimeError((state / "sample.log").read_text())
        while read_lag(url):
            threading.Event().wait(BETWEEN_LOOKS_SECONDS)
        report(f"stream worker after {STREAMED} requests", to_megabytes(process.pid))


def read_lag(metrics: str) -> float:
    """Requests of the model's stream that have no answer yet."""
    with urllib.request.urlopen(metrics) as answer:  # noqa: S310  an address of our own
        lines = answer.read().decode().splitlines()
    shown = [line for line in lines if line.startswith(f'servicio_ml_stream_lag{{model="{MODEL}"')]
    return sum(float(line.rpartition(" ")[2]) for line in shown)


def scrape(folder: Path, port: int) -> None:
    """Measure Prometheus with all rules and one server of five models."""
    jobs = [{"job_name": "servicio-ml", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]
    config = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": f"{SCRAPE_SECONDS}s"},
        "rule_files": [str(ROOT / "monitoring" / "prometheus" / "rules" / "*.yaml")],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yaml").write_text(json.dumps(config))
    with start_prometheus_server(
        folder / "prometheus.yaml", folder / "prometheus", "--web.enable-admin-api"
    ) as url:
        end = time.monotonic() + SCRAPED_SECONDS
        while time.monotonic() < end:
            post(port, f"/models/{MODEL}/predict", RECORD, 100)
            threading.Event().wait(BETWEEN_LOOKS_SECONDS)

        def query_one(query: str) -> float:
            found = request(f"{url}/api/v1/query", query=query)["result"]
            return float(found[0]["value"][1]) if found else 0.0

        pod = query_one('count({job="servicio-ml"})')
        everything = query_one('count({__name__!=""})')
        report("series of one API pod, five models", f"{pod:,.0f}")
        report("series of the rules", f"{everything - pod:,.0f}")
        report("Prometheus", to_megabytes(list_own("storage.tsdb.path")))
        name = request(f"{url}/api/v1/admin/tsdb/snapshot", skip_head="false")["name"]
        blocks = list((folder / "prometheus" / "snapshots" / name).glob("*/meta.json"))
        samples = sum(json.loads(each.read_text())["stats"]["numSamples"] for each in blocks)
        chunks = sum(path.stat().st_size for each in blocks for path in (each.parent / "chunks").iterdir())
        report("disk, a sample", f"{chunks / samples:.2f} bytes")
        report(
            "disk, a pod, a day at 15 s",
            f"{pod * DAY_SAMPLES * chunks / samples / BYTES_PER_MEGABYTE:.0f} MB",
        )


def show(folder: Path, port: int) -> None:
    """Measure Streamlit without a visitor."""
    own = find_free_port()
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(ROOT / "streamlit_app" / "app.py")),
        *("--server.port", str(own), "--server.headless", "true"),
    ]
    with start(command, folder / "streamlit.log", api_url=f"http://127.0.0.1:{port}") as process:
        wait_until_ready(f"http://127.0.0.1:{own}/_stcore/health", process)
        report("Streamlit at the start", to_megabytes(process.pid))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--serving", type=Path, default=Path(sys.prefix))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="servicio-ml-sizing-") as name, ExitStack() as stack:
        folder = Path(name)
        shutil.copytree(given.state, folder / "state")
        database = f"sqlite:///{folder}/state/mlflow.db"
        stores = {
            "mlflow_url": stack.enter_context(start_mlflow_server(folder, database=database)),
            "redis_url": stack.enter_context(start_redis_server(folder)),
            "log_url": stack.enter_context(start_postgres_server()).build_url(),
        }
        port = serve(stack, given.serving / "bin" / "python", folder / "state", stores)
        report("MLflow, all processes, after that", to_megabytes(list_own("mlflow")))
        show(folder, port)
        scrape(folder, port)


if __name__ == "__main__":
    main()
