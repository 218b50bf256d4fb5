"""Every route, for each role and each scope, here and elsewhere: allowed or refused exactly as the one table says.

Generated from the routes and the table: whoever adds a route is tested here without writing a line.
"""

import re

import pytest

from app.api import lanes
from app.api.deps import Needs
from app.api.openapi import is_entrance, permission_of
from app.api.routing import PREFIX
from app.domain.ids import new_id
from app.domain.keys import Caller, InsufficientScope
from app.domain.team import ALLOWED, MemberRole, NotPermitted, Permission, Scope
from app.main import create_app
from app.settings import Settings

APP = create_app(Settings(database_url="", public_url="", secret_key=""))
DOCUMENT = APP.openapi()
KEYED = [route for route in APP.routes if lanes.lane_of(getattr(route, "path", ""))]
ROUTES = [
    pytest.param(route, method, id=f"{method} {route.path}")
    for route in KEYED
    for method in sorted(route.methods)
    if route.include_in_schema and not is_entrance(route)
]
WORDS = {"subject": "accounts", "object": "ticket", "role": "csm", "kind": "accounts", "number": "1"}

# What product.md says of each capability: admin, leader, team member, observer.
REFERENCE = {
    "view all data, private views": ("view_data save_views", "yyyy"),
    "public views": ("publish_views", "yy--"),
    "change segments, edit traits (team members: some)": ("change_segments edit_traits", "yyy-"),
    "create traits; assign key roles and owner": ("define_traits assign_roles", "yy--"),
    "create accounts and organizations; change subscription": ("create_accounts change_status", "y---"),
    "create users; delete customers": ("create_users delete_customers view_deletions", "yy--"),
    "tasks, notes …, address indicators": ("address_indicators", "yyy-"),
    "playbooks, health, metrics, elements, segments": ("manage_rules", "yy--"),
    "integrations, billing": (
        "ingest manage_integrations manage_team manage_workspace view_raw_data",
        "y---",
    ),
}


def test_the_table_is_that_of_the_reference():
    said = {
        Permission(name): {role for role, mark in zip(MemberRole, marks, strict=True) if mark == "y"}
        for names, marks in REFERENCE.values()
        for name in names.split()
    }
    assert {permission: set(allowed.roles) for permission, allowed in ALLOWED.items()} == said


def test_every_permission_is_somebodys_and_used():
    used = {permission_of(param.values[0]) for param in ROUTES}
    asked_inside = {Permission.PUBLISH_VIEWS}  # by views, of those that are to be shared
    assert ALLOWED.keys() == set(Permission)
    assert set(Permission) - used == asked_inside - used
    assert all(MemberRole.ADMIN in allowed.roles for allowed in ALLOWED.values())


def test_every_route_declares_its_permission():
    for route in KEYED:
        needs = [one.call for one in route.dependant.dependencies if isinstance(one.call, Needs)]
        assert len(needs) == (0 if is_entrance(route) else 1), route.path


def test_only_where_one_says_who_one_is_nobody_is_asked():
    open_to_strangers = {(method, route.path) for route in KEYED for method in route.methods if is_entrance(route)}
    by_link = {one for one in open_to_strangers if one[1].startswith("/surveys/{token}")}  # which says who they are
    assert open_to_strangers - by_link == lanes.KEYLESS
    assert len(by_link) == 4


@pytest.mark.parametrize("scopes", [{"ingest"}, {"read"}, {"admin"}, {"ingest", "read"}, set()])
def test_a_key_may_what_its_scopes_say(scopes):
    key = Caller(new_id(), new_id(), frozenset(scopes))

    for permission in Permission:
        assert key.may(permission) == bool(scopes & {ALLOWED[permission].scope.value, Scope.ADMIN.value})
        if not key.may(permission):
            with pytest.raises(InsufficientScope):
                key.require(permission)


def caller_of(role):
    return Caller(new_id(), None, session_id=new_id(), member_id=new_id(), role=role)


@pytest.mark.parametrize("role", list(MemberRole))
def test_a_member_may_what_their_role_says(role):
    member = caller_of(role)

    for permission in Permission:
        having = [str(one) for one in MemberRole if one in ALLOWED[permission].roles]
        assert member.may(permission) == (str(role) in having)
        if not member.may(permission):
            with pytest.raises(NotPermitted) as refused:
                member.require(permission)
            assert refused.value.context["roles"] == having


def filled(route):
    return re.sub(r"\{(\w+)\}", lambda match: WORDS.get(match[1]) or f"nothing_{new_id().hex}", route.path)


def body_of(route, method):
    operation = DOCUMENT["paths"][route.path_format][method.lower()]
    found = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if found is None:
        return None
    if "example" in found:
        return found["example"]
    return DOCUMENT["components"]["schemas"][found["schema"]["$ref"].rpartition("/")[2]]["examples"][0]


@pytest.fixture
async def callers(make_client, workspace, as_member):
    """One client per role and per scope, made when it is asked for; `forget` one that may be signed out."""
    made = {}

    async def get(kind):
        if kind not in made:
            made[kind] = await (make_client(workspace, kind) if kind in set(Scope) else as_member(kind))
        return made[kind]

    get.forget = made.pop
    return get


def noun_of(route):
    return route.path.removeprefix(PREFIX).split("/")[1]


NOUNS = sorted({noun_of(param.values[0]) for param in ROUTES})


@pytest.mark.parametrize("noun", NOUNS)
async def test_a_route_lets_in_those_the_table_names(noun, callers):
    """All routes of a noun in one test: making seven callers takes longer than asking them."""
    for route, method in (param.values for param in ROUTES if noun_of(param.values[0]) == noun):
        for kind in (*MemberRole, *Scope):
            await judge(route, method, kind, await callers(kind.value))
            if noun in {"me", "sessions"}:
                callers.forget(kind.value)


async def judge(route, method, kind, client):
    permission = permission_of(route)
    answer = await client.request(method, filled(route), json=body_of(route, method))
    where = (method, route.path, kind, answer.status_code, answer.text[:300])
    if permission is None or may(kind, permission):
        allowed_further(answer, kind, permission)
        assert answer.status_code != 401 or answer.json()["code"] == "wrong_credentials", where
        assert answer.status_code < 500, where
    else:
        code = "not_permitted" if isinstance(kind, MemberRole) else "insufficient_scope"
        assert (answer.status_code, answer.json()["code"]) == (403, code), where
        assert told(answer.json()["context"], kind, permission), where


def may(kind, permission):
    allowed = ALLOWED[permission]
    return kind in allowed.roles if isinstance(kind, MemberRole) else kind in {allowed.scope, Scope.ADMIN}


def told(context, kind, permission):
    """A refusal says what is needed, and who has it."""
    allowed = ALLOWED[permission]
    if not isinstance(kind, MemberRole):
        return context == {"scope": str(allowed.scope)}
    having = [str(role) for role in MemberRole if role in allowed.roles]
    return context == {"permission": str(permission), "role": str(kind), "roles": having}


def allowed_further(answer, kind, permission):
    """Who is let in may still be refused what takes another permission, and by the same table."""
    if answer.status_code != 403:
        return
    body = answer.json()
    if body["code"] == "insufficient_scope":
        assert kind not in {Scope(body["context"]["scope"]), Scope.ADMIN}
        return
    if body["code"] == "trait_not_editable":  # what the reference calls "some": as each definition says
        assert kind in {MemberRole.TEAM_MEMBER, MemberRole.OBSERVER}
        return
    other = Permission(body["context"]["permission"])
    assert body["code"] == "not_permitted"
    assert other is not permission
    assert not may(kind, other)


@pytest.mark.parametrize("role", list(MemberRole))
async def test_a_member_of_another_workspace_finds_nothing_here(role, client, as_member, other_workspace):
    for external_id in ("acme", "globex"):
        await client.post(f"{PREFIX}/accounts", json={"externalId": external_id})
    await client.post(f"{PREFIX}/users", json={"externalId": "ada", "accounts": ["acme"]})
    stranger = await as_member(role.value, other_workspace)
    account = (await client.get(f"{PREFIX}/accounts/acme")).json()["id"]

    answers = [await stranger.get(f"{PREFIX}/{path}") for path in (f"accounts/{account}", "accounts/acme", "users/ada")]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert (await stranger.get(f"{PREFIX}/accounts")).json()["data"] == []
