"""Check of a call's origin: without API keys, web pages of other sites must not call the server."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from servicio_ml.errors import ForeignPageError

MAX_REMEMBERED_HOSTS = 64
"""Maximum number of cached host names, as a stranger may send any."""


def check_same_origin(headers: Mapping[bytes, bytes]) -> None:
    """Refuse requests from web pages of other sites, DNS rebinding included.

    Programs other than browsers send no `Origin` header, and `Host` is the loopback address they connect to.

    Raises:
        ForeignPageError: `Host` is no loopback address, or `Origin` is another site.
    """
    host, origin = headers.get(b"host", b""), headers.get(b"origin")
    # DNS rebinding: a foreign name that resolves to 127.0.0.1 arrives with its own `Host`
    if host and not _is_loopback(host):
        raise ForeignPageError(host.decode("latin-1"))
    # the scheme is not compared: behind a TLS proxy the page is https and the server http
    if origin is not None and origin.partition(b"://")[2] != host:
        raise ForeignPageError(origin.decode("latin-1"))


@lru_cache(MAX_REMEMBERED_HOSTS)
def _is_loopback(host: bytes) -> bool:
    try:
        name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
