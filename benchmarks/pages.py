"""How quickly the pages are there: `python -m benchmarks.pages` prints Markdown tables.

The champion of SERVICIO_ML_STATE_DIR, which is copied (or one that is trained first), is given a log of so
many answered rows, one request each unless said otherwise. Then the server, Prometheus where it is installed,
and the pages are started, and every page is opened in chromium, each time in a context of its own: until its
heading is there, and until Streamlit has drawn all of it. The first time the pages have nothing of it
in their cache; later times some of it for ten seconds. The requests that each page makes of the server are
from the server's own log.

Last, single predictions are asked for one after another, without and with a reader who has the drift of all
rows computed again and again.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
from benchmarks.score import COMMAND, RAIN, run_child
from playwright.sync_api import Browser, sync_playwright

from servicio_ml import bootstrap
from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.adapters.prediction_log.journal_file import JournalFile
from servicio_ml.domain.prediction import Chunk, Interface, Purpose, create_timed_key
from servicio_ml.features.artifact import load_version
from servicio_ml.lifecycle.versions import find_version
from servicio_ml.pipeline.drift.reference import read_rows
from servicio_ml.settings import load_settings

ROOT = Path(__file__).parents[1]
PAGES = {"predict": "", "data": "data", "models": "models", "drift": "drift", "live": "live"}
"""Their paths; the first is at the root."""
HOST, API_PORT, PAGES_PORT, METRICS_PORT = "127.0.0.1", 18810, 18511, 19110
API, METRICS = f"http://{HOST}:{API_PORT}", f"http://{HOST}:{METRICS_PORT}"
SPREAD_SECONDS = 20 * 3600
WRITTEN_ROWS = 20_000
START_SECONDS, BETWEEN_LOOKS_SECONDS = 120, 0.2
DRAWN = """
() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
  && document.querySelectorAll('[data-stale=true]').length === 0
  && !document.querySelector('[data-testid=stSkeleton]')
"""
"""Streamlit's own mark that the script has ended, and that nothing of the run before is left."""
PAGE_MILLISECONDS = 60_000
PREDICTIONS = 2_000
QUANTILES = (50, 99)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=5, help="of each page")
    arguments.add_argument("--rows", type=int, default=1_000_000, help="in the log")
    arguments.add_argument("--chunk-rows", type=int, default=1, help="of one logged request")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="servicio-ml-benchmark-") as name:
        folder = Path(name)
        prepare(folder)
        example = fill(given.rows, given.chunk_rows)
        with start_platform(folder) as url:
            show_drift(given.runs)
            show_pages(url, folder / "api.out", given.runs)
            show_predictions(example)


def prepare(folder: Path) -> None:
    """A state of our own with a champion and an empty log."""
    given, state = os.environ.get("SERVICIO_ML_STATE_DIR"), folder / "state"
    os.environ["SERVICIO_ML_STATE_DIR"] = str(state)
    if given:
        shutil.copytree(given, state, ignore=shutil.ignore_patterns("log"))
        return
    for words in (["data", "sample"], ["etl"], ["train", "--candidate", "lightgbm", "--timeout", "60"]):
        run_child([*COMMAND, *words, RAIN.name])


def fill(rows: int, each: int) -> dict[str, object]:
    """Log test rows with the champion's answers over the last hours; gives a record as an example."""
    settings = load_settings()
    _, registry = bootstrap.connect_mlflow(settings)
    info = find_version(registry, RAIN.name, "champion")
    artifact = load_version(registry, info)
    schema, table = artifact.encoder.schema, read_rows(bootstrap.open_lake(settings), info, "test")
    matrix = artifact.encoder.encode_frame(table)
    fields, answers = np.ascontiguousarray(matrix[:, : len(schema.fields)]), artifact.predict(matrix)
    shares = answers.probabilities
    pick, bits = np.random.default_rng(1), random.Random(1).getrandbits  # noqa: S311  ids, no secrets
    journal = SqliteJournal.open_exclusive(bootstrap.get_log_folder(settings))
    end, done = time.time(), 0
    while done < rows:
        chunks = []
        for _ in range(max(1, WRITTEN_ROWS // each)):
            at, some = end - SPREAD_SECONDS * (1 - done / rows), pick.integers(0, len(matrix), each)
            chunks.append(
                Chunk(
                    key=create_timed_key(at, bits), at=at, model=info.model, version=info.version,
                    protocol=Interface.REST, purpose=Purpose.ANSWER, rows=each,
                    places=np.arange(each, dtype="<u4").tobytes(), features=fields[some].tobytes(),
                    outcomes=answers.outcomes[some].tobytes(),
                    probabilities=b"" if shares is None else shares[some].tobytes(),
                )
            )  # fmt: skip
            done += each
        journal.write(chunks)
    with closing(JournalFile(journal.path)) as file:
        file.checkpoint()
    journal.close()
    example = table.select(schema.field_names).row(0, named=True)
    return {name: str(value)[:10] if name == "date" else value for name, value in example.items()}


@contextmanager
def start_platform(folder: Path) -> Iterator[str]:
    """The server, Prometheus and the pages; gives the pages' address."""
    environment = {
        **os.environ, "SERVICIO_ML_PORT": str(API_PORT), "SERVICIO_ML_GRPC_PORT": "0",
        "SERVICIO_ML_WORKERS": "1", "SERVICIO_ML_API_URL": API, "SERVICIO_ML_PROMETHEUS_URL": METRICS,
    }  # fmt: skip
    pages = [*COMMAND[:1], "-m", "streamlit", "run", str(ROOT / "streamlit_app" / "app.py")]
    commands = {"api": [*COMMAND, "serve"], "pages": [*pages, "--server.port", str(PAGES_PORT)]}
    ready = {"api": f"{API}/health/ready", "pages": f"http://{HOST}:{PAGES_PORT}/_stcore/health"}
    if program := shutil.which("prometheus"):
        rules = ROOT / "monitoring" / "prometheus" / "rules"
        scraped = f"[{{job_name: servicio-ml, static_configs: [{{targets: ['{HOST}:{API_PORT}']}}]}}]"
        config = folder / "prometheus.yaml"
        config.write_text(f"rule_files: ['{rules}/*.yaml']\nscrape_configs: {scraped}\n")
        options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
        commands["metrics"] = [program, *options, f"--web.listen-address={HOST}:{METRICS_PORT}"]
        ready["metrics"] = f"{METRICS}/-/ready"
    running = []
    try:
        for name, command in commands.items():
            with (folder / f"{name}.out").open("wb") as out:
                running.append(
                    subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment)
                )
        for name, address in ready.items():
            wait_for_answer(name, address)
        yield f"http://{HOST}:{PAGES_PORT}"
    finally:
        for each in running:
            each.terminate()
        for each in running:
            each.wait()


def wait_for_answer(name: str, address: str) -> None:
    """Return when an address answers."""
    for _ in range(int(START_SECONDS / BETWEEN_LOOKS_SECONDS)):
        try:
            with urlopen(address, timeout=BETWEEN_LOOKS_SECONDS):  # noqa: S310  of our own
                return
        except OSError:
            threading.Event().wait(BETWEEN_LOOKS_SECONDS)
    sys.exit(f"{name} did not answer at {address} within {START_SECONDS} s")


def show_drift(runs: int) -> None:
    """How long the server takes for the drift of all rows."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        metrics = json.loads(request(f"/models/{RAIN.name}/drift?window=24h"))
        taken.append(time.perf_counter() - started)
    middle, most = statistics.median(taken), max(taken)
    print(f"Drift of {metrics['rows']:,} rows, seconds: median {middle:.2f}, most {most:.2f}\n")


def show_pages(url: str, log: Path, runs: int) -> None:
    """Open every page and report its times and requests."""
    print("| page | heading, s | complete, s | complete, first time, s | requests of the server |")
    print("|---|---:|---:|---:|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        open_page(browser, url)  # whatever the first reader alone waits for
        for page, path in PAGES.items():
            before = log.stat().st_size
            times = [open_page(browser, f"{url}/{path}?use_case={RAIN.name}") for _ in range(runs)]
            first, whole = (statistics.median(each) for each in zip(*times, strict=True))
            asked = count_requests_since(log, before, runs)
            print(f"| {page} | {first:.2f} | {whole:.2f} | {times[0][1]:.2f} | {asked} |", flush=True)
        browser.close()


def open_page(browser: Browser, address: str) -> tuple[float, float]:
    """Seconds until the heading of a page is there, and until all of it is."""
    context = browser.new_context()
    page = context.new_page()
    started = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("h1", timeout=PAGE_MILLISECONDS)
    first = time.perf_counter() - started
    page.wait_for_function(DRAWN, timeout=PAGE_MILLISECONDS)
    whole = time.perf_counter() - started
    context.close()
    return first, whole


def count_requests_since(log: Path, start: int, runs: int) -> str:
    """What the server was asked, by path, a page."""
    with log.open("rb") as file:
        file.seek(start)
        lines = [line for line in file.read().splitlines() if line.startswith(b"{")]
    asked = Counter(
        f"{metrics['method']} {metrics['path']}"
        for metrics in map(json.loads, lines)
        if "path" in metrics and not metrics["path"].startswith(("/metrics", "/health"))
    )
    return ", ".join(f"{name} ({count / runs:.1f})" for name, count in asked.most_common())


def show_predictions(example: dict[str, object]) -> None:
    """How long single predictions take while somebody reads the drift, and while nobody does."""
    stop = threading.Event()
    alone = predict(example)
    reader = threading.Thread(target=read_drift, args=(stop,))
    reader.start()
    beside = predict(example)
    stop.set()
    reader.join()
    print("\n| single predictions, one after another | p50, ms | p99, ms |\n|---|---:|---:|")
    for name, times in (("nobody reads the drift", alone), ("it is read again and again", beside)):
        print(f"| {name} | " + " | ".join(f"{np.percentile(times, q):.1f}" for q in QUANTILES) + " |")


def read_drift(stop: threading.Event) -> None:
    while not stop.is_set():
        request(f"/models/{RAIN.name}/drift?window=24h")


def predict(example: dict[str, object]) -> list[float]:
    """Milliseconds of each prediction."""
    body, taken = json.dumps(example, default=str).encode(), []
    for _ in range(PREDICTIONS):
        started = time.perf_counter()
        request(f"/models/{RAIN.name}/predict", body)
        taken.append(1000 * (time.perf_counter() - started))
    return taken


def request(path: str, body: bytes | None = None) -> bytes:
    """What the server answers."""
    request = Request(API + path, body, {"Content-Type": "application/json"} if body else {})  # noqa: S310  our own
    with urlopen(request) as answer:  # noqa: S310  as above
        found: bytes = answer.read()
        return found


if __name__ == "__main__":
    main()
