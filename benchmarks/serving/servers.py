"""The servers: ours, the ceiling and the peers, how each is started, asked and understood."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from benchmarks.environments import OURS
from benchmarks.serving.model import Floats, Models
from benchmarks.serving.processes import HOST

JSON, ARROW = "application/json", "application/vnd.apache.arrow.stream"
BATCHES = 64
BATCH_SECONDS = 0.005
POSITIVE = 1
OUR_PATH = "/models/rain_australia/predict"


class ServerKind(StrEnum):
    """What a server is compared as."""

    OURS = "ours"
    CEILING = "ceiling"
    PIPELINE = "the scikit-learn pipeline"
    FAST = "a fast model inside"
    IMPORTED = "ours, with the scikit-learn pipeline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server is started.

    Attributes:
        models: The prepared folder.
        scratch: An empty folder for what it writes.
        port: Port of the server; the two that follow are free as well.
    """

    models: Path
    scratch: Path
    port: int


Rows = slice
Body = Callable[[Models, Rows], bytes]
"""Some of the prepared rows as a request's body."""
Read = Callable[[Any], Floats]
"""The probabilities `[n]` in an answer's JSON document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server in one configuration.

    Attributes:
        name: As the option `--only` takes it.
        title: As the table shows it.
        kind: What it is compared as.
        environment: Name of the one that it runs in.
        command: Words after the interpreter.
        settings: Environment variables.
        path: HTTP path of the prediction.
        body: Makes one, of one row or of more.
        read: Understands the answer; None where there is nothing to understand.
    """

    name: str
    title: str
    kind: ServerKind
    environment: str
    command: Callable[[Place], Sequence[str]]
    path: str
    body: Body
    read: Read | None
    settings: Callable[[Place], Mapping[str, str]] = field(default=lambda _: {})


def record(models: Models, rows: Rows) -> bytes:
    return json.dumps(models.records[rows][0]).encode()


def build_records(models: Models, rows: Rows) -> bytes:
    return json.dumps({"records": models.records[rows]}).encode()


def build_columns(models: Models, rows: Rows) -> bytes:
    chosen = models.records[rows]
    return json.dumps({"columns": {name: [row[name] for row in chosen] for name in chosen[0]}}).encode()


def build_arrow(models: Models, rows: Rows) -> bytes:
    table = pa.Table.from_pylist(list(models.records[rows]))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def build_frame_records(models: Models, rows: Rows) -> bytes:
    return json.dumps({"dataframe_records": models.records[rows]}).encode()


def _build_numbers(models: Models, rows: Rows) -> list[list[float | None]]:
    """Rows of the matrix, as short as they can be written, null where a number is missing."""
    return [[None if np.isnan(x) else float(str(x)) for x in row] for row in models.matrix[rows]]


def build_features(models: Models, rows: Rows) -> bytes:
    return json.dumps({"features": _build_numbers(models, rows)}).encode()


def build_feature_row(models: Models, rows: Rows) -> bytes:
    return json.dumps({"features": _build_numbers(models, rows)[0]}).encode()


def build_tensor(models: Models, rows: Rows) -> bytes:
    numbers = _build_numbers(models, rows)
    given = {"name": "features", "datatype": "FP32", "shape": [len(numbers), len(numbers[0])]}
    return json.dumps({"inputs": [{**given, "data": list(chain.from_iterable(numbers))}]}).encode()


def build_tensors(models: Models, rows: Rows) -> bytes:
    """A tensor a column, as MLServer's runtime for scikit-learn makes a data frame of."""
    chosen = models.records[rows]
    given = [
        {
            "name": name,
            "datatype": "FP64" if kind == "number" else "BYTES",
            "shape": [len(chosen), 1],
            "data": [row[name] for row in chosen],
        }
        for name, kind in json.loads((models.folder / "fields.json").read_text()).items()
    ]
    wanted = [{"name": "predict_proba"}]
    return json.dumps({"parameters": {"content_type": "pd"}, "inputs": given, "outputs": wanted}).encode()


def _select_one(document: Any) -> Floats:
    return np.array([document["probability"]])


def _list(document: Any) -> Floats:
    return np.array(document)


def _read_probability(document: Any) -> Floats:
    return np.array(document["predictions"])[:, POSITIVE]


def _read_oip_probability(document: Any) -> Floats:
    return np.array(document["outputs"][0]["data"]).reshape(-1, 2)[:, POSITIVE]


def _build_oip_server(document: Any) -> Floats:
    return np.array(document["outputs"][0]["data"]).ravel()


def _build_uvicorn_command(app: str) -> Callable[[Place], Sequence[str]]:
    def build_command(place: Place) -> Sequence[str]:
        where = ("--host", HOST, "--port", str(place.port), "--app-dir", ".", "--log-level", "warning")
        return ("-m", "uvicorn", app, *where, "--no-access-log", "--http", "httptools", "--loop", "uvloop")

    return build_command


def run_by_app(server: Server, app: str) -> Server:
    """Ours, started by a script of `apps/` that changes its classes first."""

    def build_command(place: Place) -> Sequence[str]:
        _, _, *words = server.command(place)
        return [app, *words]

    return replace(server, command=build_command)


def build_our_server(workers: int) -> Server:
    """Ours, with everything on: validation, journal, metrics, drift counting, a log line a request."""

    def build_command(place: Place) -> Sequence[str]:
        serve = ("-c", "from servicio_ml.cli import main; main()", "serve")
        return (*serve, "--port", str(place.port), "--workers", str(workers), "--grpc-port", "0")

    def build_settings(place: Place) -> Mapping[str, str]:
        # the journal begins empty
        return {
            "SERVICIO_ML_STATE_DIR": str(place.scratch),
            "SERVICIO_ML_MLFLOW_URL": f"sqlite:///{place.models.resolve()}/state/mlflow.db",
            "SERVICIO_ML_MODELS": "rain_australia",
        }

    return Server(
        name=f"ours-{workers}", title=f"servicio-ml, {workers} worker{'s' if workers > 1 else ''}",
        kind=ServerKind.OURS, environment=OURS, command=build_command, settings=build_settings,
        path=OUR_PATH, body=record, read=_select_one,
    )  # fmt: skip


ECHO = Server(
    name="echo",
    title="bare FastAPI echo",
    kind=ServerKind.CEILING,
    environment=OURS,
    command=_build_uvicorn_command("echo:app"),
    settings=lambda place: {"BENCHMARK_SCHEMA": str(place.models / "artifact" / "schema.json")},
    path="/predict",
    body=record,
    read=None,
)


def _build_mlflow_command(place: Place) -> Sequence[str]:
    where = ("--host", HOST, "--port", str(place.port), "--env-manager", "local", "--workers", "1")
    return ("-m", "mlflow", "models", "serve", "--model-uri", str(place.models / "mlflow"), *where)


def _build_mlserver_command(runtime: str, *, batching: bool) -> Server:
    """MLServer without its pool of processes: one worker, as all others."""
    implementation, file, body, read, kind = {
        "sklearn": (
            "sklearn.SKLearnModel",
            "pipeline/model.joblib",
            build_tensors,
            _read_oip_probability,
            ServerKind.PIPELINE,
        ),
        "lightgbm": (
            "lightgbm.LightGBMModel",
            "booster/model.bst",
            build_tensor,
            _build_oip_server,
            ServerKind.FAST,
        ),
    }[runtime]
    name = f"mlserver-{runtime}{'-batching' if batching else ''}"

    def build_command(place: Place) -> Sequence[str]:
        model: dict[str, Any] = {"name": "rain", "implementation": f"mlserver_{implementation}"}
        model["parameters"] = {"uri": str(place.models / file)}
        if batching:
            model |= {"max_batch_size": BATCHES, "max_batch_time": BATCH_SECONDS}
        (place.scratch / "model-settings.json").write_text(json.dumps(model))
        server = {
            "host": HOST,
            "http_port": place.port,
            "grpc_port": place.port + 1,
            "metrics_port": place.port + 2,
            "parallel_workers": 0,
            "debug": False,
        }
        (place.scratch / "settings.json").write_text(json.dumps(server))
        return ("-c", "from mlserver.cli import main; main()", "start", str(place.scratch))

    return Server(
        name=name, title=f"MLServer, {runtime}{', batching' if batching else ''}", kind=kind,
        environment="mlserver", command=build_command, path="/v2/models/rain/infer", body=body, read=read,
    )  # fmt: skip


def _build_bentoml_command(model: str, *, batching: bool) -> Server:
    def build_command(place: Place) -> Sequence[str]:
        return ("-m", "bentoml", "serve", f"bento:{model}", "--host", HOST, "--port", str(place.port))

    def build_settings(place: Place) -> Mapping[str, str]:
        home = {"BENTOML_HOME": str(place.scratch), "BENTOML_DO_NOT_TRACK": "True"}
        return {**home, "BENCHMARK_BATCHING": "yes" if batching else ""}

    pipeline = model == "Pipeline"
    return Server(
        name=f"bentoml-{'sklearn' if pipeline else 'onnx'}{'-batching' if batching else ''}",
        title=f"BentoML, {'sklearn' if pipeline else 'ONNX'}{', batching' if batching else ''}",
        kind=ServerKind.PIPELINE if pipeline else ServerKind.FAST, environment="bentoml",
        command=build_command,
        settings=build_settings, path="/predict", body=build_records if pipeline else build_features,
        read=_list,
    )  # fmt: skip


def _build_litserve_command(model: str, *, batching: bool) -> Server:
    def build_command(place: Place) -> Sequence[str]:
        return ("lit.py", model, str(BATCHES if batching else 1), str(place.port))

    pipeline = model == "pipeline"
    return Server(
        name=f"litserve-{'sklearn' if pipeline else 'onnx'}{'-batching' if batching else ''}",
        title=f"LitServe, {'sklearn' if pipeline else 'ONNX'}{', batching' if batching else ''}",
        kind=ServerKind.PIPELINE if pipeline else ServerKind.FAST, environment="litserve",
        command=build_command,
        path="/predict", body=record if pipeline else build_feature_row, read=_select_one,
    )  # fmt: skip


MLFLOW = Server(
    name="mlflow",
    title="MLflow's scoring server",
    kind=ServerKind.PIPELINE,
    environment="mlflow",
    command=_build_mlflow_command,
    settings=lambda _: {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"},
    path="/invocations",
    body=build_frame_records,
    read=_read_probability,
)
PEERS = (
    Server(
        name="plain",
        title="FastAPI + pandas + scikit-learn",
        kind=ServerKind.PIPELINE,
        environment="plain",
        command=_build_uvicorn_command("plain:app"),
        path="/predict",
        body=record,
        read=_select_one,
    ),
    MLFLOW,
    *(
        _build_mlserver_command(runtime, batching=on)
        for runtime in ("sklearn", "lightgbm")
        for on in (False, True)
    ),
    *(_build_bentoml_command(model, batching=on) for model in ("Pipeline", "Onnx") for on in (False, True)),
    *(_build_litserve_command(model, batching=on) for model in ("pipeline", "onnx") for on in (False, True)),
)
