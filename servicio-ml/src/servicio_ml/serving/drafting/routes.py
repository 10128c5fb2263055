"""Routes of new use cases: upload a raw file, draft, correct, write, and start the first training."""

import asyncio

from fastapi import APIRouter, Request

from servicio_ml.domain.ports.use_case_drafter import UseCaseDrafter
from servicio_ml.serving.drafting.documents import (
    DraftRequest,
    DraftState,
    FilePath,
    FirstTrainingState,
    RawColumnsState,
    RawFilesState,
    RunRequest,
    SavedFileState,
    UseCasePath,
    WriteRequest,
    WrittenState,
    build_training_state,
)
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.openapi import describe_errors

UPLOAD_OPENAPI = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def build_routes(drafter: UseCaseDrafter, max_bytes: int) -> APIRouter:
    """Build the routes, all of them for administrators.

    Args:
        drafter: Drafter of use cases.
        max_bytes: Maximum size of an upload, which the gateway enforces.
    """
    router = APIRouter(tags=["new use case"], responses=describe_errors(400, 401, 403, 409, 413, 422))
    _add_file_routes(router, drafter, max_bytes)
    _add_draft_routes(router, drafter)
    _add_training_routes(router, drafter)
    return router


def _add_file_routes(router: APIRouter, drafter: UseCaseDrafter, max_bytes: int) -> None:
    @router.get("/raw-files", summary="List the raw files")
    @require(Access.ADMIN)
    async def list_files() -> RawFilesState:
        return RawFilesState(files=await asyncio.to_thread(drafter.list_files), max_bytes=max_bytes)

    @router.put("/raw-files/{file}", summary="Upload a raw file", openapi_extra=UPLOAD_OPENAPI)
    @require(Access.ADMIN)
    async def save_file(file: FilePath, request: Request) -> SavedFileState:
        """Keep a raw file beside the others; the same file again changes nothing."""
        content = await request.body()
        await asyncio.to_thread(drafter.save_file, file, content)
        return SavedFileState(file=file, bytes=len(content))

    # a path of its own: an answer 405 names the methods of one route only
    @router.get("/raw-files/{file}/columns", summary="List the columns of a raw file")
    @require(Access.ADMIN)
    async def list_columns(file: FilePath) -> RawColumnsState:
        """List the columns of which one can be predicted, and suggest one."""
        found = await asyncio.to_thread(drafter.list_columns, file)
        return RawColumnsState(file=file, columns=found["columns"], target=found["target"])


def _add_draft_routes(router: APIRouter, drafter: UseCaseDrafter) -> None:
    @router.post("/use-cases/{name}/draft", summary="Draft a use case from a raw file")
    @require(Access.ADMIN)
    async def build_draft(name: UseCasePath, body: DraftRequest) -> DraftState:
        """Draft a use case, with a reason for each decision; nothing is written."""
        found = await asyncio.to_thread(drafter.build_draft, name, body.file, body.answers)
        return DraftState(use_case=name, draft=found["draft"], check=found["check"])

    @router.put("/use-cases/{name}", summary="Write a drafted use case")
    @require(Access.ADMIN)
    async def write_draft(name: UseCasePath, body: WriteRequest) -> WrittenState:
        """Draft a use case as it was corrected, and write its file into the folder of use cases."""
        found = await asyncio.to_thread(
            drafter.write_draft, name, body.file, body.answers, replace=body.replace
        )
        return WrittenState(use_case=name, written=found["written"])


def _add_training_routes(router: APIRouter, drafter: UseCaseDrafter) -> None:
    @router.post("/use-cases/{name}/run", status_code=202, summary="Start the ETL and a first training")
    @require(Access.ADMIN)
    async def start_training(name: UseCasePath, body: RunRequest) -> FirstTrainingState:
        """Publish a raw file and train on it, in a process that outlives the server."""
        await asyncio.to_thread(drafter.start_training, name, body.file)
        return build_training_state(name, await asyncio.to_thread(drafter.get_training, name))

    # the same
    @router.get("/use-cases/{name}/training", summary="Show the latest run")
    @require(Access.ADMIN)
    async def get_training(name: UseCasePath) -> FirstTrainingState:
        return build_training_state(name, await asyncio.to_thread(drafter.get_training, name))
