"""Every refusal becomes one problem document here; the only file that knows error statuses."""

from collections.abc import Iterable, Mapping, MutableMapping
from http import HTTPStatus
from itertools import groupby, islice
from typing import Any, Final

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.api import advertised, lanes, refusals
from app.domain import errors

Scope = MutableMapping[str, Any]

MEDIA_TYPE: Final = "application/problem+json"
SHOWN_ERRORS: Final = 20
LONGEST_POINTER: Final = 200

STATUS: Final[Mapping[type[errors.DomainError], int]] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Rejected: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
    refusals.NoSuchRoute: 404,
    refusals.MethodNotAllowed: 405,
    refusals.SlowBody: 408,
    refusals.PayloadTooLarge: 413,
    refusals.UriTooLong: 414,
    refusals.UnsupportedMediaType: 415,
    refusals.UnsupportedContentEncoding: 415,
    refusals.InvalidRequest: 422,
    refusals.HeadTooLarge: 431,
    refusals.Internal: 500,
    errors.DomainError: 500,
}


def status_of(kind: type[errors.DomainError]) -> int:
    """The status a domain error is answered with: that of its nearest listed ancestor."""
    return next(STATUS[ancestor] for ancestor in kind.__mro__ if ancestor in STATUS)


def bare(error: errors.DomainError, *, request_id: str) -> tuple[int, bytes]:
    """Status and body for what was refused before it became a request."""
    body = document(error, instance=None, request_id=request_id)
    return body["status"], orjson.dumps(body, default=str)


def document(error: errors.DomainError, *, instance: str | None, request_id: str) -> dict[str, Any]:
    """The body of the answer; what is absent is left out."""
    context = dict(error.context)
    wrong = context.pop("errors", None)
    found = _body(type(error), error.code, error.detail or f"{type(error).title()}.", request_id)
    if instance is not None:
        found["instance"] = instance
    if context:
        found["context"] = context
    if wrong:
        found["errors"] = list(islice(wrong, SHOWN_ERRORS))
    return found


def _body(kind: type[errors.DomainError], code: str, detail: str, request_id: str) -> dict[str, Any]:
    return {
        "type": type_of(code),
        "title": kind.title(),
        "status": status_of(kind),
        "detail": detail,
        "code": code,
        "error": code,
        "message": detail,
        "requestId": request_id,
    }


def type_of(code: str) -> str:
    """The URI that identifies a kind of problem."""
    return f"urn:steward:problem:{code}"


def answer(error: errors.DomainError, scope: Scope) -> Response:
    """The response for an error met while serving `scope`."""
    body = document(error, instance=scope["path"][:LONGEST_POINTER], request_id=scope.get("steward.request_id", ""))
    scope["steward.refused"] = error.code
    lane = lanes.of(scope)
    if lane is not None and lane.error_is_text:
        body["error"] = body["message"]
    return Response(
        orjson.dumps(body, default=str), status_code=body["status"], media_type=MEDIA_TYPE, headers=_headers(error)
    )


def _headers(error: errors.DomainError) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    if (seconds := getattr(error, "retry_after", None)) is not None:
        headers["Retry-After"] = str(seconds)
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="steward"'
    if isinstance(error, refusals.MethodNotAllowed):
        headers["Allow"] = ", ".join(error.context.get("allow", ()))
    return headers


async def on_domain_error(request: Request, error: Exception) -> Response:
    """A route refused."""
    assert isinstance(error, errors.DomainError)  # noqa: S101 - the handler is registered for this type
    return answer(error, request.scope)


async def on_invalid_request(request: Request, error: Exception) -> Response:
    """FastAPI found the request to have another form than the route's signature says."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - the handler is registered for this type
    return answer(from_validation(error.errors()), request.scope)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """The router found no route, or no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - the handler is registered for this type
    return answer(_from_http(error, request.scope), request.scope)


def _from_http(error: HTTPException, scope: Scope) -> errors.DomainError:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = sorted(_methods(scope)) or [(error.headers or {}).get("Allow", "")]
        return refusals.MethodNotAllowed(f"Allowed here: {', '.join(allow)}.", allow=allow)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return refusals.NoSuchRoute("See /openapi.json for what there is.")
    return refusals.BadRequest("The request cannot be served in this form.")


def _methods(scope: Scope) -> set[str]:
    """Every method some route knows for the path that was asked for."""
    routes = [route for route in scope["app"].routes if getattr(route, "methods", None)]
    return {method for route in routes if route.path_regex.match(scope["path"]) for method in route.methods}


class UnknownField(refusals.InvalidRequest):
    """The request has a field that is not known here."""

    code = "unknown_field"


def from_validation(found: Iterable[Mapping[str, Any]]) -> refusals.InvalidRequest:
    """Validation errors as one problem with a pointer per place; what was sent is not repeated."""
    wrong = [_Place(error["loc"], error["msg"], error["type"]) for error in islice(found, SHOWN_ERRORS)]
    kind = UnknownField if all(place.type == "extra_forbidden" for place in wrong) else refusals.InvalidRequest
    first = wrong[0]
    detail = f"{first.pointer}: {first.detail}" + (f" (and {len(wrong) - 1} more)" if wrong[1:] else "")
    return kind(detail, errors=[{"pointer": place.pointer, "detail": place.detail} for place in wrong])


class _Place:
    """One validation error, in the words of the wire."""

    def __init__(self, where: tuple[Any, ...], message: str, type_: str) -> None:
        head, *rest = where
        path = "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in rest)
        pointer = (f"#/{path}" if path else "#") if head == "body" else f"{head}:{path}"
        self.pointer = pointer[:LONGEST_POINTER]
        self.detail = message.removeprefix("Value error, ")
        self.type = type_


def problems(*kinds: type[errors.DomainError]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may refuse in these ways; those every route shares are added for all."""
    by_status = sorted(kinds, key=lambda kind: (status_of(kind), kind.code))
    return {status: described(list(group)) for status, group in groupby(by_status, key=status_of)}


def described(kinds: list[type[errors.DomainError]]) -> dict[str, Any]:
    """The OpenAPI response object for refusals that share a status; its examples are those of `examples`."""
    status = status_of(kinds[0])
    found: dict[str, Any] = {
        "description": ". ".join(dict.fromkeys(kind.title() for kind in kinds)) + ".",
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {kind.code: {"$ref": f"#/components/examples/{kind.code}"} for kind in kinds},
            }
        },
    }
    if status in {429, 503}:
        wait = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds to wait before trying again."}
        found["headers"] = {"Retry-After": wait}
    if status == 429:
        found["headers"] |= advertised.REFERENCES
    return found


def examples(kind: type[errors.DomainError] = errors.DomainError) -> dict[str, dict[str, Any]]:
    """One example per code of all refusals the application knows."""
    found = {code: example for child in kind.__subclasses__() for code, example in examples(child).items()}
    title = kind.title()
    value = _body(kind, kind.code, f"{title}.", "0190f3c2a1b27c3d8e4f5a6b7c8d9e0f")
    return found | {kind.code: {"summary": title, "value": value}}
