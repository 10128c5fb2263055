"""The worker: it loads one model and answers the requests of its server until the connection ends."""

import argparse
import gc
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import messages
from .sandbox import enter_sandbox

MAX_TEXT = 500
"""Maximum number of characters of a model's error."""
MODULE_FOLDERS = ("", "code")
"""Folders beside a model file, in which its own modules lie."""


@dataclass(frozen=True)
class WorkerArguments:
    """Arguments of the process.

    Attributes:
        connection: Descriptor of its end of the pair of sockets.
        parent: Process id of the server.
        kind: Kind of the model file.
        model: Folder of the model, absolute.
        file: Path of the model file in that folder.
        scratch: Folder that may be written, absolute.
        memory_bytes: Maximum address space, in bytes.
    """

    connection: int
    parent: int
    kind: str
    model: Path
    file: str
    scratch: Path
    memory_bytes: int


def main() -> None:
    """Run the worker."""
    arguments = _parse_arguments()
    with socket.socket(fileno=arguments.connection) as connection:
        try:
            confined = enter_sandbox(
                parent=arguments.parent, memory_bytes=arguments.memory_bytes,
                model_folder=arguments.model, scratch=arguments.scratch,
            )  # fmt: skip
            model = _load(arguments)
        except BaseException as error:  # noqa: BLE001  reported: the server decides whether to start again
            messages.send_message(connection, _build_error(error, messages.LOAD))
            return
        # a model never becomes garbage: each full collection would walk through all of it, amid a request
        gc.freeze()
        messages.send_message(connection, _build_description(model, confined=confined))
        _answer_requests(connection, model)


def _parse_arguments() -> WorkerArguments:
    parser = argparse.ArgumentParser()
    for name, field in WorkerArguments.__dataclass_fields__.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=field.type, required=True)
    return WorkerArguments(**vars(parser.parse_args()))


def _load(arguments: WorkerArguments) -> Any:
    os.chdir(arguments.scratch)
    file = arguments.model / arguments.file
    # first on the path, as they were where the model was made
    sys.path[:0] = [str(file.parent / name) for name in MODULE_FOLDERS]
    # only now: the libraries start threads, which must have the limits too
    from .loading.load import load_model

    return load_model(arguments.kind, file)


def _build_description(model: Any, *, confined: bool) -> dict[str, Any]:
    return {
        messages.TASK: model.task,
        messages.CLASSES: list(model.classes),
        messages.COLUMNS: list(model.columns),
        messages.CATEGORIES: {name: list(texts) for name, texts in model.categories.items()},
        messages.CONFINED: confined,
    }


def _answer_requests(connection: socket.socket, model: Any) -> None:
    while True:
        try:
            header, payload = messages.receive_message(connection)
        except (EOFError, OSError):
            return
        try:
            answer, found = _answer(header, model, payload)
        except BaseException as error:  # noqa: BLE001  a model may raise anything, for one row too
            answer, found = _build_error(error, str(header.get(messages.REQUEST))), b""
        messages.send_message(connection, answer, found)


def _answer(header: dict[str, Any], model: Any, payload: bytearray) -> tuple[dict[str, Any], bytes]:
    request = header[messages.REQUEST]
    if request == messages.SCORE:
        return _score(model, payload, direct=header.get(messages.DIRECT, False))
    if request == messages.CONVERT:
        # converters take seconds to import
        from .conversion.convert import convert_model
        from .conversion.input_columns import build_columns_from_json

        columns = build_columns_from_json(header[messages.COLUMNS])
        return {}, convert_model(model, columns, header[messages.WIDTH])
    raise ValueError(f"unknown request {request!r}")


def _score(model: Any, payload: bytearray, *, direct: bool) -> tuple[dict[str, Any], bytes]:
    import numpy as np

    from .tables import build_frame, read_table

    table = read_table(payload)
    if direct and model.direct is None:
        raise ValueError("its steps do not read arrays; import the model again")
    found = model.direct(table) if direct else model.score(build_frame(table))
    scores = np.ascontiguousarray(found, dtype="<f8")
    return {messages.SHAPE: list(scores.shape)}, scores.tobytes()


def _build_error(error: BaseException, stage: str) -> dict[str, Any]:
    # libraries raise subclasses of their own, and the server replaces a process without memory
    kind = MemoryError if isinstance(error, MemoryError) else type(error)
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  the text of an error is code of the model too
        text = ""
    return {
        messages.ERROR: {
            messages.TYPE: _shorten(kind.__name__),
            messages.TEXT: _shorten(text),
            messages.STAGE: stage,
        }
    }


def _shorten(text: str) -> str:
    """Shorten a text, with its control characters escaped."""
    # cut before it is escaped: a text may be of any length
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:MAX_TEXT])
    return shown[:MAX_TEXT] + ("…" if len(text) > MAX_TEXT or len(shown) > MAX_TEXT else "")
