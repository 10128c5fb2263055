"""Page that sends GraphQL operations from a browser, by its own script only."""

import base64
import hashlib
import re
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from servicio_ml.serving.http.route_access import Access, require

HTML = "text/html"
PAGE = (Path(__file__).parent / "explorer.html").read_text()


def build_policy(page: str) -> str:
    """Build the content security policy of a page: its own script and style, and requests to its server."""
    hashes = {name: _hash_element(page, name) for name in ("script", "style")}
    rules = (f"{name}-src '{value}'" for name, value in hashes.items())
    closed = ("default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'")
    return "; ".join((*closed, *rules, "connect-src 'self'", "img-src data:"))


def _hash_element(page: str, name: str) -> str:
    [text] = re.findall(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


HEADERS = {
    "Content-Security-Policy": build_policy(PAGE), "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer", "Vary": "Accept",
}  # fmt: skip


def add_page(router: APIRouter) -> None:
    """Add the page to the router: at the path of the operations, for browsers."""

    # open as the other documents are: each operation that the page sends needs its own access
    @router.get("/graphql", response_class=HTMLResponse, include_in_schema=False)
    @require(Access.PUBLIC)
    async def show_page(request: Request) -> HTMLResponse:
        if HTML not in request.headers.get("accept", ""):
            detail = "GET is not allowed; POST is, or GET in a browser, which accepts text/html"
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": "POST"})
        return HTMLResponse(PAGE, headers=HEADERS)
