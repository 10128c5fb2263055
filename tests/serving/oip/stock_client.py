"""Query a server with an unchanged tritonclient and print its results as JSON.

A program of its own: tritonclient registers the names of the protocol that the server registers too. Its
arguments are the HTTP and the gRPC port; its standard input is `{"columns": {field: [value, …]}}`.
"""

import json
import queue
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton_grpc  # type: ignore[import-untyped]  # no types published
import tritonclient.http as triton_http  # type: ignore[import-untyped]  # no types published
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # no types published


def build_inputs(client: Any, columns: dict[str, list[Any]], **how: Any) -> list[Any]:
    """The columns as inputs: texts as BYTES, numbers as FP64."""
    service_fixture = []
    for name, values in columns.items():
        texts = any(isinstance(value, str) for value in values)
        array = np.array(
            [("" if texts else np.nan) if value is None else value for value in values],
            dtype=object if texts else np.float64,
        )
        tensor = client.InferInput(name, list(array.shape), "BYTES" if texts else "FP64")
        tensor.set_data_from_numpy(array, **how)
        service_fixture.append(tensor)
    return service_fixture


def read_outputs(result: Any, names: tuple[str, ...] = ("prediction", "prediction_id")) -> dict[str, Any]:
    """The outputs of an answer."""
    message = {name: result.as_numpy(name) for name in (*names, "probability", "probabilities")}
    return {
        name: [each.decode() if isinstance(each, bytes) else each for each in array.tolist()]
        for name, array in message.items()
        if array is not None
    }


def read_metadata(client: Any, **how: Any) -> dict[str, Any]:
    """Health, metadata and repository."""
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model ready": client.is_model_ready("small"),
        "version ready": client.is_model_ready("small", "1"),
        "version 9 ready": client.is_model_ready("small", "9"),
        "unknown ready": client.is_model_ready("nobody"),
        "server": client.get_server_metadata(**how)["name"],
        "inputs": [each["name"] for each in client.get_model_metadata("small", **how)["inputs"]],
        "index": client.get_model_repository_index(**how),
        "load": client.load_model("small"),
        "unload": capture_error(lambda: client.unload_model("small")),
    }


def capture_error(call: Any) -> str:
    """The message of the error that a call raises."""
    try:
        call()
    except InferenceServerException as error:
        return str(error.message())
    return ""


def query_http(port: str, columns: dict[str, list[Any]]) -> dict[str, Any]:
    """Everything over HTTP."""
    with triton_http.InferenceServerClient(f"127.0.0.1:{port}") as client:
        given = build_inputs(triton_http, columns)
        plain = build_inputs(triton_http, columns, binary_data=False)
        ids = [triton_http.InferRequestedOutput("prediction_id", binary_data=False)]
        wrong = build_inputs(triton_http, {"mass": [1.0]})
        return {
            **read_metadata(client),
            "binary": read_outputs(client.infer("small", given, request_id="mine")),
            "id": client.infer("small", given, request_id="mine").get_response()["id"],
            "json": read_outputs(client.infer("small", plain)),
            "only": [
                each["name"] for each in client.infer("small", given, outputs=ids).get_response()["outputs"]
            ],
            "refused": capture_error(lambda: client.infer("small", wrong)),
            "unknown": capture_error(lambda: client.infer("nobody", given)),
        }


def query_grpc(port: str, columns: dict[str, list[Any]]) -> dict[str, Any]:
    """Everything over gRPC."""
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
        given = build_inputs(triton_grpc, columns)
        wrong = build_inputs(triton_grpc, {"mass": [1.0]})
        ids = [triton_grpc.InferRequestedOutput("prediction_id")]
        answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)))
        for tensors in (given, wrong, given):
            client.async_stream_infer("small", tensors)
        streamed = [answers.get(timeout=30) for _ in range(3)]
        client.stop_stream()
        only = client.infer("small", given, "1", outputs=ids, request_id="mine").get_response(as_json=True)
        index = read_metadata(client, as_json=True)
        return {
            **index,
            "index": index["index"]["models"],
            "binary": read_outputs(client.infer("small", given)),
            "id": only["id"],
            "only": [each["name"] for each in only["outputs"]],
            "streamed": [read_outputs(result) if error is None else str(error) for result, error in streamed],
            "refused": capture_error(lambda: client.infer("small", wrong)),
            "unknown": capture_error(lambda: client.infer("nobody", given)),
        }


if __name__ == "__main__":
    golden = json.load(sys.stdin)["columns"]
    json.dump({"http": query_http(sys.argv[1], golden), "grpc": query_grpc(sys.argv[2], golden)}, sys.stdout)
