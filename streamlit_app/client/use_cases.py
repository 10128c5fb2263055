"""Requests to the server about new use cases; all of them need a key with the scope `admin`."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from streamlit_app.client.transport import Transport

DRAFT_SECONDS = 330.0
"""Time limit of a request that drafts: a little more than the server's own."""
Answers = Mapping[str, Any]


class RawFiles(BaseModel):
    """Names of the raw files that the server has."""

    files: list[str]
    max_bytes: int


class DraftTarget(BaseModel):
    """Column to predict."""

    column: str
    labels: list[str]
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


class DraftQuestion(BaseModel):
    """Something that was guessed."""

    answer: str
    text: str
    choices: list[str]
    guess: str


class Draft(BaseModel):
    """Draft of a use case."""

    task: str
    target: DraftTarget
    columns: list[DraftColumn]
    questions: list[DraftQuestion]
    source: str


class FileCheck(BaseModel):
    """What the ETL would do with the raw file."""

    rows: int
    quarantine: list[str]


class DraftAnswer(BaseModel):
    """Draft, and the check of the raw file by it."""

    draft: Draft
    check: FileCheck


class Run(BaseModel):
    """Latest ETL and first training of a use case: `none`, `running`, `finished` or `failed`."""

    state: str
    lines: list[str]


def fetch_files(api: Transport) -> RawFiles:
    """Fetch the names of the raw files."""
    return api.fetch(RawFiles, "GET", "/use-cases/files")


def save_file(api: Transport, file: str, content: bytes) -> None:
    """Upload a raw file."""
    api.request("PUT", f"/use-cases/files/{quote(file, safe='')}", content=content)


def build_draft(api: Transport, name: str, file: str, answers: Answers) -> DraftAnswer:
    """Draft a use case from a raw file; the server writes nothing."""
    body = {"file": file, "answers": answers}
    return api.fetch(DraftAnswer, "POST", _build_path(name, "/draft"), body=body, seconds=DRAFT_SECONDS)


def write_draft(api: Transport, name: str, file: str, answers: Answers, *, replace: bool) -> None:
    """Write the file of a drafted use case."""
    body = {"file": file, "answers": answers, "replace": replace}
    api.request("PUT", _build_path(name), body=body, seconds=DRAFT_SECONDS)


def start_run(api: Transport, name: str, file: str) -> Run:
    """Start the ETL and a first training."""
    return api.fetch(Run, "POST", _build_path(name, "/run"), body={"file": file})


def fetch_run(api: Transport, name: str) -> Run:
    """Fetch the state of the latest run."""
    return api.fetch(Run, "GET", _build_path(name, "/run"))


def _build_path(name: str, rest: str = "") -> str:
    return f"/use-cases/{quote(name, safe='')}{rest}"
