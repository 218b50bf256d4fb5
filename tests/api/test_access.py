"""Data-access groups: what is restricted to others is not there, however one asks. Generated from the routes."""

import re

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from app.api.openapi import is_entrance
from app.api.routing import PREFIX
from app.db.base import MEMBER_ROLE, unveiled
from app.domain import ids
from app.domain.fields import Subject
from app.domain.keys import Caller
from app.domain.team import MemberRole
from app.main import create_app
from app.services import access
from app.settings import Settings

API = PREFIX
APP = create_app(Settings(database_url="", public_url="", secret_key=""))
READS = [
    pytest.param(route, id=f"GET {route.path}")
    for route in APP.routes
    if route.path.startswith(PREFIX) and "GET" in route.methods and not is_entrance(route)
]
MARK = "zqx"  # begins every name of what is hidden
SHOWN_ID = re.compile(r"\b(?:acc|usr|org|alr|ins)_[0-9a-f]{32}\b")


async def send(client, path, body):
    answer = await client.post(f"{API}/{path}", json=body)
    assert answer.status_code < 300, (path, answer.text)
    return answer.json()


async def found(client, path):
    answer = await client.get(f"{API}/{path}")
    assert answer.status_code == 200, (path, answer.text)
    return answer.json()["data"]


@pytest.fixture
async def world(client, drain):
    """An open account, and a hidden one with all that hangs on it; another is hidden with its organization."""
    always = {"field": "externalId", "op": "isSet"}
    await send(client, "organizations", {"externalId": f"{MARK}-org", "traits": {"name": f"{MARK} group"}})
    await send(client, "organizations", {"externalId": "open-org", "traits": {"name": "Open group"}})
    for name in (f"{MARK}-acme", f"{MARK}-child", "open"):
        await send(client, "accounts", {"externalId": name, "traits": {"name": f"{name} Inc", "mrr": 100}})
        await send(
            client, "users", {"externalId": f"{name}-user", "accounts": [name], "traits": {"name": f"{name} Ada"}}
        )
        await send(client, "events", {"event": f"{name}-event", "accountId": name, "userId": f"{name}-user"})
    await client.put(f"{API}/accounts/{MARK}-child/organization", json={"organizationId": f"{MARK}-org"})
    await client.put(f"{API}/accounts/open/organization", json={"organizationId": "open-org"})
    await send(client, "users", {"externalId": "both", "accounts": ["open", f"{MARK}-acme"]})
    await send(client, "users", {"externalId": f"{MARK}-staff", "organizations": [f"{MARK}-org"]})
    await send(client, "indicators", {"name": "Always", "kind": "risk", "filter": always})
    await client.put(f"{API}/accounts/{MARK}-acme/owner", json={"user": f"{MARK}-acme-user", "source": "manual"})
    await drain()
    group = (await send(client, "access-groups", {"name": "Public sector"}))["id"]
    for kind, ref in (("accounts", f"{MARK}-acme"), ("organizations", f"{MARK}-org")):
        assert (await client.put(f"{API}/access-groups/{group}/{kind}/{ref}")).status_code == 204
    await drain()
    return group


@pytest.fixture
async def outsider(world, as_member):
    return await as_member("leader")


@pytest.fixture
async def insider(world, client, as_member):
    member = await as_member("team_member")
    assert (await client.put(f"{API}/access-groups/{world}/members/{member.member}")).status_code == 204
    return member


@pytest.fixture
async def hidden(world, client):
    """What is hidden, by the name of the parameter that would say it: wire ids."""
    kinds = {"account": f"accounts/{MARK}-acme", "user": f"users/{MARK}-acme-user"}
    kinds["organization"] = f"organizations/{MARK}-org"
    seen = {name: (await client.get(f"{API}/{path}")).json()["id"] for name, path in kinds.items()}
    alerts = await found(client, f"alerts?account={MARK}-acme")
    indicators = await found(client, "indicators")
    return seen | {"alert": alerts[0]["id"], "indicator": indicators[0]["id"]}


async def test_who_is_in_the_group_sees_it_and_who_is_not_does_not(client, outsider, insider):
    for asked, wanted in (
        ("accounts", {f"{MARK}-acme", f"{MARK}-child", "open"}),
        ("organizations", {f"{MARK}-org", "open-org"}),
    ):
        assert {one["externalId"] for one in await found(client, asked)} == wanted
        assert {one["externalId"] for one in await found(insider, asked)} == wanted
        assert {one["externalId"] for one in await found(outsider, asked)} == {
            name for name in wanted if MARK not in name
        }


async def test_people_are_seen_where_one_of_their_accounts_is(outsider, insider):
    seen = {one["externalId"] for one in await found(outsider, "users")}
    both = (await outsider.get(f"{API}/users/both")).json()
    theirs = (await insider.get(f"{API}/users/both")).json()

    assert seen >= {"open-user", "both"}
    assert not {name for name in seen if name.startswith((f"{MARK}-acme", f"{MARK}-child"))}
    assert [one["externalId"] for one in both["accounts"]] == ["open"]
    assert len(theirs["accounts"]) == 2


def told(answer):
    """What an answer says, without the address that was asked for."""
    text = answer.text
    return re.sub(r'"instance":\s*"[^"]*"', "", text)


@pytest.mark.parametrize("role", ["leader", "team_member", "observer"])
async def test_no_route_tells_an_outsider_anything(role, client, world, hidden, as_member):
    member = await as_member(role)
    mine = set(SHOWN_ID.findall(str(hidden)))
    controls = 0
    for param in READS:
        (route,) = param.values
        names = set(route.param_convertors)
        if not names <= hidden.keys() | {"subject", "role", "field", "path", "fact"}:
            continue
        words = {"subject": "accounts", "role": "csm", "field": "owner", "path": "name", "fact": "owner"}
        path = re.sub(r"\{(\w+)\}", lambda match, w=words: hidden.get(match[1]) or w[match[1]], route.path)
        answer = await member.get(path)
        assert answer.status_code < 500, (route.path, answer.text)
        controls += MARK in told(await client.get(path))
        if {"account", "user", "organization", "alert"} & names:
            assert answer.status_code in {403, 404}, (route.path, answer.text)
        assert MARK not in told(answer), (route.path, answer.text)
        if answer.status_code == 200:
            assert not mine & set(SHOWN_ID.findall(answer.text)), route.path
    assert controls >= 10, "the same questions tell those who may know"


@pytest.mark.parametrize("subject", ["accounts", "users", "organizations"])
async def test_reports_count_and_show_what_one_sees(subject, client, outsider, insider):
    body = {"columns": ["externalId", "name"], "count": True}
    answers = [await client.post(f"{API}/reports/{subject}", json=body)]
    answers += [await one.post(f"{API}/reports/{subject}", json=body) for one in (outsider, insider)]

    everything, theirs, mine = (answer.json() for answer in answers)
    kept = [row for row in everything["data"] if MARK not in str(row)]
    assert len(theirs["data"]) < len(everything["data"])
    assert theirs["data"] == kept
    assert theirs["count"] == len(theirs["data"])
    assert mine["data"] == everything["data"]


async def test_an_outsider_can_change_nothing_of_it(outsider, client):
    member = (await client.post(f"{API}/members", json={"email": "m@example.com", "name": "M"})).json()["id"]
    tries = [
        await outsider.put(f"{API}/accounts/{MARK}-acme/key-roles/csm", json={"member": member}),
        await outsider.put(f"{API}/accounts/{MARK}-acme/owner", json={"user": "both", "source": "manual"}),
        await outsider.delete(f"{API}/accounts/{MARK}-acme"),
        await outsider.delete(f"{API}/users/{MARK}-acme-user"),
        await outsider.post(f"{API}/users", json={"externalId": "spy", "accounts": [f"{MARK}-acme"]}),
        await outsider.post(f"{API}/users", json={"externalId": f"{MARK}-acme-user", "accounts": ["open"]}),
    ]

    assert [answer.status_code for answer in tries] == [404] * 6
    assert {answer.json()["code"] for answer in tries} == {"unknown_account", "unknown_user"}
    assert (await client.get(f"{API}/users/spy")).status_code == 404
    assert (await client.get(f"{API}/accounts/{MARK}-acme")).json()["owner"]["externalId"] == f"{MARK}-acme-user"


async def test_what_is_derived_does_not_depend_on_who_set_it_off(outsider, client, drain):
    """An account they may see belongs to an organization they may not: it still does when they changed something."""
    await client.put(f"{API}/accounts/open/organization", json={"organizationId": f"{MARK}-org"})
    theirs = (await send(client, "access-groups", {"name": "Theirs"}))["id"]
    for path in (f"members/{outsider.member}", "accounts/open"):
        await client.put(f"{API}/access-groups/{theirs}/{path}")
    await drain()
    member = (await client.post(f"{API}/members", json={"email": "m@example.com", "name": "M"})).json()["id"]

    changed = await outsider.put(f"{API}/accounts/open/key-roles/csm", json={"member": member})

    assert changed.status_code == 200, changed.text
    body = {"columns": ["organization", "csm"], "filter": {"field": "externalId", "op": "is", "value": "open"}}
    (row,) = (await client.post(f"{API}/reports/accounts", json=body)).json()["data"]
    assert (row["organization"], row["csm"]["id"]) == (f"{MARK}-org", member)


async def test_editing_what_one_sees_reaches_what_one_does_not(outsider, client, drain):
    """Somebody of both accounts is renamed: the hidden account they own says so too."""
    await client.put(f"{API}/accounts/{MARK}-acme/owner", json={"user": "both", "source": "manual"})
    rule = {"related": "users", "op": "atLeast", "count": 1, "where": {"field": "name", "op": "is", "value": "Grace"}}
    segment = (await send(client, "segments", {"subject": "accounts", "name": "Graces", "filter": rule}))["id"]
    await drain()

    edits = [
        await outsider.patch(f"{API}/{path}/traits", json={"traits": {"name": "Grace"}})
        for path in ("users/both", "accounts/open", "organizations/open-org")
    ]
    await drain()

    assert [(answer.status_code, answer.json()["traits"]["name"]) for answer in edits] == [(200, "Grace")] * 3
    assert (await client.get(f"{API}/accounts/{MARK}-acme")).json()["owner"]["name"] == "Grace"
    members = {one["externalId"] for one in await found(client, f"segments/{segment}/members")}
    assert members == {"open", f"{MARK}-acme"}


async def test_a_decoy_is_deleted_and_not_whom_it_is_called_after(outsider, client, hidden):
    decoy = (await send(outsider, "users", {"externalId": hidden["user"], "accounts": ["open"]}))["user"]["id"]

    answer = await outsider.delete(f"{API}/users/{hidden['user']}")

    assert answer.status_code == 202, answer.text
    assert (await client.get(f"{API}/users/{MARK}-acme-user")).status_code == 200
    assert (await client.get(f"{API}/users/{decoy}")).status_code == 404


async def test_who_may_not_create_accounts_names_such_as_there_are(client, drain, as_member, outsider):
    leader, names = await as_member("leader"), {}
    for kind in ("accounts", "organizations"):
        names[kind] = (await client.get(f"{API}/{kind}/open{'-org' * (kind != 'accounts')}")).json()["id"]
    tries = [
        await leader.post(f"{API}/users", json={"externalId": "new", kind: [name]})
        for kind, wire_id in names.items()
        for name in (wire_id, "nowhere")
    ]
    await drain()

    codes = [(answer.status_code, answer.json()["code"]) for answer in tries]
    assert codes == [(404, "unknown_account")] * 2 + [(404, "unknown_organization")] * 2
    assert len(await found(client, "accounts")) == 3
    assert len(await found(client, "organizations")) == 2


async def test_the_people_of_a_deleted_account_are_not_seen_because_of_it(client, outsider, drain):
    assert (await client.delete(f"{API}/accounts/{MARK}-acme")).status_code == 202
    await drain()

    assert (await client.get(f"{API}/users/{MARK}-acme-user")).status_code == 200
    assert (await outsider.get(f"{API}/users/{MARK}-acme-user")).status_code == 404


async def test_nobody_makes_a_user_whom_they_would_not_see(outsider, client):
    lone = await outsider.post(f"{API}/users", json={"externalId": "lone"})
    for more in ({"accounts": ["open"]}, {"organizations": ["open-org"]}):
        name = f"of-{next(iter(more))}"
        assert (await outsider.post(f"{API}/users", json={"externalId": name, **more})).status_code == 200
        assert (await outsider.post(f"{API}/users", json={"externalId": name, "traits": {}})).status_code == 200
        assert (await outsider.get(f"{API}/users/{name}")).status_code == 200

    assert (lone.status_code, lone.json()["code"]) == (422, "needs_account")
    assert (await client.get(f"{API}/users/lone")).status_code == 404


async def test_an_error_on_the_other_side_of_the_veil_does_not_leave_it_open(world, database, workspace):
    async def seen(db):
        return await db.scalar(sa.text("select count(*) from accounts"))

    async def look(db, wrong=None):
        async with unveiled(db):
            assert await seen(db) == 3
            if wrong is not None:
                await db.execute(sa.text(wrong))
                raise LookupError

    async def look_within(db, wrong):
        async with db.begin_nested():
            await look(db, wrong)

    async with database.transaction(workspace, groups=()) as db:
        with pytest.raises(LookupError):
            await look(db, "select 1")
        assert await seen(db) == 1
        for wrong, error in (("select 1", LookupError), ("select 1 / 0", DBAPIError)):
            with pytest.raises(error):
                await look_within(db, wrong)
            assert await seen(db) == 1
        await look(db)  # it can be lifted again
        assert await seen(db) == 1


async def test_admins_and_keys_see_everything(client, world, as_member, make_client, workspace):
    for one in (client, await as_member("admin"), await make_client(workspace, "read")):
        assert {row["externalId"] for row in await found(one, "accounts")} == {f"{MARK}-acme", f"{MARK}-child", "open"}


async def test_an_account_that_moves_into_a_restricted_organization_is_hidden(client, outsider, drain):
    await client.put(f"{API}/accounts/open/organization", json={"organizationId": f"{MARK}-org"})
    await drain()
    gone = await found(outsider, "accounts")
    await client.put(f"{API}/accounts/open/organization", json={"organizationId": None})
    await drain()

    assert gone == []
    assert [one["externalId"] for one in await found(outsider, "accounts")] == ["open"]


async def test_a_new_account_is_not_seen_before_it_is_known_whose_it_is(client, outsider, drain):
    body = {"externalId": f"{MARK}-new", "traits": {}}
    await send(client, "accounts", body)
    await client.put(f"{API}/accounts/{MARK}-new/organization", json={"organizationId": f"{MARK}-org"})
    early = await found(outsider, "accounts")
    await drain()

    assert [one["externalId"] for one in early] == ["open"]
    assert [one["externalId"] for one in await found(outsider, "accounts")] == ["open"]


async def test_without_the_group_everyone_sees_it_again(client, world, outsider, drain):
    assert (await client.delete(f"{API}/access-groups/{world}")).status_code == 204
    await drain()

    assert len(await found(outsider, "accounts")) == 3
    assert len(await found(outsider, "organizations")) == 2


async def test_what_a_group_has_is_listed(client, world, insider):
    shown = (await client.get(f"{API}/access-groups/{world}")).json()
    listed = {
        kind: [one["id"] for one in await found(client, f"access-groups/{world}/{kind}")]
        for kind in ("members", "accounts", "organizations")
    }

    assert (shown["members"], shown["accounts"], shown["organizations"]) == (1, 1, 1)
    assert listed["members"] == [insider.member]
    assert [one[:4] for kind in ("accounts", "organizations") for one in listed[kind]] == ["acc_", "org_"]


async def test_a_group_has_a_name_of_its_own(client, world):
    twice = await client.post(f"{API}/access-groups", json={"name": "public SECTOR"})
    other = (await send(client, "access-groups", {"name": "Banks"}))["id"]
    taken = await client.patch(f"{API}/access-groups/{other}", json={"name": "Public Sector"})
    same = await client.patch(f"{API}/access-groups/{other}", json={"name": "BANKS"})

    assert (twice.status_code, twice.json()["code"]) == (409, "group_name_taken")
    assert (taken.status_code, same.status_code, same.json()["name"]) == (409, 200, "BANKS")


@pytest.mark.parametrize("subject", list(Subject))
async def test_the_condition_says_what_the_veil_does(subject, world, database, workspace, insider):
    """Reports and bulk edits ask with the condition; the database hides rows by itself: they mean the same."""
    from datetime import UTC, datetime

    from app.db import reports as _  # noqa: F401 - the compiler needs its tables
    from app.db.verdicts import ask

    tables = {Subject.ACCOUNTS: "accounts", Subject.USERS: "users", Subject.ORGANIZATIONS: "organizations"}
    group = ids.read("grp", world)
    for groups in (frozenset(), frozenset({group})):
        caller = Caller(
            workspace, None, role=MemberRole.OBSERVER, groups=groups, grouped=True, session_id=group, member_id=group
        )
        tree = access.visible(caller, subject)
        async with database.transaction(workspace, groups=groups) as db:
            behind = set(await db.scalars(sa.text(f"select id from {tables[subject]}")))
        async with database.transaction(workspace) as db:
            everything = list(await db.scalars(sa.text(f"select id from {tables[subject]}")))
            verdicts = await ask(db, workspace, subject, everything, [tree], datetime.now(UTC))
        holding = {one.record_id for one in verdicts if one.holding}
        assert behind == holding or (subject is Subject.USERS and holding < behind)  # direct links: the veil alone


VEILS = """
select c.relname, exists (
        select from pg_policy p where p.polrelid = c.oid and p.polname = 'veil' and not p.polpermissive) as veiled
from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
where c.relkind in ('r', 'p') and not c.relispartition and exists (
    select from pg_attribute a where a.attrelid = c.oid and not a.attisdropped
        and a.attname in ('account_id', 'user_id', 'organization_id', 'record_id'))
order by 1
"""
UNVEILED = {
    "account_changes": "ids for the copies in memory, which no route shows",
    "bulk_edit_rows": "those of an edit are what its maker saw",
    "dirty_accounts": "ids that wait for evaluation; what is shown of them is joined with accounts",
    "dirty_records": "ids that wait for evaluation",
    "affiliations": "who belongs where: the veil of users is made of it",
    "group_parents": "which organizations are restricted, for those who manage the team",
    "memberships": "who belongs where: the veil of users is made of it",
    "mrr_changes": "history of accounts, which is read beside the account itself",
}


async def test_every_table_about_records_has_its_veil(database):
    async with database.engine.connect() as connection:
        tables = (await connection.execute(sa.text(VEILS))).all()

    bare = {table.relname for table in tables if not table.veiled}
    assert bare == UNVEILED.keys()


async def test_the_veiled_role_cannot_step_over_walls(database):
    query = sa.text("select rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname = :role")
    async with database.engine.connect() as connection:
        assert tuple((await connection.execute(query, {"role": MEMBER_ROLE})).one()) == (False, False, False)


class TestWhoeverDefines:
    """Rules and definitions bear on everything; what their author is told of it is what they would see anyway."""

    async def test_is_told_how_many_of_those_they_see_are_in_a_segment(self, client, drain, outsider):
        hidden_one = {"field": "externalId", "op": "is", "value": f"{MARK}-acme"}
        probe = (await send(outsider, "segments", {"subject": "accounts", "name": "S", "filter": hidden_one}))["id"]
        await drain()

        renamed = await outsider.patch(f"{API}/segments/{probe}", json={"name": "T"})

        assert (renamed.status_code, renamed.json()["members"]) == (200, 0)
        assert (await client.patch(f"{API}/segments/{probe}", json={"name": "U"})).json()["members"] == 1

    async def test_is_told_what_the_records_they_see_say_of_a_trait(self, client, outsider):
        for name, tier in ((f"{MARK}-acme", "gold"), (f"{MARK}-child", "7"), ("open", "8")):
            await client.patch(f"{API}/accounts/{name}/traits", json={"traits": {"tier": tier}})
        tier = {"label": "Tier", "type": "number"}

        answer = await outsider.put(f"{API}/traits/accounts/tier", json=tier)
        seen = (await outsider.get(f"{API}/traits/accounts/tier")).json()

        assert answer.status_code == 200, answer.text
        assert answer.json() == seen
        assert answer.json()["seen"]["records"] == 1
        assert (await client.put(f"{API}/traits/accounts/tier", json=tier)).json()["seen"]["records"] == 3
