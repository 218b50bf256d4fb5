"""Dealing accounts out, held against a plain reference that deals them one by one."""

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.assignment import Algorithm, Load, Lot, NoCandidate, deal

PEOPLE = [UUID(int=n) for n in range(1, 6)]
money = st.integers(0, 5).map(lambda n: Decimal(n) * 100)


@st.composite
def offices(draw):
    """Who holds which account, what each weighs, and when each person was last given one."""
    people = draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=5, unique=True))
    turns = draw(st.lists(st.integers(0, 9), min_size=len(people), max_size=len(people)))
    holders = st.sampled_from([None, *PEOPLE])
    weights = st.tuples(st.integers(0, 1), money, holders)
    held = draw(st.dictionaries(st.integers(100, 120).map(lambda n: UUID(int=n)), weights, max_size=12))
    return dict(zip(people, turns, strict=True)), held


def reference(turns, held, algorithm, accounts):
    """One account after the other, counting everything anew each time."""
    holders = {account: holder for account, (_, _, holder) in held.items()}
    clock, dealt = max(turns.values()), {}
    turns = dict(turns)
    for account in accounts:
        before = holders.pop(account)

        def figure(person):
            theirs = [held[one] for one, holder in holders.items() if holder == person]
            return {
                Algorithm.FEWEST_ACCOUNTS: sum(weight for weight, _, _ in theirs),
                Algorithm.LEAST_REVENUE: sum(mrr for _, mrr, _ in theirs),
                Algorithm.ROUND_ROBIN: 0,
            }[algorithm]

        chosen = min(turns, key=lambda person: (figure(person), turns[person], person))
        if chosen != before:
            clock += 1
            turns[chosen] = clock
        holders[account] = dealt[account] = chosen
    return dealt


@given(offices(), st.sampled_from(Algorithm), st.randoms(use_true_random=False))
def test_many_at_once_are_dealt_as_if_one_after_the_other(office, algorithm, chance):
    turns, held = office
    accounts = sorted(held)
    chance.shuffle(accounts)
    accounts = accounts[: chance.randint(0, len(accounts))]
    loads = [
        Load(
            person,
            sum(weight for weight, _, holder in held.values() if holder == person),
            sum((mrr for _, mrr, holder in held.values() if holder == person), Decimal(0)),
            turn,
        )
        for person, turn in turns.items()
    ]
    lots = [Lot(one, *held[one]) for one in accounts]

    assert deal(loads, lots, algorithm) == reference(turns, held, algorithm, accounts)


@given(st.integers(1, 5), st.integers(0, 40))
def test_round_robin_goes_round(people, accounts):
    loads = [Load(person, 0, Decimal(0), 0) for person in PEOPLE[:people]]
    lots = [Lot(UUID(int=100 + n), 1, Decimal(1), None) for n in range(accounts)]

    dealt = list(deal(loads, lots, Algorithm.ROUND_ROBIN).values())

    assert dealt == [PEOPLE[n % people] for n in range(accounts)]


def test_an_account_that_is_dealt_again_stays_where_it_is():
    loads = [Load(PEOPLE[0], 1, Decimal(10), 7), Load(PEOPLE[1], 1, Decimal(10), 3)]

    for algorithm in (Algorithm.FEWEST_ACCOUNTS, Algorithm.LEAST_REVENUE):
        assert deal(loads, [Lot(UUID(int=100), 1, Decimal(10), PEOPLE[0])], algorithm) == {UUID(int=100): PEOPLE[0]}


def test_somebody_must_be_there_to_take_it():
    with pytest.raises(NoCandidate):
        deal([], [], Algorithm.ROUND_ROBIN)
