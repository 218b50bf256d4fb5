"""Scores kept up to date step by step are those that plain Python reckons from who belongs where and said what."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.db import responses
from app.domain.erasures import Suppressed
from app.domain.fields import Subject
from app.domain.ids import new_id
from app.domain.memory import Memory
from app.domain.messages import (
    AccountMessage,
    Envelope,
    OrganizationMessage,
    ParentMessage,
    ResponseMessage,
    UnlinkMessage,
    UserMessage,
)
from app.domain.nps import Answer, Tally
from app.domain.surveys import ResponseTaken
from app.services import erasures, evaluation, ingest, nps, records
from app.services.nps import New
from app.services.users import UnknownUser
from tests.conftest import open_workspace

START = datetime(2026, 6, 1, tzinfo=UTC)
KEY = b"a key of suppressions"
USERS, ACCOUNTS, GROUPS = ("ada", "bob", "cy"), ("acme", "globex"), ("group", "other")
FIGURES = "nps, nps_responses, nps_promoters, nps_passives, nps_detractors, nps_last_at"

a_user, an_account, a_group = st.sampled_from(USERS), st.sampled_from(ACCOUNTS), st.sampled_from(GROUPS)
moments = st.integers(0, 5).map(lambda n: START - timedelta(days=n))  # few, so that ties happen
scores = st.integers(0, 10)
names = st.none() | st.sampled_from(["x", "y"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("respond"), a_user, scores, moments, names),
        st.tuples(st.just("respond"), a_user, scores, moments, names),
        st.tuples(st.just("import"), st.lists(st.tuples(a_user, scores, moments, names), min_size=1, max_size=4)),
        st.tuples(st.just("retract"), st.integers(0, 9)),
        st.tuples(st.just("correct"), st.integers(0, 9), scores, moments),
        st.tuples(st.just("link"), a_user, an_account),
        st.tuples(st.just("link"), a_user, an_account),
        st.tuples(st.just("unlink"), a_user, an_account),
        st.tuples(st.just("affiliate"), a_user, a_group),
        st.tuples(st.just("parent"), an_account, st.none() | a_group),
        st.tuples(st.just("erase"), a_user),
        st.tuples(st.just("catch up")),
    ),
    max_size=16,
)


class World:
    """A workspace, and what is done to it."""

    def __init__(self, database, workspace_id):
        self.database, self.workspace_id = database, workspace_id
        self.now = START

    def transaction(self):
        return self.database.transaction(self.workspace_id)

    async def tell(self, *messages):
        async with self.transaction() as db:
            for message in messages:
                told = Envelope((message,), new_id().hex, 0)
                await ingest.record(db, self.workspace_id, [told], Memory(KEY), now=self.now)

    async def respond(self, user, score, at, name):
        try:
            async with self.transaction() as db:
                new = New("api", score, None, {}, at, name)
                await nps.record(db, self.workspace_id, user, None, new, Memory(KEY), now=self.now)
        except (ResponseTaken, Suppressed):
            return

    async def bring_in(self, rows):
        told = [
            Envelope((ResponseMessage(at, user, (), {}, (), score, None, name),), new_id().hex, 0)
            for user, score, at, name in rows
        ]
        async with self.transaction() as db:
            await nps.record_many(db, self.workspace_id, told, Memory(KEY), now=self.now)

    async def _some(self, db, number):
        found = await responses.page(db, self.workspace_id, responses.Asked(), before=None, limit=50)
        return found[number % len(found)] if found else None

    async def retract(self, number):
        async with self.transaction() as db:
            if (row := await self._some(db, number)) is not None:
                await nps.remove(db, self.workspace_id, row)

    async def correct(self, number, score, at):
        async with self.transaction() as db:
            if (row := await self._some(db, number)) is not None:
                wanted = {"score": score, "responded_at": at}
                await nps.change(db, self.workspace_id, row["id"], wanted, now=self.now)

    async def erase(self, user):
        try:
            async with self.transaction() as db:
                await erasures.start(db, self.workspace_id, "user", user, key=KEY, now=self.now)
        except UnknownUser:
            return

    async def do(self, step):
        self.now += timedelta(seconds=1)
        match step:
            case ("respond", *rest):
                await self.respond(*rest)
            case ("import", rows):
                await self.bring_in(rows)
            case ("retract", number):
                await self.retract(number)
            case ("correct", *rest):
                await self.correct(*rest)
            case ("link", user, account):
                await self.tell(UserMessage(self.now, user, (account,), {}))
            case ("unlink", user, account):
                await self.tell(UnlinkMessage(self.now, account, user))
            case ("affiliate", user, group):
                await self.tell(UserMessage(self.now, user, (), {}, (group,)))
            case ("parent", account, group):
                await self.tell(ParentMessage(self.now, account, group))
            case ("erase", user):
                await self.erase(user)
            case _:
                await self.catch_up()

    async def catch_up(self):
        """What workers do until nothing is due."""
        while True:
            async with self.transaction() as db:
                accounts = set(await db.scalars(text("delete from dirty_accounts returning account_id")))
                others = (await db.execute(text("delete from dirty_records returning subject, record_id"))).all()
                await evaluation.evaluate(db, self.workspace_id, sorted(accounts), now=self.now)
                for subject in (Subject.USERS, Subject.ORGANIZATIONS):
                    theirs = sorted({one for name, one in others if name == subject})
                    await records.evaluate(db, self.workspace_id, subject, theirs, now=self.now)
            if not accounts and not others:
                return

    async def rows(self, query):
        async with self.transaction() as db:
            return [tuple(row) for row in await db.execute(text(query))]

    async def stored(self):
        found = {
            ("account", row[0]): row[1:] for row in await self.rows(f"select account_id, {FIGURES} from account_facts")
        }
        found |= {
            ("organization", row[0]): row[1:]
            for row in await self.rows(f"select organization_id, {FIGURES} from organization_facts")
        }
        people = await self.rows("select user_id, nps_score, nps_group, nps_responded_at from user_facts")
        return found | {("user", row[0]): row[1:] for row in people if row[1] is not None}

    async def reckoned(self):
        """The same, by the meaning of it."""
        said = "select user_id, score, responded_at, id from survey_responses where score is not null"
        answers = [Answer(*row) for row in await self.rows(said)]
        linked = await self.rows("select account_id, user_id from memberships where linked")
        parents = dict(await self.rows("select account_id, organization_id from account_parents"))
        direct = await self.rows("select organization_id, user_id from affiliations")
        found = {}
        for (account,) in await self.rows("select account_id from account_facts"):
            found["account", account] = figures(answers, {user for a, user in linked if a == account})
        for (organization,) in await self.rows("select organization_id from organization_facts"):
            people = {user for a, user in linked if parents.get(a) == organization}
            people |= {user for o, user in direct if o == organization}
            found["organization", organization] = figures(answers, people)
        for user in {one.user for one in answers}:
            latest = max((one for one in answers if one.user == user), key=lambda one: (one.responded_at, one.id))
            kind = "promoter" if latest.score > 8 else "passive" if latest.score > 6 else "detractor"
            found["user", user] = (latest.score, kind, latest.responded_at)
        return found


def figures(answers, people: set[UUID]):
    found = Tally.of(one for one in answers if one.user in people)
    counts = (found.responses, found.promoters, found.passives, found.detractors)
    return (found.score, *counts, found.last_at)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(told=steps)
async def test_scores_are_what_the_answers_come_to(database, told):
    world = World(database, await open_workspace(database))
    await world.tell(*(AccountMessage(START, name, {}) for name in ACCOUNTS))
    await world.tell(*(OrganizationMessage(START, name, {}) for name in GROUPS))
    for step in told:
        await world.do(step)
    await world.catch_up()

    stored = await world.stored()
    assert stored == await world.reckoned()
    assert not any(row for row in await world.rows("select * from dirty_accounts"))


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(told=st.lists(st.tuples(a_user, scores, moments, names), min_size=1, max_size=8), data=st.data())
async def test_responses_leave_the_same_scores_in_any_order_and_any_parts(database, told, data):
    mixed = data.draw(st.permutations(told))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(told)), max_size=3)))
    states = []
    for order, parts in ((told, []), (mixed, cuts)):
        world = World(database, await open_workspace(database))
        # An external id is one user's: whose it becomes is a matter of order, so it is named after the user here.
        rows = [(user, score, at, name and f"{user}-{name}-{score}-{at:%d}") for user, score, at, name in order]
        edges = [0, *parts, len(rows)]
        for begin, end in pairwise(edges):
            if begin < end:
                await world.bring_in(rows[begin:end])
        await world.catch_up()
        people = (
            "select u.external_id, f.nps_responded_at from user_facts f join users u on u.id = f.user_id order by 1"
        )
        states.append(await world.rows(people))

    assert states[0] == states[1]


async def test_an_answer_and_a_link_that_do_not_see_each_other_meet_in_the_end(database):
    world = World(database, await open_workspace(database))
    await world.tell(AccountMessage(START, "acme", {}), UserMessage(START, "ada", (), {}))
    await world.catch_up()
    async with world.transaction() as answering:
        new = New("api", 10, None, {}, START, None)
        await nps.record(answering, world.workspace_id, "ada", None, new, Memory(KEY), now=world.now)
        await world.do(("link", "ada", "acme"))  # committed first, and evaluated before the answer is
        await world.catch_up()
        assert [row[1] for row in await world.rows(f"select account_id, {FIGURES} from account_facts")] == [None]
    await world.catch_up()

    assert [row[1] for row in await world.rows(f"select account_id, {FIGURES} from account_facts")] == [100]
    assert await world.stored() == await world.reckoned()
