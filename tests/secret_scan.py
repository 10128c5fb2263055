"""Which text of a file looks like a secret: detect-secrets, and what is known to be none."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

NONE: Mapping[str, str] = {
    r"\{secret:\w+\}": "names a secret, which is a file",
    r"(USER|servicio_ml):PASSWORD@": "is a template, to be filled in",
    r"LocalFilesystemBackend": "names a class",
    r'^API_KEYS = "api_keys"$|\[API_KEYS\] == |there is no secret \'': "names a secret, which is a file",
    r'^CLIENT_KEY_HEADER = "(?i:x-client-key)"$': "names a header",
    r"postgresql://user:password@host:port/database": "is how an address looks",
    r"://(user:s3cret(%zz)?|me:secret)@": "an address that a test sees refused",
    r'"secretName": "': "names a secret of Kubernetes",
    r'"a-password"': "of a server in a test",
    r"S105  of a server that lives as long as a test": "of a server in a test",
    r'^assert DIGEST == "ca978112ca1b': "the digest of the letter a",
    r'^TRACE, PARENT = "': "the example of the standard",
}
"""Pattern of a line that is none, without its indentation, with the reason."""
SKIPPED = (
    "requirements/", "deploy/embedded/releases/releases.toml", "grafana/dashboards/", "tests/secret_scan.py",
)  # fmt: skip
"""Hashes of packages and of releases, what other files are made into, and this list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A line that looks like a secret."""

    path: str
    number: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.number}: {self.kind}: {self.text.strip()}"


MIN_ENTROPY = 4.2
"""Bits a character of base64 from which a text looks random; one in 200 of our keys has less than 4.5."""


def find_secrets(root: Path, path: Path) -> Iterator[Finding]:
    """What looks like a secret in a file, known or not."""
    name = path.relative_to(root).as_posix()
    lines = path.read_text().splitlines()
    with default_settings() as settings:
        settings.plugins["Base64HighEntropyString"]["limit"] = MIN_ENTROPY
        for found in scan_file(str(path)):
            number = found.line_number
            yield Finding(path=name, number=number, kind=found.type, text=lines[number - 1])


def is_unknown(found: Finding) -> bool:
    """Whether nobody has said that it is none."""
    return not any(re.search(pattern, found.text.strip()) for pattern in NONE)
