"""Members sign in, in programs and in browsers, and out again; invitations, seats and the last admin."""

import asyncio
import time
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa

from app.api import hashing
from app.domain import ids
from app.domain.team import ALLOWED, MemberRole, Permission
from app.services import members

PASSWORD = "seven green umbrellas"
API = "/api/v1"


@pytest.fixture
async def nobody(app):
    """A client that has neither key nor session."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://steward.test") as client:
        yield client


@pytest.fixture
async def slug(client):
    return (await client.get(f"{API}/workspace")).json()["slug"]


@pytest.fixture
def email(workspace):
    return f"Dana.{workspace.hex[-12:]}@Example.com"


@pytest.fixture
def invite(client):
    async def call(email, role="team_member"):
        return await client.post(f"{API}/invitations", json={"email": email, "role": role})

    return call


@pytest.fixture
def join(nobody, invite):
    """Invites somebody, who accepts: what they are answered."""

    async def call(email, role="team_member", **more):
        made = await invite(email, role)
        assert made.status_code == 201, made.text
        body = {"token": made.json()["token"], "name": "Dana Reyes", "password": PASSWORD, **more}
        answer = await nobody.post(f"{API}/invitations/accept", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return call


@pytest.fixture
def sign_in(nobody):
    async def call(email, password=PASSWORD, **more):
        return await nobody.post(f"{API}/sessions", json={"email": email, "password": password, **more})

    return call


def bearer(token):
    return {"authorization": f"Bearer {token}"}


async def me(nobody, token):
    return await nobody.get(f"{API}/me", headers=bearer(token))


async def test_who_is_invited_chooses_a_password_and_is_signed_in(nobody, invite, join, email, slug):
    entered = await join(email, "leader")
    who = (await me(nobody, entered["token"])).json()

    assert entered["workspace"]["slug"] == slug
    assert entered["member"] | {"role": "leader", "status": "active", "signsIn": True} == entered["member"]
    assert who["key"] is None
    assert who["member"]["name"] == "Dana Reyes"
    assert set(who["permissions"]) == {str(one) for one in Permission if MemberRole.LEADER in ALLOWED[one].roles}


async def test_a_member_signs_in_with_their_address_in_any_case(nobody, join, sign_in, email):
    await join(email)

    answer = await sign_in(email.upper())

    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert (await me(nobody, answer.json()["token"])).status_code == 200


async def test_wrong_passwords_and_unknown_people_are_answered_alike(join, sign_in, email):
    await join(email)

    wrong, unknown = await sign_in(email, "not my password"), await sign_in(f"x{email}")
    elsewhere = await sign_in(email, workspace="no-such-workspace")

    bodies = [{**answer.json(), "requestId": ""} for answer in (wrong, unknown, elsewhere)]
    assert [answer.status_code for answer in (wrong, unknown, elsewhere)] == [401, 401, 401]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["code"] == "wrong_credentials"


async def test_attempts_are_slowed_but_nobody_is_locked_out_for_long(app, sign_in, email, monkeypatch):
    clock = [time.monotonic()]  # the attempts of all tests are counted by one limiter
    monkeypatch.setattr(app.state.steward.limiter, "_clock", lambda: clock[0])

    answers = [await sign_in(email) for _ in range(12)]
    clock[0] += 11
    later = await sign_in(email)

    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    assert answers[-1].json()["code"] == "too_many_attempts"
    assert int(answers[-1].headers["retry-after"]) <= 10
    assert later.status_code == 401


async def test_who_is_in_two_workspaces_says_which(make_client, other_workspace, join, nobody, sign_in, slug, email):
    await join(email)
    theirs = await make_client(other_workspace)
    made = (await theirs.post(f"{API}/invitations", json={"email": email})).json()
    body = {"token": made["token"], "name": "Dana", "password": PASSWORD}
    await nobody.post(f"{API}/invitations/accept", json=body)

    unsaid, said = await sign_in(email), await sign_in(email, workspace=slug)

    assert (unsaid.status_code, unsaid.json()["code"]) == (409, "several_workspaces")
    assert slug in unsaid.json()["context"]["workspaces"]
    assert said.json()["workspace"]["slug"] == slug


@pytest.mark.parametrize("password", ["short", "password123", "aaaaaaaaaaaaaa", "1234567890"])
async def test_a_password_anybody_would_guess_is_refused(nobody, invite, email, password):
    made = (await invite(email)).json()

    answer = await nobody.post(
        f"{API}/invitations/accept", json={"token": made["token"], "name": "Dana", "password": password}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")


async def test_an_invitation_works_once_and_not_for_ever(nobody, client, invite, email, clock, now):
    made = (await invite(email)).json()
    body = {"token": made["token"], "name": "Dana", "password": PASSWORD}
    clock.at = now + timedelta(days=8)
    late = await nobody.post(f"{API}/invitations/accept", json=body)
    expired = (await client.get(f"{API}/invitations/{made['id']}")).json()["status"]
    again = (await client.post(f"{API}/invitations/{made['id']}/resend")).json()
    old = await nobody.post(f"{API}/invitations/accept", json=body)
    good = await nobody.post(f"{API}/invitations/accept", json={**body, "token": again["token"]})
    twice = await nobody.post(f"{API}/invitations/accept", json={**body, "token": again["token"]})
    resent = await client.post(f"{API}/invitations/{made['id']}/resend")

    assert expired == "expired"
    assert [answer.status_code for answer in (late, old, good, twice)] == [404, 404, 201, 404]
    assert (resent.status_code, resent.json()["code"]) == (409, "invitation_over")


async def test_a_revoked_invitation_opens_nothing(nobody, client, invite, email):
    made = (await invite(email)).json()

    gone = [(await client.post(f"{API}/invitations/{made['id']}/revoke")).json()["status"] for _ in range(2)]
    body = {"token": made["token"], "name": "Dana", "password": PASSWORD}

    assert gone == ["revoked", "revoked"]
    assert (await nobody.post(f"{API}/invitations/accept", json=body)).status_code == 404


async def test_no_secret_of_a_person_is_stored(database, workspace, join, invite, email):
    entered = await join(email)
    made = (await invite(f"x{email}")).json()
    async with database.transaction(workspace) as db:
        kept = []
        for table in ("members", "member_sessions", "invitations", "member_lookups", "audit_entries"):
            found = await db.execute(
                sa.text(f"select t::text from {table} t where workspace_id = :w"), {"w": workspace}
            )
            kept += found.scalars().all()

    assert len(kept) > 5
    for secret in (PASSWORD, entered["token"], made["token"]):
        assert not [row for row in kept if secret in row]


async def test_sessions_are_listed_and_ended_one_by_one(nobody, join, sign_in, email):
    first = await join(email)
    second = (await sign_in(email)).json()
    listed = (await nobody.get(f"{API}/sessions", headers=bearer(second["token"]))).json()["data"]

    ended = await nobody.delete(f"{API}/sessions/{first['id']}", headers=bearer(second["token"]))
    out = await nobody.delete(f"{API}/sessions/current", headers=bearer(second["token"]))

    assert [(one["id"], one["current"]) for one in listed] == [(second["id"], True), (first["id"], False)]
    assert (ended.status_code, out.status_code) == (204, 204)
    for token in (first["token"], second["token"]):
        answer = await me(nobody, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_session")


async def test_another_password_ends_the_other_sessions(nobody, join, sign_in, email):
    first = await join(email)
    second = (await sign_in(email)).json()
    change = {"current": PASSWORD, "new": "eight blue umbrellas"}

    wrong = await nobody.put(
        f"{API}/me/password", json={**change, "current": "nonsense"}, headers=bearer(first["token"])
    )
    done = await nobody.put(f"{API}/me/password", json=change, headers=bearer(first["token"]))

    assert (wrong.status_code, done.status_code) == (401, 204)
    assert (await me(nobody, first["token"])).status_code == 200
    assert (await me(nobody, second["token"])).status_code == 401
    assert (await sign_in(email)).status_code == 401
    assert (await sign_in(email, "eight blue umbrellas")).status_code == 201


async def test_who_leaves_is_signed_out_and_cannot_come_back_by_themselves(nobody, client, join, sign_in, email):
    entered = await join(email)

    await client.delete(f"{API}/members/{entered['member']['id']}")

    assert (await me(nobody, entered["token"])).status_code == 401
    assert (await sign_in(email)).status_code == 401
    shown = (await client.get(f"{API}/members/{entered['member']['id']}")).json()
    assert (shown["status"], shown["signsIn"]) == ("deactivated", False)


class TestWhileAPasswordIsChecked:
    """Checking takes long, and what was true when it began need not be true when it ends."""

    @pytest.fixture
    def slowly(self, monkeypatch):
        """Begins a request, and lets it go on from its check of a password only when told so."""
        check, checked, go_on = hashing.fits, asyncio.Event(), asyncio.Event()

        async def fits(password, stored):
            fitting, first = await check(password, stored), not checked.is_set()
            checked.set()
            if first:
                await go_on.wait()
            return fitting

        async def begin(request):
            under_way = asyncio.create_task(request)
            await checked.wait()

            async def end():
                go_on.set()
                return await under_way

            return end

        monkeypatch.setattr(hashing, "fits", fits)
        return begin

    async def test_it_is_changed_and_the_old_one_opens_nothing(self, nobody, join, sign_in, slowly, email):
        entered = await join(email)
        change = {"current": PASSWORD, "new": "eight blue umbrellas"}

        end = await slowly(sign_in(email))
        changed = await nobody.put(f"{API}/me/password", json=change, headers=bearer(entered["token"]))
        late = await end()

        assert changed.status_code == 204
        assert (late.status_code, late.json()["code"]) == (401, "wrong_credentials")
        assert len((await nobody.get(f"{API}/sessions", headers=bearer(entered["token"]))).json()["data"]) == 1

    async def test_the_member_leaves_and_is_not_signed_in(self, client, join, sign_in, slowly, email):
        entered = await join(email)

        end = await slowly(sign_in(email))
        await client.delete(f"{API}/members/{entered['member']['id']}")
        late = await end()

        assert (late.status_code, late.json()["code"]) == (401, "wrong_credentials")

    async def test_the_member_leaves_and_gets_no_other_one(self, nobody, client, join, invite, slowly, email):
        entered = await join(email)
        change = {"current": PASSWORD, "new": "eight blue umbrellas"}

        end = await slowly(nobody.put(f"{API}/me/password", json=change, headers=bearer(entered["token"])))
        await client.delete(f"{API}/members/{entered['member']['id']}")
        late = await end()
        shown = (await client.get(f"{API}/members/{entered['member']['id']}")).json()

        assert (late.status_code, late.json()["code"]) == (401, "wrong_credentials")
        assert (shown["status"], shown["signsIn"]) == ("deactivated", False)
        assert (await invite(email)).status_code == 201

    async def test_of_two_who_change_it_one_is_told_to_look_again(self, nobody, join, sign_in, slowly, email):
        entered = await join(email)
        one = {"current": PASSWORD, "new": "eight blue umbrellas"}
        other = {"current": PASSWORD, "new": "nine black umbrellas"}

        end = await slowly(nobody.put(f"{API}/me/password", json=one, headers=bearer(entered["token"])))
        first = await nobody.put(f"{API}/me/password", json=other, headers=bearer(entered["token"]))
        late = await end()

        assert (first.status_code, late.status_code) == (204, 401)
        assert (await sign_in(email, "nine black umbrellas")).status_code == 201


async def test_who_left_can_be_invited_again_and_has_no_password_until_they_accept(
    database, workspace, client, join, invite, sign_in, email
):
    member = (await join(email))["member"]["id"]
    await client.delete(f"{API}/members/{member}")
    async with database.transaction(workspace) as db:  # as a change of password left it that was overtaken
        left = sa.text("update members set password_hash = 'old' where workspace_id = :w and id = :m")
        await db.execute(left, {"w": workspace, "m": ids.read("mem", member)})

    invited = await invite(email)
    shown = (await client.get(f"{API}/members/{member}")).json()

    assert invited.status_code == 201, invited.text
    assert (shown["status"], shown["signsIn"]) == ("invited", False)


async def test_another_address_is_signed_in_with(client, join, sign_in, email):
    entered = await join(email)
    await client.patch(f"{API}/members/{entered['member']['id']}", json={"email": f"new-{email}"})

    assert (await sign_in(email)).status_code == 401
    assert (await sign_in(f"new-{email}")).status_code == 201


async def test_a_session_ends_when_idle_and_in_any_case_some_day(nobody, app, join, email, clock, now):
    entered = await join(email)
    days = []
    for day in range(1, 40):
        clock.at = now + timedelta(days=day)
        app.state.steward.callers.forget()
        app.state.steward.usage._written.clear()
        days.append((await me(nobody, entered["token"])).status_code)
        await app.state.steward.usage.settle()
    other = await nobody.get(f"{API}/me", headers=bearer(entered["token"]))

    assert days[:29] == [200] * 29
    assert days[30:] == [401] * 9
    assert other.status_code == 401


async def test_an_idle_session_ends(nobody, app, join, email, clock, now):
    entered = await join(email)
    clock.at = now + timedelta(days=7, minutes=1)
    app.state.steward.callers.forget()

    assert (await me(nobody, entered["token"])).status_code == 401


class TestInABrowser:
    @pytest.fixture
    async def browser(self, nobody, join, sign_in, email):
        await join(email, "admin")
        answer = await sign_in(email, cookie=True)
        assert answer.json()["token"] is None
        self.cookie = answer.headers["set-cookie"]
        return nobody

    async def test_the_secret_is_where_no_script_finds_it(self, browser):
        assert "HttpOnly" in self.cookie
        assert "SameSite=Lax" in self.cookie
        assert "Path=/api" in self.cookie
        assert (await browser.get(f"{API}/me")).json()["member"]["role"] == "admin"

    async def test_over_https_it_is_never_sent_in_the_clear(self, app, join, email):
        await join(email)
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://steward.test") as client:
            answer = await client.post(f"{API}/sessions", json={"email": email, "password": PASSWORD, "cookie": True})
        assert answer.headers["set-cookie"].endswith("; Secure")

    async def test_a_page_of_another_site_changes_nothing(self, browser):
        member = {"email": "mallory@example.com", "name": "Mallory"}

        forged = await browser.post(f"{API}/members", json=member)
        meant = await browser.post(f"{API}/members", json=member, headers={"steward-client": "web"})

        assert (forged.status_code, forged.json()["code"]) == (403, "missing_client_header")
        assert meant.status_code == 201

    async def test_signing_out_takes_the_cookie_away(self, browser):
        await browser.delete(f"{API}/sessions/current", headers={"steward-client": "web"})

        assert (await browser.get(f"{API}/me")).json()["code"] == "missing_api_key"

    async def test_the_cookie_is_no_key_for_other_surfaces(self, browser):
        answer = await browser.post("/v1/track", json={}, headers={"steward-client": "web"})

        assert answer.status_code == 401


class TestSeats:
    @pytest.fixture(autouse=True)
    async def two(self, client):
        assert (await client.patch(f"{API}/workspace", json={"seats": 2})).json()["seats"] == 2

    async def test_seats_are_for_those_who_sign_in_and_observers_need_none(self, client, invite, email):
        staff = await client.post(f"{API}/members", json={"email": "staff@example.com", "name": "Staff"})
        taken = [(await invite(f"{n}{email}")).status_code for n in range(2)]
        over = await invite(f"2{email}")
        observer = await invite(f"3{email}", "observer")

        assert (staff.status_code, taken, observer.status_code) == (201, [201, 201], 201)
        assert (over.status_code, over.json()["code"]) == (409, "no_seat_left")

    async def test_an_observer_is_promoted_only_into_a_seat(self, client, invite, email):
        seated = [(await invite(f"{n}{email}")).json() for n in range(2)]
        observer = (await invite(f"3{email}", "observer")).json()["member"]

        full = await client.patch(f"{API}/members/{observer}", json={"role": "leader"})
        await client.delete(f"{API}/members/{seated[0]['member']}")
        free = await client.patch(f"{API}/members/{observer}", json={"role": "leader"})

        assert (full.status_code, full.json()["code"]) == (409, "no_seat_left")
        assert (free.status_code, free.json()["role"]) == (200, "leader")

    async def test_the_last_seat_is_given_once(self, invite, email):
        answers = await asyncio.gather(*(invite(f"{n}{email}") for n in range(6)))

        assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]


async def test_the_last_admin_stays(client, join, email):
    first = (await join(email, "admin"))["member"]["id"]

    demoted = await client.patch(f"{API}/members/{first}", json={"role": "leader"})
    removed = await client.delete(f"{API}/members/{first}")
    second = (await join(f"x{email}", "admin"))["member"]["id"]
    both = await asyncio.gather(
        *(client.patch(f"{API}/members/{one}", json={"role": "leader"}) for one in (first, second))
    )

    assert (demoted.status_code, demoted.json()["code"]) == (409, "last_admin")
    assert (removed.status_code, removed.json()["code"]) == (409, "last_admin")
    assert sorted(answer.status_code for answer in both) == [200, 409]


async def test_who_is_made_the_last_admin_meanwhile_stays_one(database, workspace, client, join, email):
    admin = (await join(email, "admin"))["member"]["id"]
    leader = (await join(f"x{email}", "leader"))["member"]["id"]

    async with database.transaction(workspace) as db:
        await members.change(db, workspace, leader, email=None, name=None, role=MemberRole.ADMIN)
        demoting = asyncio.create_task(client.patch(f"{API}/members/{leader}", json={"role": "observer"}))
        await asyncio.sleep(0.3)  # it waits for its turn
        await members.change(db, workspace, admin, email=None, name=None, role=MemberRole.LEADER)
    demoted = await demoting

    assert (demoted.status_code, demoted.json()["code"]) == (409, "last_admin")


async def test_another_role_counts_at_once(client, as_member):
    member = await as_member("observer")
    body = {"email": "new@example.com", "name": "New"}

    before = await member.post(f"{API}/members", json=body)
    await client.patch(f"{API}/members/{member.member}", json={"role": "admin"})
    after = await member.post(f"{API}/members", json=body)

    assert (before.status_code, before.json()["code"]) == (403, "not_permitted")
    assert before.json()["context"] == {"permission": "manage_team", "role": "observer", "roles": ["admin"]}
    assert after.status_code == 201


async def test_a_body_that_is_too_large_for_the_entrance_is_refused(nobody):
    answer = await nobody.post(f"{API}/sessions", json={"email": "a@b.test", "password": "x" * 20_000})

    assert answer.status_code == 413
