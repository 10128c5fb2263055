"""Known vulnerabilities of what the locks hold, by pip-audit and a service that has the advisories.

Which service is asked can be chosen by pip-audit's own variables, PIP_AUDIT_VULNERABILITY_SERVICE (pypi, osv)
and PIP_AUDIT_OSV_URL.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROGRAM = Path(sys.executable).with_name("pip-audit")
SECONDS = 300
KNOWN: Mapping[str, str] = {}
"""Advisory to the reason why it does not concern us until there is a version without it."""
VULNERABLE = "jinja2==2.10"
"""Every service with advisories knows of some: CVE-2019-10906 among them."""


class NoAuditError(Exception):
    """The service does not answer, or knows nothing of the packages."""


def _audit(requirements: Path, folder: Path, variables: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    """What the service knows of each requirement.

    Raises:
        NoAuditError: Some were not audited at all, which pip-audit takes for none having a vulnerability.
    """
    command = [
        *(str(PROGRAM), "--requirement", str(requirements), "--require-hashes", "--disable-pip"),
        *("--progress-spinner", "off", "--format", "json", "--cache-dir", str(folder / "cache")),
    ]
    environment = {**os.environ, **variables}
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    if not done.stdout.startswith("{"):
        raise NoAuditError((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    found: list[Mapping[str, Any]] = json.loads(done.stdout)["dependencies"]
    if skipped := [each["skip_reason"] for each in found if "skip_reason" in each]:
        raise NoAuditError(f"{len(skipped)} of {len(found)} were not audited: {skipped[0]}")
    return found


def _list_advisories(found: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{each['name']} {each['version']}: {known['id']}, mended in {known['fix_versions'] or 'no version'}"
        for each in found
        for known in each["vulns"]
        if known["id"] not in KNOWN
    ]


def _write_requirement(requirement: str, folder: Path) -> Path:
    path = folder / "one.txt"
    path.write_text(f"{requirement} --hash=sha256:{'0' * 64}\n")
    return path


@pytest.fixture(scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A service that knows advisories; without one the test is skipped."""
    folder = tmp_path_factory.mktemp("audit")
    try:
        found = _list_advisories(_audit(_write_requirement(VULNERABLE, folder), folder, {}))
    except (NoAuditError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"no service with advisories in reach: {error}")
    if not found:
        pytest.skip(f"the service in reach has no advisories: it knows none of {VULNERABLE}")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("_service")
def test_a_lock_holds_nothing_with_a_known_vulnerability(lock: Path, tmp_path: Path) -> None:
    assert _list_advisories(_audit(lock, tmp_path, {})) == []


@contextmanager
def _run_advisory_service(package: str) -> Iterator[str]:
    """A service like OSV's that knows one advisory; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
            advice = {
                "id": "GHSA-0000-0000-0001", "aliases": [], "summary": "made up", "details": "made up",
                "affected": [
                    {
                        "package": {"name": asked, "ecosystem": "PyPI"},
                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
                    }
                ],
            }  # fmt: skip
            body = json.dumps({"vulns": [advice]} if asked == package else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The terminal is the tests'."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _build_osv_variables(url: str) -> Mapping[str, str]:
    return {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": url}


def test_an_advisory_of_a_locked_package_would_be_found(tmp_path: Path) -> None:
    with _run_advisory_service("pyarrow") as url:
        found = _list_advisories(
            _audit(ROOT / "requirements" / "serving.txt", tmp_path, _build_osv_variables(url))
        )
    assert len(found) == 1
    assert found[0].startswith("pyarrow ")
    assert found[0].endswith("GHSA-0000-0000-0001, mended in ['99.1']")


def test_nothing_audited_is_not_taken_for_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(NoAuditError):
        _audit(
            _write_requirement(VULNERABLE, tmp_path),
            tmp_path,
            _build_osv_variables("http://127.0.0.1:9/v1/query"),
        )
