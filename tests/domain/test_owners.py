"""The owner rule as a table, and the promise that no order of arrival changes its answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.messages import stamp
from app.domain.owners import (
    MOST_CLAIMS,
    Choice,
    Claim,
    Person,
    Source,
    State,
    Timeline,
    Verdict,
    resolve,
    runs,
    surplus,
)

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def at(minute):
    return T0 + timedelta(minutes=minute)


def claim(value, minute):
    return Claim(stamp(at(minute), value), value)


def person(name, *, linked=True, since=0, left=None):
    return Person(
        UUID(int=sum(map(ord, name))),
        name,
        linked=linked and left is None,
        linked_at=at(since),
        left_at=None if left is None else at(left),
    )


def known(*people):
    return {one.external_id: one for one in people}


def chose(who, minute, source=Source.MANUAL):
    return Choice(at(minute), source, who)


ANN, BEA, CID = person("ann"), person("bea", since=1), person("cid", since=2)
ALL = known(ANN, BEA, CID)
STRANGER = person("bea", linked=False)
"""Known, but never linked to this account."""

TABLE = {
    "nothing is known": (Timeline(), None, None, "none", None),
    "the trait names a linked user": (Timeline([claim("ann", 1)], people=ALL), "ann", "trait", "resolved", None),
    "1: the trait names an unknown user": (Timeline([claim("zoe", 1)], people=ALL), None, None, "pending", "zoe"),
    "1: an unresolved value keeps the owner": (
        Timeline([claim("ann", 1), claim("zoe", 2)], people=ALL),
        "ann",
        "trait",
        "pending",
        "zoe",
    ),
    "1: of several unresolved values the newest is pending": (
        Timeline([claim("ann", 1), claim("yan", 2), claim("zoe", 3)], people=ALL),
        "ann",
        "trait",
        "pending",
        "zoe",
    ),
    "1: an unresolved value keeps a manual owner": (
        Timeline([claim("zoe", 2)], chose(ANN, 1), ALL),
        "ann",
        "manual",
        "pending",
        "zoe",
    ),
    "2: a user who is not a member is unresolved": (
        Timeline([claim("ann", 1), claim("bea", 2)], people=known(ANN, STRANGER)),
        "ann",
        "trait",
        "pending",
        "bea",
    ),
    "3: a choice beats an older trait value": (
        Timeline([claim("ann", 1)], chose(BEA, 2), ALL),
        "bea",
        "manual",
        "resolved",
        None,
    ),
    "3: sending the value again changes nothing": (
        Timeline([claim("ann", 1), claim("ann", 3), claim("ann", 9)], chose(BEA, 2), ALL),
        "bea",
        "manual",
        "resolved",
        None,
    ),
    "3: a changed value beats the choice": (
        Timeline([claim("ann", 1), claim("cid", 3)], chose(BEA, 2), ALL),
        "cid",
        "trait",
        "resolved",
        None,
    ),
    "3: a value that changed and changed back beats the choice": (
        Timeline([claim("ann", 1), claim("cid", 3), claim("ann", 4)], chose(BEA, 2), ALL),
        "ann",
        "trait",
        "resolved",
        None,
    ),
    "3: a choice through the API is told apart": (
        Timeline(choice=chose(BEA, 2, Source.API)),
        "bea",
        "api",
        "resolved",
        None,
    ),
    "3: that nobody owns the account stops the policy": (
        Timeline([claim("ann", 1)], chose(None, 2), ALL, "first_user", ANN),
        None,
        "manual",
        "none",
        None,
    ),
    "3: a changed value beats even nobody": (
        Timeline([claim("ann", 3)], chose(None, 2), ALL),
        "ann",
        "trait",
        "resolved",
        None,
    ),
    "4: a cleared trait takes its owner away": (
        Timeline([claim("ann", 1), claim(None, 2)], people=ALL),
        None,
        None,
        "none",
        None,
    ),
    "4: blank text clears too": (Timeline([claim("ann", 1), claim(" ", 2)], people=ALL), None, None, "none", None),
    "4: a cleared trait leaves a manual owner": (
        Timeline([claim("ann", 1), claim(None, 3)], chose(BEA, 2), ALL),
        "bea",
        "manual",
        "resolved",
        None,
    ),
    "4: a manual owner from before the trait is back when it is cleared": (
        Timeline([claim("ann", 2), claim(None, 3)], chose(BEA, 1), ALL),
        "bea",
        "manual",
        "resolved",
        None,
    ),
    "4: after clearing, the policy applies": (
        Timeline([claim("ann", 1), claim(None, 2)], people=ALL, policy="first_user", first_user=BEA),
        "bea",
        "auto_first_user",
        "resolved",
        None,
    ),
    "5: the owner left": (
        Timeline([claim("ann", 1)], people=known(person("ann", left=5))),
        None,
        None,
        "pending",
        "ann",
    ),
    "5: when the owner left, the owner before does not come back": (
        Timeline([claim("ann", 1), claim("bea", 2)], people=known(ANN, person("bea", left=5))),
        None,
        None,
        "pending",
        "bea",
    ),
    "5: the owner left, and the policy applies": (
        Timeline([claim("ann", 1)], people=known(person("ann", left=5)), policy="first_user", first_user=BEA),
        "bea",
        "auto_first_user",
        "pending",
        "ann",
    ),
    "5: naming someone who had left already is merely unresolved": (
        Timeline([claim("bea", 1), claim("ann", 6)], people=known(BEA, person("ann", left=5))),
        "bea",
        "trait",
        "pending",
        "ann",
    ),
    "5: the chosen owner left: the choice is void": (
        Timeline(choice=chose(person("bea", left=5), 2)),
        None,
        None,
        "none",
        None,
    ),
    "5: the chosen owner left: the trait decides again": (
        Timeline([claim("ann", 1)], chose(person("bea", left=5), 2), ALL),
        "ann",
        "trait",
        "resolved",
        None,
    ),
    "5: the chosen owner left, and the policy applies": (
        Timeline(choice=chose(person("bea", left=5), 2), policy="first_user", first_user=ANN),
        "ann",
        "auto_first_user",
        "resolved",
        None,
    ),
    "6: the first user": (
        Timeline(policy="first_user", first_user=ANN),
        "ann",
        "auto_first_user",
        "resolved",
        None,
    ),
    "6: a policy without users": (Timeline(policy="first_user"), None, None, "none", None),
    "6: the policy none ignores the first user": (Timeline(first_user=ANN), None, None, "none", None),
    "6: a pending value does not stop the policy": (
        Timeline([claim("zoe", 1)], policy="first_user", first_user=ANN),
        "ann",
        "auto_first_user",
        "pending",
        "zoe",
    ),
    "7: ids are text, and exact": (
        Timeline([claim("5.0", 1)], people=known(person("5"))),
        None,
        None,
        "pending",
        "5.0",
    ),
    "at the same instant the choice is newer": (
        Timeline([claim("ann", 2)], chose(BEA, 2), ALL),
        "bea",
        "manual",
        "resolved",
        None,
    ),
}


@pytest.mark.parametrize(("timeline", "owner", "source", "state", "pending"), TABLE.values(), ids=TABLE)
def test_the_rule(timeline, owner, source, state, pending):
    found = resolve(timeline)

    assert found.owner and found.owner.external_id == owner if owner else found.owner is None
    assert found.source == source
    assert found.state == state
    assert found.pending_value == pending
    assert found.reason == found.steps[-1].because


def test_since_is_when_both_the_claim_and_the_link_were_there():
    early = resolve(Timeline([claim("cid", 1)], people=ALL))
    late = resolve(Timeline([claim("cid", 7)], people=ALL))

    assert (early.since, late.since) == (at(2), at(7))


def test_since_is_the_first_of_a_run():
    assert resolve(Timeline([claim("ann", 3), claim("ann", 8)], people=ALL)).since == at(3)


def test_the_steps_tell_the_story_newest_first():
    timeline = Timeline(
        [claim("ann", 1), claim(None, 3), claim("zoe", 4)], chose(person("bea", left=5), 2), ALL, trait_key="ownerId"
    )

    found = resolve(timeline)

    assert [(step.kind, step.value, step.verdict) for step in found.steps] == [
        ("claim", "zoe", Verdict.PENDING),
        ("claim", None, Verdict.CLEARED),
        ("choice", "bea", Verdict.VOID),
        ("claim", "ann", Verdict.ENDED),
        ("policy", None, Verdict.DECIDES),
    ]
    assert found.steps[0].because == 'Trait "ownerId" names "zoe", a user not known yet: kept as pending.'


NAMES = st.sampled_from(["ann", "bea", "cid", "zoe", None])
CLAIMS = st.lists(st.builds(claim, NAMES, st.integers(0, 12)), max_size=12)
PEOPLE = st.builds(
    lambda *people: known(*(one for one in people if one)),
    *(
        st.one_of(
            st.none(),
            st.builds(person, st.just(name), linked=st.booleans()),
            st.builds(person, st.just(name), left=st.integers(0, 12)),
        )
        for name in ("ann", "bea", "cid")
    ),
)
CHOICES = st.one_of(st.none(), st.builds(chose, st.sampled_from([None, ANN, BEA]), st.integers(0, 12)))
TIMELINES = st.builds(
    Timeline,
    CLAIMS,
    CHOICES,
    PEOPLE,
    st.sampled_from(["none", "first_user"]),
    st.sampled_from([None, ANN, CID]),
)


@given(TIMELINES, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(timeline, random):
    shuffled = list(timeline.claims) * 2
    random.shuffle(shuffled)

    assert resolve(replace(timeline, claims=shuffled)) == resolve(timeline)


@given(TIMELINES)
def test_folding_runs_before_asking_does_not_matter(timeline):
    assert resolve(replace(timeline, claims=runs(timeline.claims))) == resolve(timeline)


@given(TIMELINES)
def test_the_owner_is_always_linked_and_the_state_agrees(timeline):
    found = resolve(timeline)

    assert found.owner is None or found.owner.linked
    assert (found.pending_value is not None) == (found.state is State.PENDING)
    assert found.state is not State.RESOLVED or found.owner is not None


MANY = st.lists(st.builds(claim, st.sampled_from(["ann", "bea"]), st.integers(0, 60)), min_size=20, max_size=80)


@given(MANY, CLAIMS, st.one_of(st.none(), st.builds(chose, st.just(CID), st.integers(0, 60))))
def test_forgetting_repetitions_changes_no_owner_now_or_after_late_messages(told, late, choice):
    gone = set(surplus(told, choice_at=choice.at if choice else None))
    kept = [one for one in told if one not in gone]
    timeline = Timeline(choice=choice, people=ALL)

    now = [resolve(replace(timeline, claims=claims)) for claims in (told, kept)]
    later = [resolve(replace(timeline, claims=[*claims, *late])) for claims in (told, kept)]

    assert now[0] == now[1]
    assert later[0].owner == later[1].owner


def test_of_a_trait_sent_for_ever_little_is_kept():
    told = [claim("ann", minute) for minute in range(10_000)]

    gone = surplus(told, choice_at=at(500.5))

    kept = sorted(set(told) - set(gone), key=lambda one: one.stamp)
    assert [one.at for one in kept[:2]] == [at(0), at(500)]
    assert len(kept) == 18


def test_of_two_senders_who_contradict_each_other_the_newest_words_are_kept():
    told = [claim("ann" if minute % 2 else "bea", minute) for minute in range(1_000)]

    gone = surplus(told, choice_at=None)

    assert gone == told[: 1_000 - MOST_CLAIMS]
