"""Requests to the server about new use cases; all of them need a key with the scope `admin`."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from streamlit_app.client.transport import Transport

DRAFT_SECONDS = 330.0
"""Time limit of a request that drafts: a little more than the server's own."""
Answers = Mapping[str, Any]


class RawFileNames(BaseModel):
    """Names of the raw files that the server has."""

    files: list[str]
    max_bytes: int


class RawColumns(BaseModel):
    """Columns of a raw file of which one can be predicted, and the suggested one."""

    columns: list[str]
    target: str


class DraftTarget(BaseModel):
    """Column to predict."""

    column: str
    labels: list[str]
    minimum: float | None
    maximum: float | None
    reason: str


class DraftColumn(BaseModel):
    """Column of the raw file, and what becomes of it."""

    column: str
    name: str
    kind: str
    minimum: float | None
    maximum: float | None
    levels: list[str]
    reason: str


class OpenQuestion(BaseModel):
    """Something that was guessed."""

    answer: str
    text: str
    choices: list[str]
    guess: str


class DraftedUseCase(BaseModel):
    """Draft of a use case."""

    task: str
    target: DraftTarget
    columns: list[DraftColumn]
    questions: list[OpenQuestion]
    reasons: dict[str, str]
    source: str


class FileCheck(BaseModel):
    """What the ETL would do with the raw file."""

    rows: int
    quarantine: list[str]


class DraftAnswer(BaseModel):
    """Draft, and the check of the raw file by it."""

    draft: DraftedUseCase
    check: FileCheck


class TrainingProgress(BaseModel):
    """Latest ETL and first training of a use case: `none`, `running`, `finished` or `failed`."""

    state: str
    lines: list[str]


def fetch_files(api: Transport) -> RawFileNames:
    """Fetch the names of the raw files."""
    return api.fetch(RawFileNames, "GET", "/raw-files")


def save_file(api: Transport, file: str, content: bytes) -> None:
    """Upload a raw file."""
    api.request("PUT", f"/raw-files/{quote(file, safe='')}", content=content)


def fetch_columns(api: Transport, file: str) -> RawColumns:
    """Fetch the columns of a raw file, which the server reads for it."""
    path = f"/raw-files/{quote(file, safe='')}/columns"
    return api.fetch(RawColumns, "GET", path, seconds=DRAFT_SECONDS)


def build_draft(api: Transport, name: str, file: str, answers: Answers) -> DraftAnswer:
    """Draft a use case from a raw file; the server writes nothing."""
    body = {"file": file, "answers": answers}
    return api.fetch(DraftAnswer, "POST", _build_path(name, "/draft"), body=body, seconds=DRAFT_SECONDS)


def write_draft(api: Transport, name: str, file: str, answers: Answers, *, replace: bool) -> None:
    """Write the file of a drafted use case."""
    body = {"file": file, "answers": answers, "replace": replace}
    api.request("PUT", _build_path(name), body=body, seconds=DRAFT_SECONDS)


def start_run(api: Transport, name: str, file: str) -> TrainingProgress:
    """Start the ETL and a first training."""
    return api.fetch(TrainingProgress, "POST", _build_path(name, "/run"), body={"file": file})


def fetch_run(api: Transport, name: str) -> TrainingProgress:
    """Fetch the state of the latest run."""
    return api.fetch(TrainingProgress, "GET", _build_path(name, "/training"))


def _build_path(name: str, rest: str = "") -> str:
    return f"/use-cases/{quote(name, safe='')}{rest}"
