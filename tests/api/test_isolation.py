"""One workspace never sees, changes or learns of another's: generated from the route table and the catalogue.

Whoever adds a route or a table is tested here without writing a line; a new kind of id needs a name in KINDS. What
callers may do inside their own workspace: test_permissions.py and test_access.py.
"""

import copy
import re

import pytest
import sqlalchemy as sa

from app.api.routing import PREFIX
from app.db.base import ROLE
from app.domain.ids import new_id
from app.main import create_app
from app.settings import Settings

KINDS = {
    "account": "acc",
    "user": "usr",
    "key": "key",
    "member": "mem",
    "indicator": "ind",
    "alert": "alr",
    "webhook": "whk",
    "delivery": "dlv",
    "erasure": "ers",
    "reprocessing": "rep",
    "reprocessing_id": "rep",
    "job": "job",
    "import_id": "imp",
    "rejected": "rej",
    "organization": "org",
    "segment": "seg",
    "record": "acc",
    "instance": "ins",
    "bulk_edit": "bed",
    "view": "vie",
    "session": "ses",
    "invitation": "inv",
    "group": "grp",
    "element": "elm",
    "metric": "met",
    "health_score": "hsc",
    "ref": "acc",
    "survey": "srv",
    "response": "rsp",
}
# Parameters that name no object.
WORDS = {
    "subject": "accounts",
    "kind": "accounts",
    "trait": "plan",
    "object": "ticket",
    "role": "csm",
    "field": "owner",
    "path": "name",
    "number": "1",
    "sample": "users.csv",
}
SHOWN = "_0190f3c2"  # how the ids in documentation begin
WIRE_ID = re.compile(r"\b([a-z]{3})_[0-9a-f]{32}\b")

APP = create_app(Settings(database_url="", public_url="", secret_key=""))
DOCUMENT = APP.openapi()
ROUTES = [
    pytest.param(route, method, id=f"{method} {route.path}")
    for route in APP.routes
    if route.path.startswith(PREFIX)
    for method in sorted(route.methods)
]
WITH_OBJECTS = [param for param in ROUTES if set(param.values[0].param_convertors) & KINDS.keys()]


def example_body(route, method):
    """The body the documentation shows, if the route takes one."""
    content = DOCUMENT["paths"][route.path][method.lower()].get("requestBody", {}).get("content", {})
    found = content.get("application/json")
    if found is None:
        return None
    if "example" in found:
        return copy.deepcopy(found["example"])
    name = found["schema"]["$ref"].rpartition("/")[2]
    return copy.deepcopy(DOCUMENT["components"]["schemas"][name]["examples"][0])


def fill(path, ids):
    return re.sub(r"\{(\w+)\}", lambda match: ids[match[1]], path)


def random_ids(path):
    names = re.findall(r"\{(\w+)\}", path)
    return {name: WORDS.get(name) or f"{KINDS[name]}_{new_id().hex}" for name in names}


async def call(client, route, method, path):
    return await client.request(method, path, json=example_body(route, method))


@pytest.fixture
async def furnished(make_client, other_workspace, drain, as_member):
    """Another workspace with one of everything the API can make: kind -> wire id."""
    client = await make_client(other_workspace)
    member = await as_member("observer", other_workspace)
    for param in ROUTES:
        route, method = param.values
        if method == "POST" and not route.param_convertors:
            answer = await call(client, route, method, route.path)
            assert answer.status_code < 500, (route.path, answer.text)
    always = {"field": "externalId", "op": "isSet"}
    await client.post(f"{PREFIX}/indicators", json={"name": "Always", "kind": "risk", "filter": always})
    await client.patch(f"{PREFIX}/workspace", json={"ownerDefaultPolicy": "first_user"})
    await client.post(f"{PREFIX}/batch", json={"messages": [{"type": "event"}]})
    await client.post(f"{PREFIX}/users", json={"externalId": "gone"})
    await client.delete(f"{PREFIX}/users/gone")
    await drain(other_workspace)
    found = {"ses": (await member.get(f"{PREFIX}/sessions")).json()["data"][0]["id"]}
    for _ in range(2):  # what hangs below an object is found the second time
        for param in ROUTES:
            route, method = param.values
            known = {name: found.get(kind) for name, kind in KINDS.items()} | WORDS
            if method == "GET" and all(known.get(name) for name in route.param_convertors):
                text = (await client.get(fill(route.path, known))).text
                found.update({match[1]: match[0] for match in WIRE_ID.finditer(text) if SHOWN not in match[0]})
    return found


@pytest.mark.parametrize("caller", ["key", "admin"])
async def test_every_route_answers_foreign_ids_as_it_answers_unknown_ones(caller, client, as_member, furnished):
    client = client if caller == "key" else await as_member(caller)
    tried = set()
    for param in WITH_OBJECTS:
        route, method = param.values
        for name in set(route.param_convertors) & KINDS.keys():
            foreign = furnished.get(KINDS[name])
            if foreign is None:
                continue
            nobody = random_ids(route.path)
            answers = [
                await call(client, route, method, fill(route.path, ids)) for ids in (nobody, {**nobody, name: foreign})
            ]
            assert [answer.status_code for answer in answers] == [404, 404], (method, route.path, answers[1].text)
            shapes = [{k: v for k, v in a.json().items() if k not in {"requestId", "instance"}} for a in answers]
            plain = [re.sub(WIRE_ID, "id", str(shape)) for shape in shapes]
            assert plain[0] == plain[1], (method, route.path)
            tried.add(KINDS[name])
    wanted = {KINDS[name] for param in WITH_OBJECTS for name in param.values[0].param_convertors if name in KINDS}
    assert tried == wanted, "the furnished workspace lacks a kind of object"


async def test_no_list_shows_rows_of_another_workspace(client, furnished):
    for param in ROUTES:
        route, method = param.values
        if method != "GET" or route.param_convertors:
            continue
        answer = await client.get(route.path)
        assert answer.status_code == 200, (route.path, answer.text)
        assert not set(furnished.values()) & {match[0] for match in WIRE_ID.finditer(answer.text)}, route.path


async def test_a_cursor_of_another_workspace_does_not_open(client, make_client, other_workspace):
    theirs = await make_client(other_workspace)
    await theirs.post(f"{PREFIX}/keys", json={"name": "one", "scopes": ["read"]})
    cursor = (await theirs.get(f"{PREFIX}/keys", params={"limit": 1})).json()["nextCursor"]

    answer = await client.get(f"{PREFIX}/keys", params={"limit": 1, "cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


WALLS = """
select c.relname, c.relrowsecurity and c.relforcerowsecurity as forced,
       coalesce((select bool_or(p.polcmd = '*')
                        and bool_and(p.polqual is not null and (p.polwithcheck is not null or p.polcmd = 'r'))
                 from pg_policy p where p.polrelid = c.oid), false) as both_ways,
       c.relispartition as is_part,
       has_table_privilege(:role, c.oid, 'select, insert, update, delete') as reachable
from pg_class c
join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
where c.relkind in ('r', 'p')
  and (c.relname = 'workspaces' or exists (
       select from pg_attribute a where a.attrelid = c.oid and a.attname = 'workspace_id' and not a.attisdropped))
order by 1
"""
GLOBAL = {"key_secrets", "member_lookups"}  # read before the workspace is known, by a hash nobody can guess


async def test_every_table_of_a_workspace_has_its_wall(database):
    async with database.engine.connect() as connection:
        tables = (await connection.execute(sa.text(WALLS), {"role": ROLE})).all()

    assert len(tables) > 20
    for table in tables:
        if table.relname in GLOBAL:
            continue
        if table.is_part:
            assert not table.reachable, f"{table.relname} can be reached past its parent's wall"
        else:
            assert table.forced, f"{table.relname} lacks forced row security"
            assert table.both_ways, f"{table.relname} lacks a policy with USING and WITH CHECK"


async def test_the_application_role_cannot_step_over_walls(database):
    async with database.engine.connect() as connection:
        role = (
            await connection.execute(
                sa.text("select rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname = :role"),
                {"role": ROLE},
            )
        ).one()
        owned = await connection.scalar(
            sa.text("select count(*) from pg_class where relowner = (select oid from pg_roles where rolname = :role)"),
            {"role": ROLE},
        )
    assert tuple(role) == (False, False, False)
    assert owned == 0


async def test_without_a_workspace_nothing_is_seen(database, client):
    await client.post(f"{PREFIX}/accounts", json={"externalId": "acme"})

    async with database.open_transaction() as db:
        for table in ("accounts", "api_keys", "workspaces", "members"):
            assert await db.scalar(sa.text(f"select count(*) from {table}")) == 0


async def test_rows_of_another_workspace_cannot_be_written(database, workspace, other_workspace):
    insert = sa.text("insert into members (workspace_id, id, email, name) values (:workspace, :id, 'a@b.test', 'A')")

    with pytest.raises(sa.exc.DBAPIError, match="row-level security"):
        async with database.transaction(workspace) as db:
            await db.execute(insert, {"workspace": other_workspace, "id": new_id()})


async def test_a_cancelled_request_leaves_no_workspace_behind(database, workspace):
    """The next borrower of the connection is in no workspace, whatever happened to the last one."""
    import asyncio

    for number in range(40):

        async def work():
            async with database.transaction(workspace) as db:
                await db.execute(sa.text("select pg_sleep(0.002)"))

        task = asyncio.create_task(work())
        await asyncio.sleep(number * 0.0003)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with database.engine.connect() as connection:
        setting = await connection.scalar(sa.text("select current_setting('steward.workspace', true)"))
        assert setting in {None, ""}
