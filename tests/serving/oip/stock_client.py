"""Talks to a server with tritonclient as it is and prints what it was told, as JSON.

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


def inputs(client: Any, columns: dict[str, list[Any]], **how: Any) -> list[Any]:
    """The columns as inputs: texts as BYTES, numbers as FP64."""
    made = []
    for name, values in columns.items():
        texts = any(isinstance(value, str) for value in values)
        array = np.array(
            [("" if texts else np.nan) if value is None else value for value in values],
            dtype=object if texts else np.float64,
        )
        tensor = client.InferInput(name, list(array.shape), "BYTES" if texts else "FP64")
        tensor.set_data_from_numpy(array, **how)
        made.append(tensor)
    return made


def shown(result: Any, names: tuple[str, ...] = ("prediction", "prediction_id")) -> dict[str, Any]:
    """The outputs of an answer."""
    told = {name: result.as_numpy(name) for name in (*names, "probability", "probabilities")}
    return {
        name: [each.decode() if isinstance(each, bytes) else each for each in array.tolist()]
        for name, array in told.items()
        if array is not None
    }


def facts(client: Any, **how: Any) -> dict[str, Any]:
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
        "unload": refusal(lambda: client.unload_model("small")),
    }


def refusal(call: Any) -> str:
    """The message of the error that a call raises."""
    try:
        call()
    except InferenceServerException as error:
        return str(error.message())
    return ""


def http(port: str, columns: dict[str, list[Any]]) -> dict[str, Any]:
    """Everything over HTTP."""
    with triton_http.InferenceServerClient(f"127.0.0.1:{port}") as client:
        given = inputs(triton_http, columns)
        plain = inputs(triton_http, columns, binary_data=False)
        ids = [triton_http.InferRequestedOutput("prediction_id", binary_data=False)]
        wrong = inputs(triton_http, {"mass": [1.0]})
        return {
            **facts(client),
            "binary": shown(client.infer("small", given, request_id="mine")),
            "id": client.infer("small", given, request_id="mine").get_response()["id"],
            "json": shown(client.infer("small", plain)),
            "only": [
                each["name"] for each in client.infer("small", given, outputs=ids).get_response()["outputs"]
            ],
            "refused": refusal(lambda: client.infer("small", wrong)),
            "unknown": refusal(lambda: client.infer("nobody", given)),
        }


def grpc(port: str, columns: dict[str, list[Any]]) -> dict[str, Any]:
    """Everything over gRPC."""
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
        given = inputs(triton_grpc, columns)
        wrong = inputs(triton_grpc, {"mass": [1.0]})
        ids = [triton_grpc.InferRequestedOutput("prediction_id")]
        answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)))
        for tensors in (given, wrong, given):
            client.async_stream_infer("small", tensors)
        streamed = [answers.get(timeout=30) for _ in range(3)]
        client.stop_stream()
        only = client.infer("small", given, "1", outputs=ids, request_id="mine").get_response(as_json=True)
        index = facts(client, as_json=True)
        return {
            **index,
            "index": index["index"]["models"],
            "binary": shown(client.infer("small", given)),
            "id": only["id"],
            "only": [each["name"] for each in only["outputs"]],
            "streamed": [shown(result) if error is None else str(error) for result, error in streamed],
            "refused": refusal(lambda: client.infer("small", wrong)),
            "unknown": refusal(lambda: client.infer("nobody", given)),
        }


if __name__ == "__main__":
    golden = json.load(sys.stdin)["columns"]
    json.dump({"http": http(sys.argv[1], golden), "grpc": grpc(sys.argv[2], golden)}, sys.stdout)
