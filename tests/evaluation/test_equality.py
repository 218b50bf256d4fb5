"""Whatever happens in whatever order, what is kept up to date is what evaluating everything from scratch gives.

Small by default. `STEWARD_EVALUATION_STEPS=10000` generates at least so many steps, and prints how many it were (with
`pytest -s`); `STEWARD_EVALUATION_SHRINK=no` shows the first failure as it is, at once.
"""

import os
import time
from collections import Counter
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.evaluation import definitions
from tests.evaluation.state import (
    REMEMBERED,
    choices,
    counted_wrongly,
    derived,
    differences,
    forget,
    mark_everything,
    put_back,
)
from tests.evaluation.world import START, World

WANTED = int(os.environ.get("STEWARD_EVALUATION_STEPS", "0"))
PHASES = [one for one in Phase if one is not Phase.shrink or os.environ.get("STEWARD_EVALUATION_SHRINK") != "no"]
STEPS = 40
SOME = 6  # examples without the setting

ACCOUNTS = [f"acme-{n}" for n in range(5)]
USERS = [f"user-{n}" for n in range(5)]
ORGANIZATIONS = ["group", "holding"]

an_account, a_user = st.sampled_from(ACCOUNTS), st.sampled_from(USERS)
an_organization = st.sampled_from(ORGANIZATIONS)
perhaps_an_organization = st.one_of(st.none(), an_organization)
ages = st.sampled_from([0, 0, 0, 1, 26, 49, 24 * 6, 24 * 29, 24 * 31])  # hours before now; messages come late
dates = st.sampled_from([-40, -8, -1, 0, 1, 2, 7, 8, 31])  # days from now
events = st.sampled_from(["Login", "Login", "Report Exported", "Invoice Paid", "$message.sent", "$message.received"])

STEPPED = Counter()


def traits(space_at):
    """Traits of every kind; dates lie around the present."""

    def dated(days):
        return (space_at + timedelta(days=days)).date().isoformat()

    return {
        "plan": [None, "free", "team", "pro", "test", 7, True],
        "mrr": [None, 0, 10, 99.5, "100", "much", 1e300, -5],
        "seats": [None, 0, 1, 5, 2**53, "12"],
        "flag": [None, True, False, "true", "no"],
        "ends": [None, "soon", *(dated(days) for days in (-8, -1, 0, 1, 7, 31))],
        "trialEnds": [None, *(dated(days) for days in (-8, 0, 2))],
        "status": [None, "churned", "Trial", "nonsense"],
        "churnedOn": [None, *(dated(days) for days in (-40, -1))],
        "createdAt": [None, dated(-40)],
        "tags": [None, [], ["a"], ["a", 1, None]],
        "vip": [None, True, False],
        "name": [None, "Ada", "Grace"],
        "email": [None, "ada@example.com"],
        "ownerId": [None, *USERS, "nobody-yet"],
        "nested": [None, {"a": {"b": 1}}],
    }


names = list(traits(START))
some_traits = st.dictionaries(st.sampled_from(names), st.integers(0, 7), max_size=4)


class Evaluation(RuleBasedStateMachine):
    """One workspace, and everything that may happen to it."""

    world = None

    def __init__(self):
        super().__init__()
        self.space = self.world.space()
        self.numbers = count()
        self.live = {}
        self.gone = set()
        STEPPED["examples"] += 1

    @initialize(belonging=st.lists(st.tuples(an_account, a_user, perhaps_an_organization), max_size=6))
    def begin(self, belonging):
        """Most of what can happen needs somebody it can happen to."""
        for account, user, organization in belonging:
            self._tell({"type": "account", "accountId": account, "organizationId": organization}, 24 * 10)
            self._tell({"type": "user", "userId": user, "accountId": account}, 24 * 9)

    # --- what is told

    def _traits(self, drawn):
        choices = traits(self.world.at)
        return {name: choices[name][ix % len(choices[name])] for name, ix in drawn.items()}

    def _tell(self, message, age):
        STEPPED["steps"] += 1
        at = self.world.at - timedelta(hours=age, microseconds=next(self.numbers))
        self.space.tell(message | {"timestamp": at.isoformat()})

    @rule(account=an_account, drawn=some_traits, age=ages)
    def tell_of_an_account(self, account, drawn, age):
        self._tell({"type": "account", "accountId": account, "traits": self._traits(drawn)}, age)

    @rule(account=an_account, organization=perhaps_an_organization, age=ages)
    def move_an_account(self, account, organization, age):
        self._tell({"type": "account", "accountId": account, "organizationId": organization}, age)

    @rule(
        user=a_user,
        accounts=st.lists(an_account, max_size=2),
        above=perhaps_an_organization,
        drawn=some_traits,
        age=ages,
    )
    def tell_of_a_user(self, user, accounts, above, drawn, age):
        belongs = {"accountIds": accounts} | ({"organizationId": above} if above else {})
        self._tell({"type": "user", "userId": user, "traits": self._traits(drawn), **belongs}, age)

    @rule(organization=an_organization, drawn=some_traits, age=ages)
    def tell_of_an_organization(self, organization, drawn, age):
        self._tell({"type": "organization", "organizationId": organization, "traits": self._traits(drawn)}, age)

    @rule(
        account=st.one_of(st.none(), an_account),
        user=a_user,
        above=perhaps_an_organization,
        name=events,
        amount=st.integers(0, 3),
        age=ages,
    )
    def happen(self, account, user, above, name, amount, age):
        named = {"accountId": account, "organizationId": above}
        message = {"type": "event", "event": name, "userId": user, "properties": {"amount": amount, "plan": "pro"}}
        self._tell(message | {key: value for key, value in named.items() if value}, age)

    @rule(account=an_account, user=a_user, age=ages)
    def unlink(self, account, user, age):
        self._tell({"type": "unlink", "userId": user, "accountId": account}, age)

    # --- what is decided

    def _ask(self, method, path, body=None, **more):
        STEPPED["steps"] += 1
        return self.space.call(method, path, body, **more)

    @rule(data=st.data(), kind=st.sampled_from(list(definitions.KINDS)))
    def define(self, data, kind):
        one = definitions.KINDS[kind]
        mine = [key for key in self.live if key[0] == kind]
        if mine and (len(mine) >= one.most or data.draw(st.booleans(), label="change")):
            key = data.draw(st.sampled_from(sorted(mine)), label="which")
            body = data.draw(one.bodies, label="body")
            self._ask("PATCH", f"{one.path}/{self.live[key]}", one.changing(body), fine=(*range(200, 205), 409, 422))
            return
        body = data.draw(one.bodies, label="body") | one.named(next(self.numbers))
        made = self._ask("POST", one.path, body, fine=(201, 409, 422))
        if made:
            self.live[kind, made[one.key]] = made[one.key]

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def archive(self, data):
        kind, key = data.draw(st.sampled_from(sorted(self.live)), label="which")
        self._ask("DELETE", f"{definitions.KINDS[kind].path}/{key}", fine=(200, 202, 204, 409))
        del self.live[kind, key]

    @rule(asked=definitions.settings_)
    def set_rules(self, asked):
        self._ask(*asked, fine=(200, 202, 422))

    @rule(account=an_account, user=st.one_of(st.none(), a_user))
    def choose_the_owner(self, account, user):
        self._ask("PUT", f"/accounts/{account}/owner", {"user": user}, fine=(200, 202, 404, 409, 422))

    @rule(account=an_account, status=definitions.statuses)
    def choose_a_status(self, account, status):
        self._ask("PUT", f"/accounts/{account}/status", {"status": status}, fine=(200, 404))

    @rule(organization=an_organization, status=definitions.statuses)
    def choose_the_status_of_an_organization(self, organization, status):
        self._ask("PUT", f"/organizations/{organization}/status", {"status": status}, fine=(200, 404))

    @rule(user=a_user, status=st.sampled_from([None, "active", "deactivated"]))
    def choose_the_status_of_a_user(self, user, status):
        self._ask("PUT", f"/users/{user}/status", {"status": status}, fine=(200, 404))

    @precondition(lambda self: any(kind == "segments" for kind, _ in self.live))
    @rule(
        data=st.data(),
        record=st.one_of(an_account, a_user, an_organization),
        state=st.sampled_from(["included", "excluded", "automatic"]),
    )
    def choose_a_member(self, data, record, state):
        _, key = data.draw(st.sampled_from(sorted(one for one in self.live if one[0] == "segments")), label="which")
        self._ask("PUT", f"/segments/{key}/members/{record}", {"state": state}, fine=(200, 404))

    @rule(answer=definitions.answers(a_user), age=ages)
    def answer(self, answer, age):
        at = self.world.at - timedelta(hours=age, microseconds=next(self.numbers))
        self._ask("POST", "/nps-responses", answer | {"respondedAt": at.isoformat()}, fine=(200, 201, 409, 422))

    @rule(account=an_account)
    def delete_an_account(self, account):
        self._delete("accounts", account, ACCOUNTS[3:])

    @rule(user=a_user)
    def delete_a_user(self, user):
        self._delete("users", user, USERS[3:])

    def _delete(self, kind, ref, ones):
        """Only some, once each: the deleted do not come back."""
        if ref in ones and ref not in self.gone:
            self.gone.add(ref)
            self._ask("DELETE", f"/{kind}/{ref}", fine=(202, 404))

    # --- clock and workers

    @rule(hours=st.sampled_from([1, 5, 24, 24, 24 * 3, 24 * 8, 24 * 32]))
    def wait(self, hours):
        STEPPED["steps"] += 1
        self.space.wait(hours=hours)

    @rule(kind=st.sampled_from(["accounts", "users", "organizations"]))
    def take_one_slice(self, kind):
        STEPPED["steps"] += 1
        self.space.slice(kind)

    @rule()
    def take_a_turn(self):
        STEPPED["steps"] += 1
        self.space.turn()

    @rule(evaluators=st.integers(2, 3))
    def race(self, evaluators):
        STEPPED["steps"] += 1
        self.space.race(evaluators)

    # --- what holds

    @rule(lots=st.integers(0, 7))
    def come_to_rest(self, lots):
        """Comparing takes longer than most of what can happen."""
        STEPPED["steps"] += 1
        if lots < 6:
            self.space.drain()
        elif lots < 7:
            self._compare_again()
        else:
            self._compare_from_scratch()

    def _compare_again(self):
        self.space.drain()
        before = derived(self.space)
        mark_everything(self.space)
        self.space.drain()
        assert differences(before, derived(self.space)) == [], "evaluating everything again changes something"
        assert counted_wrongly(self.space) == [], "daily counts are not what the stored events come to"
        STEPPED["compared"] += 1

    def _compare_from_scratch(self):
        self._compare_again()
        before = derived(self.space, besides=REMEMBERED)
        kept = choices(self.space)
        forget(self.space)
        mark_everything(self.space)
        self.space.drain()
        put_back(self.space, kept)
        mark_everything(self.space)
        self.space.drain()
        after = derived(self.space, besides=REMEMBERED)
        assert differences(before, after) == [], "kept up to date and from scratch are not the same"
        STEPPED["from scratch"] += 1

    def teardown(self):
        try:
            self._compare_from_scratch()
        finally:
            self.space.close()


@pytest.fixture(scope="module")
def world(database_url):
    world = World(database_url)
    yield world
    world.close()


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_kept_up_to_date_is_the_same_as_from_scratch(world, monkeypatch):
    monkeypatch.setattr(Evaluation, "world", world)
    STEPPED.clear()
    began = time.monotonic()
    while True:
        run_state_machine_as_test(
            Evaluation,
            settings=settings(
                max_examples=max(SOME, WANTED // STEPS),
                stateful_step_count=STEPS,
                deadline=None,
                phases=PHASES,
                suppress_health_check=list(HealthCheck),
                database=None,
                derandomize=not WANTED,
                report_multiple_bugs=False,
            ),
        )
        if STEPPED["steps"] >= WANTED:
            break
    print(f"\n{dict(STEPPED)} in {time.monotonic() - began:.0f} s")
