"""Where a call comes from, as a browser says it: without API keys, pages from elsewhere must not ask."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from servicio_ml.errors import ForeignPageError

MOST_HOSTS = 64
"""Names that are remembered; strangers may send any."""


def check_local(headers: Mapping[bytes, bytes]) -> None:
    """Refuse what a page of another site has a browser send, and names that lead here by a trick of DNS.

    A program sends no `Origin`, and a host that is no loopback only when it was told so.

    Raises:
        ForeignPageError: `Host` is not this machine's loopback, or `Origin` is another site.
    """
    host, origin = headers.get(b"host", b""), headers.get(b"origin")
    if host and not _is_loopback(host):
        raise ForeignPageError(host.decode("latin-1"))
    if origin is not None and origin.partition(b"://")[2] != host:
        raise ForeignPageError(origin.decode("latin-1"))


@lru_cache(MOST_HOSTS)
def _is_loopback(host: bytes) -> bool:
    try:
        name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
