"""The published description of the API: what FastAPI cannot know of it is added here, once, for every route."""

import json
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.api import advertised, lanes, problems, refusals
from app.api.again import door
from app.api.deps import Needs, transaction
from app.api.heads import SAFE
from app.api.routing import PREFIX
from app.api.schemas.problems import Problem
from app.db.base import DatabaseUnavailable
from app.domain import idempotency, keys
from app.domain.errors import DomainError
from app.domain.team import ALLOWED, MemberRole, NotPermitted, Permission, Scope
from app.domain.wire import Wire
from app.intake import guard
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
    "rejected messages": "What was refused, with the reason: look at it, mend it, try it again.",
    "imports": "Bring whole files: CSV or JSON Lines, in parts, checked first if you like. Nothing is doubled.",
    "accounts": "The companies you sell to, with what is known and derived about each.",
    "users": "The people at those companies.",
    "organizations": "The optional parents of accounts.",
    "custom objects": "Things of your own making, such as tickets, that belong to accounts or organizations.",
    "events": "What those people did.",
    "owners": "The customer-side person who owns each account, how they were chosen, and how that changed.",
    "traits": "What traits are declared to be and what is seen of them; the traits of one record, over time.",
    "lifecycle": "Which accounts, organizations and users are subscribed, on trial, churned or ignored, and why.",
    "trait map": "Which traits of an account name its owner, its MRR, its dates and who looks after it.",
    "evaluation": "How far what is derived lags behind what was sent.",
    "segments": "Groups of accounts, users or organizations by rule, by hand and by automations.",
    "metrics": "Numbers worked out of events, users and facts, with their change and their history.",
    "elements": "What customers set up, counted from events: integrations, dashboards, rules.",
    "health scores": "How well accounts and organizations are doing, by scores of your own, and every point of them.",
    "members": "Your own staff.",
    "audit log": "Who changed what, and when.",
    "key roles": "Who of your staff looks after which account.",
    "bulk edits": "One change to many records, with a preview, progress and a result per record.",
    "fields": "Every fact that can be filtered, sorted and shown.",
    "reports": "Accounts, users and organizations filtered, sorted and summed up by any fact, live; and as files.",
    "views": "Reports kept for oneself, or shared with everyone.",
    "indicators": "Conditions you want to hear about.",
    "alerts": "Each time an indicator came true for an account.",
    "webhooks": "Endpoints of yours that are told what happens, signed and retried.",
    "deliveries": "Each message to an endpoint, with every attempt.",
    "reprocessings": "Changed rules being applied to what is already stored, with progress.",
    "jobs": "Work promised for later.",
    "surveys": "NPS and custom surveys: what they ask, whom to ask now, links that need no key, and answers.",
    "nps": "What users answer to how likely they are to recommend you, and what it comes to.",
    "sessions": "Members sign in and out.",
    "invitations": "How somebody of your staff gets a password.",
    "access groups": "Accounts that only some of your staff may see.",
    "keys": "The keys programs use, and what each may do.",
    "privacy": "Delete one user or account everywhere, or get all that is known of them.",
    "workspace": "The settings that shape the rules of your workspace.",
    "segment": "Segment's tracking API: point any library of Segment's or RudderStack's here. Always answers 200.",
    "rudderstack": "Where RudderStack's server delivers, when told that this is Vitally.",
    "analytics": "Vitally's analytics API: point a client of it here by changing the host.",
    "operations": "For those who run Steward.",
}
SECURITY: Final = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key such as `stw_live_ing_…`, with the scope named at each operation.",
    },
    "basicKey": {
        "type": "http",
        "scheme": "basic",
        "description": "The same key as user name, without a password: how clients of other vendors send theirs.",
    },
}
SHARED: Final[tuple[type[DomainError], ...]] = (
    refusals.BadRequest, keys.MissingKey, keys.InvalidKey, refusals.UriTooLong, refusals.HeadTooLarge,
    refusals.RateLimited, refusals.Internal, DatabaseUnavailable, refusals.Saturated,
)  # fmt: skip
SCOPED: Final[tuple[type[DomainError], ...]] = (keys.InsufficientScope, NotPermitted)
WITH_BODY: Final[tuple[type[DomainError], ...]] = (
    guard.MalformedJson, guard.InvalidEncoding, guard.DuplicateKey, refusals.BadEncoding,
    refusals.SlowBody, refusals.PayloadTooLarge, refusals.UnsupportedMediaType, refusals.UnsupportedContentEncoding,
    refusals.InvalidRequest, problems.UnknownField, guard.TooDeep, guard.LimitExceeded, guard.NulCharacter,
    guard.NotFinite, guard.OutOfRange, refusals.TooManyConcurrent,
)  # fmt: skip
WITH_TOLERANT_BODY: Final[tuple[type[DomainError], ...]] = (
    guard.MalformedJson, guard.InvalidEncoding, guard.DuplicateKey, refusals.BadEncoding,
    refusals.SlowBody, refusals.PayloadTooLarge, refusals.UnsupportedContentEncoding, refusals.TooManyConcurrent,
)  # fmt: skip
REPEATABLE: Final[tuple[type[DomainError], ...]] = (
    idempotency.UnusableIdempotencyKey, idempotency.RequestInProgress, idempotency.IdempotencyKeyReused,
)  # fmt: skip
IDEMPOTENCY_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "description": "Sent again with the same key within a day, the same request is done once and answered alike.",
}
WITH_PARAMETERS: Final[tuple[type[DomainError], ...]] = (refusals.InvalidRequest, guard.NulCharacter)
VARYING: Final = {400, 415, 422, 429}  # what may be wrong with a body, and with too many of them
EXAMPLE_REF: Final = "#/components/examples/"


def describe(app: FastAPI, settings: Settings) -> None:
    """Make `app.openapi()` give the whole description, built once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, settings)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def frozen(app: FastAPI) -> str:
    """The description as the repository keeps it, so that a change of the API shows in review."""
    return json.dumps(app.openapi(), indent=1, ensure_ascii=False, sort_keys=False) + "\n"


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
    schemas = components.setdefault("schemas", {})
    _add_problem(schemas)
    shared: dict[str, Any] = {}
    for route, operation in _operations(found, routes):
        _complete(route, operation, shared)
    _restore_examples(schemas)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["schemas"] = dict(sorted(schemas.items()))
    components["responses"] = dict(sorted(shared.items()))
    components["examples"] = _examples(found)
    components["headers"] = advertised.HEADERS
    components["securitySchemes"] = SECURITY
    return found


def _examples(found: dict[str, Any]) -> dict[str, Any]:
    """The examples some response refers to."""
    used = set(re.findall(rf'"{EXAMPLE_REF}(\w+)"', json.dumps(found)))
    return {code: example for code, example in sorted(problems.examples().items()) if code in used}


def _restore_examples(schemas: dict[str, Any], kind: type[Wire] = Wire) -> None:
    """FastAPI drops what is null from examples too, where null may be just what they show."""
    for child in kind.__subclasses__():
        _restore_examples(schemas, child)
        extra = child.model_config.get("json_schema_extra")
        if isinstance(extra, dict) and "examples" in extra and child.__name__ in schemas:
            schemas[child.__name__]["examples"] = extra["examples"]


def _add_problem(schemas: dict[str, Any]) -> None:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas.update(schema.pop("$defs", {}))
    schemas["Problem"] = schema


def _operations(found: dict[str, Any], routes: list[APIRoute]) -> Iterator[tuple[APIRoute, dict[str, Any]]]:
    for route in routes:
        if not route.include_in_schema:
            continue
        for method in sorted(route.methods or ()):
            yield route, found["paths"][route.path_format][method.lower()]


def _complete(route: APIRoute, operation: dict[str, Any], shared: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    if not _keyed(route) and not is_entrance(route):
        operation["security"] = []
        return
    own = route.path.startswith(PREFIX)
    operation["security"] = _security(route, own=own)
    permission = None if is_entrance(route) else permission_of(route)
    if not is_entrance(route):
        operation["description"] = f"{operation.get('description', '')}\n\n{_needs(permission)}".strip()
    about, suffix = _about_input(operation, own=own)
    if own and _is_repeatable(route):
        operation["parameters"] = [*operation.get("parameters", []), IDEMPOTENCY_KEY]
        about, suffix = (*about, *WITH_PARAMETERS, *REPEATABLE), f"{suffix}Write"
    for status, response in problems.problems(*SHARED, *(SCOPED if permission else ()), *about).items():
        name = HTTPStatus(int(status)).name.title().replace("_", "") + (suffix if status in VARYING else "")
        _add_response(responses, shared, str(status), name, response)
    advertised.add(responses)
    operation["responses"] = dict(sorted(responses.items()))


def _about_input(operation: dict[str, Any], *, own: bool) -> tuple[tuple[type[DomainError], ...], str]:
    """What may be wrong with what is sent. The surfaces of others take any content type, and answer 400 for 422."""
    if "requestBody" in operation:
        return (WITH_BODY, "Body") if own else (WITH_TOLERANT_BODY, "Call")
    return (WITH_PARAMETERS, "") if operation.get("parameters") else ((), "")


def _add_response(
    responses: dict[str, Any], shared: dict[str, Any], status: str, name: str, response: dict[str, Any]
) -> None:
    """Add what many routes refuse alike: by reference, or to what the route itself refuses with the same status."""
    present = responses.get(status, {}).get("content", {}).get(problems.MEDIA_TYPE)
    if present:
        present["examples"].update(response["content"][problems.MEDIA_TYPE]["examples"])
        return
    shared[name] = response
    responses[status] = {"$ref": f"#/components/responses/{name}"}


def _is_repeatable(route: APIRoute) -> bool:
    """Whether it changes something in a transaction of its own: then its answer can be kept with the change."""
    own = any(dependant.call in (transaction, door) for dependant in route.dependant.dependencies)
    return own and bool(getattr(route, "writes", False)) and not SAFE & (route.methods or set())


def _keyed(route: APIRoute) -> bool:
    return any(isinstance(dependant.call, Needs) for dependant in route.dependant.dependencies)


def is_entrance(route: APIRoute) -> bool:
    """Whether one comes here to say who one is."""
    found = [lanes.lane_of(route.path, method) for method in route.methods or ()]
    return any(lane is not None and lane.keyless for lane in found)


def _security(route: APIRoute, *, own: bool) -> list[dict[str, list[str]]]:
    if is_entrance(route):
        return []
    return [{"apiKey": []}] if own else [{"apiKey": []}, {"basicKey": []}]


def _needs(permission: Permission | None) -> str:
    if permission is None:
        return "Any key will do, and any member."
    allowed = ALLOWED[permission]
    roles = "any member" if len(allowed.roles) == len(MemberRole) else f"a member who is {_either(allowed.roles)}"
    return f"Needs a key with the scope `{allowed.scope}`, or {roles}."


def _either(roles: Iterable[MemberRole]) -> str:
    return " or ".join(f"`{role}`" for role in MemberRole if role in roles)


def permission_of(route: APIRoute) -> Permission | None:
    """What callers of a route must be allowed to do; None: whoever is known."""
    needs = [dependant.call for dependant in route.dependant.dependencies if isinstance(dependant.call, Needs)]
    if len(needs) != 1:
        raise TypeError(f"{route.path} must depend on exactly one of the callers that `api.deps` names")
    return needs[0].permission


def scope_of(route: APIRoute) -> Scope | None:
    """The scope a route's key must have; None: any key."""
    permission = permission_of(route)
    return None if permission is None else ALLOWED[permission].scope
