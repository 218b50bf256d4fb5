"""The published description of the API: what FastAPI cannot know of it is added here, once, for every route."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.api import guard, problems, refusals
from app.api.deps import Needs
from app.api.routing import PREFIX
from app.api.schemas.problems import Problem
from app.db.base import DatabaseUnavailable
from app.domain import keys
from app.domain.errors import DomainError
from app.settings import Settings

METHODS: Final = ("get", "post", "put", "patch", "delete")

ABOUT: Final[dict[str, Any]] = {
    "title": "Steward",
    "version": "1.0.0",
    "summary": "Who owns each account, how it is doing, and who needs to know.",
    "description": (
        "Send accounts, users and events; map the trait that names an account's owner; build reports and indicators on "
        "everything known about owners; receive signed webhooks when something changes.\n\n"
        "Every request carries a key: `Authorization: Bearer stw_…`. Every refusal is a problem document (RFC 9457) "
        "with a stable `code`. Lists are walked with `cursor`. Times are UTC, written as RFC 3339."
    ),
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
TAGS: Final[dict[str, str]] = {
    "ingestion": "Send accounts, users and events, alone or in batches. Repeating a message is harmless.",
    "accounts": "The companies you sell to, with what is known and derived about each.",
    "users": "The people at those companies.",
    "events": "What those people did.",
    "owners": "The customer-side person who owns each account, how they were chosen, and how that changed.",
    "trait map": "Which trait of an account names its owner, its MRR and its status.",
    "evaluation": "How far what is derived lags behind what was sent.",
    "members": "Your own staff.",
    "key roles": "Who of your staff looks after which account.",
    "fields": "Every fact that can be filtered, sorted and shown.",
    "reports": "Accounts filtered and sorted by any fact, live.",
    "indicators": "Conditions you want to hear about.",
    "alerts": "Each time an indicator came true for an account.",
    "webhooks": "Endpoints of yours that are told what happens, signed and retried.",
    "deliveries": "Each message to an endpoint, with every attempt.",
    "reprocessings": "Changed rules being applied to what is already stored, with progress.",
    "jobs": "Work promised for later.",
    "keys": "The keys programs use, and what each may do.",
    "workspace": "The settings that shape the rules of your workspace.",
    "operations": "For those who run Steward.",
}
SECURITY: Final = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key such as `stw_live_ing_…`, with the scope named at each operation.",
    }
}
SHARED: Final[tuple[type[DomainError], ...]] = (
    refusals.BadRequest, keys.MissingKey, keys.InvalidKey, refusals.UriTooLong, refusals.HeadTooLarge,
    refusals.Internal, DatabaseUnavailable,
)  # fmt: skip
WITH_BODY: Final[tuple[type[DomainError], ...]] = (
    guard.MalformedJson, guard.InvalidEncoding, guard.DuplicateKey, refusals.BadEncoding,
    refusals.SlowBody, refusals.PayloadTooLarge, refusals.UnsupportedMediaType, refusals.UnsupportedContentEncoding,
    refusals.InvalidRequest, problems.UnknownField, guard.TooDeep, guard.LimitExceeded, guard.NulCharacter,
    guard.NotFinite, guard.OutOfRange,
)  # fmt: skip
WITH_PARAMETERS: Final[tuple[type[DomainError], ...]] = (refusals.InvalidRequest, guard.NulCharacter)


def describe(app: FastAPI, settings: Settings) -> None:
    """Make `app.openapi()` give the whole description, built once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, settings)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI, settings: Settings) -> dict[str, Any]:
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    tags = list(dict.fromkeys(str(tag) for route in routes for tag in route.tags))
    found = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        license_info=app.license_info,
        openapi_version=app.openapi_version,
        routes=app.routes,
        tags=[{"name": name, "description": TAGS[name]} for name in TAGS if name in tags],
        servers=[{"url": settings.public_url or "/", "description": "This installation"}],
    )
    components = found.setdefault("components", {})
    components["securitySchemes"] = SECURITY
    schemas = components.setdefault("schemas", {})
    _add_problem(schemas)
    for route, operation in _operations(found, routes):
        _complete(route, operation)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["schemas"] = dict(sorted(schemas.items()))
    return found


def _add_problem(schemas: dict[str, Any]) -> None:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas.update(schema.pop("$defs", {}))
    schemas["Problem"] = schema


def _operations(found: dict[str, Any], routes: list[APIRoute]) -> Iterator[tuple[APIRoute, dict[str, Any]]]:
    for route in routes:
        if not route.include_in_schema:
            continue
        for method in sorted(route.methods):
            yield route, found["paths"][route.path_format][method.lower()]


def _complete(route: APIRoute, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None) if "HTTPValidationError" in str(responses.get("422")) else None
    operation.setdefault("summary", "")
    if not route.path.startswith(PREFIX):
        operation["security"] = []
        return
    operation["security"] = [{"apiKey": []}]
    scope = scope_of(route)
    operation["description"] = f"{operation.get('description', '')}\n\n{_needs(scope)}".strip()
    _add_responses(responses, SHARED)
    if scope is not None:
        _add_responses(responses, (keys.InsufficientScope,))
    if "requestBody" in operation:
        _add_responses(responses, WITH_BODY)
    elif operation.get("parameters"):
        _add_responses(responses, WITH_PARAMETERS)
    operation["responses"] = dict(sorted(responses.items()))


def _needs(scope: keys.Scope | None) -> str:
    return f"Needs a key with the scope `{scope}`." if scope else "Any key will do."


def _add_responses(responses: dict[str, Any], kinds: tuple[type[DomainError], ...]) -> None:
    for status, response in problems.problems(*kinds).items():
        present = responses.get(str(status))
        if present is None:
            responses[str(status)] = response
        elif problems.MEDIA_TYPE in present.get("content", {}):
            examples = present["content"][problems.MEDIA_TYPE]["examples"]
            examples.update(response["content"][problems.MEDIA_TYPE]["examples"])


def scope_of(route: APIRoute) -> keys.Scope | None:
    """The scope a route's key must have; None: any key."""
    needs = [dependant.call for dependant in route.dependant.dependencies if isinstance(dependant.call, Needs)]
    if len(needs) != 1:
        raise TypeError(f"{route.path} must depend on exactly one of Reader, Admin, Sender and Anyone")
    return needs[0].scope
