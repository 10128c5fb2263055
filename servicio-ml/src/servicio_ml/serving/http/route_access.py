"""Access of routes: every endpoint declares it, and the gateway enforces it before it reads a body."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from starlette.routing import BaseRoute

from servicio_ml.serving.http.api_keys import Scope

ATTRIBUTE = "__servicio_ml_access__"
CACHED_REQUESTS, MAX_CACHED_CHARACTERS = 1024, 256
"""Size of the cache, and length of the longest path in it: strangers may request any path."""
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Access(StrEnum):
    """Credential that a caller must present, from the weakest to the strictest."""

    PUBLIC = "public"
    TOKEN = "token"  # noqa: S105  a name, no secret
    PREDICT = "predict"
    ADMIN = "admin"


STRICTNESS = tuple(Access)
SCOPES = {Access.PREDICT: Scope.PREDICT, Access.ADMIN: Scope.ADMIN}
"""Scope of the API key that an access needs. The endpoint itself checks a `TOKEN`, which is no API key."""
UNKNOWN_PATH = Access.PREDICT
"""Access to paths without a route: without a key nobody finds out which paths exist."""


class DeclaredRoute(NamedTuple):
    """A route and its access; a route without methods takes every method."""

    route: BaseRoute
    path: str
    methods: frozenset[str]
    access: Access

    def takes(self, method: str) -> bool:
        """Return whether the route takes a method."""
        return not self.methods or method in self.methods


def require(access: Access) -> Callable[[Endpoint], Endpoint]:
    """Declare the access of an endpoint: a function of a REST route, or a gRPC method."""

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, ATTRIBUTE, access)
        return endpoint

    return declare


def get_access(endpoint: object) -> Access:
    """Return the access that an endpoint declares.

    Raises:
        TypeError: The endpoint declares no access.
    """
    access = getattr(endpoint, ATTRIBUTE, None)
    if not isinstance(access, Access):
        raise TypeError(f"{endpoint!r} declares no access; decorate it with `require`")
    return access


class RouteAccess:
    """The access of every route of an application.

    Args:
        public: Routes that everybody may use, such as those of the documentation.
        declared: Routes whose endpoints declare their access.

    Raises:
        TypeError: An endpoint declares no access, or a route has no path of its own.
    """

    def __init__(self, public: Sequence[BaseRoute], declared: Sequence[BaseRoute]) -> None:
        # a route without a declaration stops the start of the server: there is no default to forget it in
        self.routes = (
            *(_describe(route, Access.PUBLIC) for route in public),
            *(_describe(route, get_access(getattr(route, "endpoint", route))) for route in declared),
        )
        self._find_cached = lru_cache(CACHED_REQUESTS)(self._find)

    def find(self, method: str, path: str) -> Access:
        """Return the access that a request needs.

        A path whose routes take other methods needs the strictest access of these routes.
        """
        # matching every route costs as much as the framework's own routing, hence the cache
        found = self._find if len(path) > MAX_CACHED_CHARACTERS else self._find_cached
        return found(method, path)

    def list_methods(self, path: str) -> list[str]:
        """List the methods that the operations of a path take, in order."""
        # a page for browsers shares the path of its operations, and is none
        operations = [each for each in self._match(path) if getattr(each.route, "include_in_schema", True)]
        return sorted({method for each in operations for method in each.methods})

    def _match(self, path: str) -> list[DeclaredRoute]:
        return [
            each
            for each in self.routes
            if each.route.path_regex.match(path)  # type: ignore[attr-defined]  # `_describe` has checked it
        ]

    def _find(self, method: str, path: str) -> Access:
        matching = self._match(path)
        # the framework takes the first route that matches path and method, too
        first = next((each.access for each in matching if each.takes(method)), None)
        if first is not None:
            return first
        return max((each.access for each in matching), key=STRICTNESS.index, default=UNKNOWN_PATH)


def _describe(route: BaseRoute, access: Access) -> DeclaredRoute:
    path = getattr(route, "path", None)
    if path is None or not hasattr(route, "path_regex"):
        raise TypeError(f"{route!r} has no path of its own; pass the routes that it includes one by one")
    return DeclaredRoute(route, path, frozenset(getattr(route, "methods", None) or ()), access)
