"""The router every route file uses: strict JSON in, exact path parameters, one tag, under /api/v1."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from app.api.writes import Endpoint, told
from app.intake import guard

PREFIX = "/api/v1"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRequest(Request):
    """A request whose JSON is read by our guard, never by the lenient standard parser."""

    async def json(self) -> Any:
        """The body, once; see `guard.parse` for what is refused."""
        return guard.parse(await self.body())


class StrictRoute(APIRoute):
    """A route that hands FastAPI what the guard let through, and the door what its endpoint answered."""

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(path, told(endpoint), **options)

    @property
    def writes(self) -> bool:
        """Whether callers must be allowed to change something to get here."""
        return any(getattr(one.call, "writes", False) for one in self.dependant.dependencies)

    @property
    def configures(self) -> bool:
        """Whether what is done here bears on the whole workspace."""
        return any(getattr(one.call, "configures", False) for one in self.dependant.dependencies)

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, fed with a body that is already parsed and path parameters that are fully decoded."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            checked = StrictRequest(request.scope, request.receive)
            if takes_body and await checked.body():
                parsed = await checked.json()
                checked.json = _already(parsed)  # type: ignore[method-assign]
            given = request.scope["path_params"]
            if any("%" in value for value in given.values() if isinstance(value, str)):
                request.scope["path_params"] = {name: unquote(str(value)) for name, value in given.items()}
            return await handle(checked)

        return strict


def _already(parsed: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
    """FastAPI turns what its parser raises into its own errors; so the guard runs before it."""

    async def json() -> Any:
        return parsed

    return json


class Router(APIRouter):
    """The routes of one noun: `Router("accounts")` with paths such as `/accounts/{account}`.

    With another `base`, those of a dialect, which has addresses of its own.
    """

    def __init__(self, tag: str, *, prefix: str = "", base: str = PREFIX) -> None:
        super().__init__(prefix=base + prefix, tags=[tag], route_class=StrictRoute, redirect_slashes=False)
