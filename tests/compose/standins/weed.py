#!/opt/standin/bin/python
"""A stand-in for `weed mini`: moto's S3 with the objects in files, and both of its ports."""

import argparse
import os
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from prometheus_client import start_http_server
from werkzeug.serving import WSGIRequestHandler, make_server

ACCOUNT = "123456789012"
"""Moto's own."""
KNOWN = (
    "dir",
    "ip",
    "ip.bind",
    "s3.port",
    "metricsPort",
    "metricsIp",
    "webdav",
    "admin.ui",
    "s3.port.iceberg",
    "s3.port.lance",
    "master.telemetry",
)
GLOBAL = "-logtostderr=true"
"""The option that stands before the command."""
UNFINISHED = "."
"""How the name of a file begins that a killed process has left."""
App = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Kept:
    """An application whose objects outlive the process."""

    def __init__(self, app: App, folder: Path, key: str) -> None:
        self._app, self._folder, self._key, self._lock = app, folder, key, threading.Lock()
        self._tags = dict[Path, str]()
        self._backend = s3_backends[ACCOUNT]["aws"]
        for bucket in sorted(folder.iterdir()) if folder.is_dir() else ():
            self._backend.create_bucket(bucket.name, "us-east-1")
            for file in bucket.iterdir():
                if not file.name.startswith(UNFINISHED):
                    self._backend.put_object(bucket.name, unquote(file.name), file.read_bytes())

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/healthz":
            start("200 OK", [("Content-Length", "0")])
            return [b""]
        # moto takes any key; here a wrong one is refused, in the header and in a signed address
        signed = environ.get("HTTP_AUTHORIZATION", "") + unquote(environ["QUERY_STRING"])
        if f"Credential={self._key}/" not in signed:
            start("403 Forbidden", [("Content-Length", "0")])
            return [b""]
        answer = [b"".join(self._app(environ, start))]
        if environ["REQUEST_METHOD"] in {"PUT", "POST", "DELETE"}:
            with self._lock:
                self._keep()
        return answer

    def _keep(self) -> None:
        """Bring the files to what the buckets hold."""
        for name, bucket in self._backend.buckets.items():
            folder = self._folder / name
            folder.mkdir(parents=True, exist_ok=True)
            held = {quote(key, safe=""): bucket.keys[key] for key in list(bucket.keys)}
            for file in folder.iterdir():
                if file.name.removeprefix(UNFINISHED) not in held:
                    file.unlink()
                    self._tags.pop(file, None)
            for file_name, item in held.items():
                file = folder / file_name
                if self._tags.get(file) != item.etag:
                    unfinished = folder / f"{UNFINISHED}{file_name}"
                    unfinished.write_bytes(item.value)
                    unfinished.replace(file)
                    self._tags[file] = item.etag


class Quiet(WSGIRequestHandler):
    """Its log would show the name of the key, which a signed address holds."""

    def log_request(self, *_: object) -> None:
        return


def main() -> None:
    """Serve until stopped."""
    if sys.argv[1:3] != [GLOBAL, "mini"]:
        sys.exit(f"the stand-in knows `weed {GLOBAL} mini` only")
    parser = argparse.ArgumentParser(prefix_chars="-", allow_abbrev=False)
    for name in KNOWN:
        parser.add_argument(f"-{name}", dest=name)
    given = vars(parser.parse_args(sys.argv[3:]))
    start_http_server(int(given["metricsPort"]), given["metricsIp"])
    app = DomainDispatcherApplication(create_backend_app)
    kept = Kept(app, Path(given["dir"]) / "buckets", os.environ["AWS_ACCESS_KEY_ID"])
    make_server(
        given["ip.bind"], int(given["s3.port"]), kept, threaded=True, request_handler=Quiet
    ).serve_forever()


if __name__ == "__main__":
    main()
