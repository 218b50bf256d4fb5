"""Dealing accounts out to people: three ways to choose whose turn it is, one account after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from app.domain.errors import Rejected


class NoCandidate(Rejected):
    """None of the candidates can be given the role."""

    code = "no_candidate"


class Algorithm(StrEnum):
    """Whose turn it is: who has the fewest accounts, who the least revenue, or who was given one longest ago."""

    FEWEST_ACCOUNTS = "fewestAccounts"
    LEAST_REVENUE = "leastRevenue"
    ROUND_ROBIN = "roundRobin"


@dataclass(frozen=True, slots=True)
class Load:
    """What a candidate carries in the role. `turn` counts up with every assignment; 0: never given one."""

    member_id: UUID
    accounts: int
    revenue: Decimal
    turn: int


@dataclass(frozen=True, slots=True)
class Lot:
    """An account to be given away: what it adds to its holder's load, and who holds it now."""

    account_id: UUID
    accounts: int
    revenue: Decimal
    holder: UUID | None


@dataclass(slots=True)
class _Hand:
    accounts: int
    revenue: Decimal
    turn: int

    def take(self, lot: Lot, times: int) -> None:
        self.accounts += times * lot.accounts
        self.revenue += times * lot.revenue


def deal(loads: Sequence[Load], lots: Sequence[Lot], algorithm: Algorithm) -> dict[UUID, UUID]:
    """Who is given each account, in the order of `lots`, each as if all before it had been given already.

    An account that somebody holds is free while its turn lasts. Of equals the one comes first whose last assignment
    is longest ago, then the one with the lower id. An account that stays where it is takes no turn.
    Raises `NoCandidate`.
    """
    if not loads:
        raise NoCandidate("Name at least one member who is active.")
    hands = {one.member_id: _Hand(one.accounts, one.revenue, one.turn) for one in loads}
    turn = max(hand.turn for hand in hands.values())
    dealt: dict[UUID, UUID] = {}
    for lot in lots:
        if lot.holder in hands:
            hands[lot.holder].take(lot, -1)
        chosen = _next(hands, algorithm)
        hands[chosen].take(lot, 1)
        if chosen != lot.holder:
            turn += 1
            hands[chosen].turn = turn
        dealt[lot.account_id] = chosen
    return dealt


def _next(hands: Mapping[UUID, _Hand], algorithm: Algorithm) -> UUID:
    def rank(member_id: UUID) -> tuple[Decimal | int, int, UUID]:
        hand = hands[member_id]
        match algorithm:
            case Algorithm.FEWEST_ACCOUNTS:
                return hand.accounts, hand.turn, member_id
            case Algorithm.LEAST_REVENUE:
                return hand.revenue, hand.turn, member_id
            case Algorithm.ROUND_ROBIN:
                return hand.turn, hand.turn, member_id

    return min(hands, key=rank)
