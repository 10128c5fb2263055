"""Errors of a caller who may not use a route."""

from servicio_ml.errors.base import ServicioError
from servicio_ml.errors.serving import ServingError


class UnauthorizedError(ServingError):
    """An API key is absent or unknown."""

    def __init__(self) -> None:
        super().__init__(
            "no known API key was given; send one as X-API-Key or Authorization: Bearer "
            "(an administrator makes one with `servicio-ml key`)"
        )


class ForbiddenError(ServingError):
    """An API key lacks the scope that a request needs."""

    def __init__(self, name: str, scope: str) -> None:
        super().__init__(f"the API key {name!r} lacks the scope {scope!r}; ask with one that has it")


class HookTokenError(UnauthorizedError):
    """The token of the hook is absent or wrong."""

    def __init__(self) -> None:
        ServicioError.__init__(
            self,
            "the token of the hook is absent or wrong; send the content of the file named by "
            "SERVICIO_ML_HOOK_TOKEN_FILE as Authorization: Bearer (http_config of Alertmanager's receiver)",
        )


class HookClosedError(ForbiddenError):
    """No token is set for the hook."""

    def __init__(self) -> None:
        ServicioError.__init__(
            self, "the hook is closed; name a file with its token in SERVICIO_ML_HOOK_TOKEN_FILE"
        )


class ForeignPageError(ForbiddenError):
    """A browser sends a request from a foreign page to a server without API keys."""

    def __init__(self, where: str) -> None:
        ServicioError.__init__(
            self,
            f"{where!r} is not this server's own address; without API keys it answers loopback only: "
            "ask for http://127.0.0.1, or set SERVICIO_ML_KEYS_FILE",
        )
