"""Archives of releases, and a server for them that stalls, breaks off or knows no ranges."""

import hashlib
import io
import shutil
import tarfile
import threading
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.embedded.releases.table import TABLE, get_platform_name, load_releases

STALL_LIMIT_SECONDS = 60
POLL_SECONDS = 0.05


def build_archive(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Build a compressed tar file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def build_member(
    name: str, *, mode: int = 0o644, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tarfile.TarInfo:
    """Build the entry of a file, folder or link."""
    member = tarfile.TarInfo(name)
    member.mode, member.type, member.linkname = mode, kind, link
    return member


def build_release(folder: str, program: str, content: bytes) -> bytes:
    """Build a release that consists of a licence and a program."""
    top = build_member(folder, mode=0o755, kind=tarfile.DIRTYPE)
    licence = build_member(f"{folder}/LICENSE")
    return build_archive(
        [(top, b""), (licence, b"free"), (build_member(f"{folder}/{program}", mode=0o755), content)]
    )


def build_folder_release(folder: Path) -> bytes:
    """Build a release from the files of a folder."""
    top = build_member(folder.name, mode=0o755, kind=tarfile.DIRTYPE)
    files = [each for each in sorted(folder.rglob("*")) if each.is_file()]
    members = [
        (build_member(str(each.relative_to(folder.parent)), mode=each.stat().st_mode), each.read_bytes())
        for each in files
    ]
    return build_archive([(top, b""), *members])


def build_installed_release(program: str, name: str, folder: str) -> bytes:
    """Build a release of an installed program; without it the test is skipped."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"no {program}; install the Debian package of this name")
    return build_release(folder, name, Path(path).read_bytes())


def write_table(path: Path, archives: Mapping[str, bytes]) -> None:
    """Write the project's table of releases with the hashes of other archives only, by release."""
    lines = []
    for name, values in tomllib.loads(TABLE.read_text()).items():
        lines += [f"[{name}]", *(f"{key} = {values[key]!r}" for key in ("version", "address", "program"))]
        lines += [f"commands = {values['commands']!r}", f"[{name}.sha256]"]
        if name in archives:
            lines.append(f"{get_platform_name()} = '{hashlib.sha256(archives[name]).hexdigest()}'")
    path.write_text("\n".join(lines) + "\n")


def name_archives(archives: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Name archives, given by release, as the publisher does."""
    releases = load_releases()
    return {
        releases[name].build_url(get_platform_name(), "http://mirror").rpartition("/")[2]: archive
        for name, archive in archives.items()
    }


@dataclass(slots=True, kw_only=True)
class Mirror:
    """A loopback server of files.

    Attributes:
        url: Its address.
        files: Contents by name.
        break_after: Number of bytes after which a connection ends, for the first ones; 0 never ends one.
        stall_after: Number of bytes of the first answer after which nothing more comes; 0 never stalls.
        knows_ranges: Whether it serves parts of a file.
        requests: Path and range of each request.
    """

    files: Mapping[str, bytes]
    url: str = ""
    break_after: Sequence[int] = ()
    stall_after: int = 0
    knows_ranges: bool = True
    requests: list[tuple[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        wanted = handler.headers.get("Range", "")
        turn = len(self.requests)
        self.requests.append((handler.path, wanted))
        content = self.files.get(handler.path.lstrip("/"))
        if content is None:
            handler.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.knows_ranges else 0
        if start >= len(content):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        self._write(handler, content[start:], turn)

    def _write(self, handler: BaseHTTPRequestHandler, content: bytes, turn: int) -> None:
        if turn < len(self.break_after):
            content = content[: self.break_after[turn]]
        if self.stall_after:
            handler.wfile.write(content[: 0 if turn else self.stall_after])
            handler.wfile.flush()
            self.released.wait(STALL_LIMIT_SECONDS)
            return
        handler.wfile.write(content)


@contextmanager
def run_mirror(files: Mapping[str, bytes]) -> Iterator[Mirror]:
    """Serve files on loopback."""
    mirror = Mirror(files=files)

    class MirrorHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mirror.serve(self)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), MirrorHandler)
    mirror.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,))
    thread.start()
    try:
        yield mirror
    finally:
        mirror.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
