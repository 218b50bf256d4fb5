"""Health scores as somebody writes them: read strictly, and kept from asking about what comes after them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.domain import ids
from app.domain.fields import Stage, Subject, UnknownFact, find
from app.domain.filters import Condition as Seen
from app.domain.filters import InvalidFilter, Leaf, NeedsMember, Tree, bind, conditions, leaves, parse, parts, size
from app.domain.filters.presence import surely
from app.domain.filters.tree import looks_back
from app.domain.health import (
    MOST_CONDITIONS,
    MOST_VARIANTS,
    Condition,
    Part,
    Score,
    State,
    UnusableHealthScore,
)
from app.domain.operators import Op

SUBJECTS: Final = (Subject.ACCOUNTS, Subject.ORGANIZATIONS)
HEAVIEST: Final = Decimal(1000)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a score is made of, understood; for each segment it names, where."""

    parts: tuple[Part, ...]
    named: Mapping[UUID, str]

    @property
    def trees(self) -> list[Tree]:
        """Every filter."""
        return list(self.score.trees)

    @property
    def score(self) -> Score:
        """The same as a score that nobody has made yet."""
        return Score(UUID(int=0), "", "", 0, self.parts)

    @property
    def leaves(self) -> int:
        """How many conditions there are in all filters."""
        return sum(size(tree) for tree in self.trees)


def read(written: Mapping[str, Any], subject: Subject) -> Rules:
    """The rules behind their JSON: `weight`, `conditions`, `variants`.

    A segment's variant without a weight or without conditions has those of all others. Raises `UnusableHealthScore`,
    pointing at what is wrong.
    """
    variants = written.get("variants") or ()
    if len(variants) > MOST_VARIANTS:
        raise refused("#/variants", f"A score has variants for at most {MOST_VARIANTS} segments.")
    everyone = _conditions(written.get("conditions") or (), subject, "#/conditions")
    weight = _weight(written["weight"], "#/weight")
    named: dict[UUID, str] = {}
    found: list[Part] = []
    for ix, variant in enumerate(variants):
        pointer = f"#/variants/{ix}"
        segment_id = _segment(variant["segment"], named, pointer)
        own = variant.get("conditions")
        said = everyone if own is None else _conditions(own, subject, f"{pointer}/conditions")
        heavy = weight if variant.get("weight") is None else _weight(variant["weight"], f"{pointer}/weight")
        found.append(Part(segment_id, heavy, said))
    if not any((*everyone, *(one for part in found for one in part.conditions))):
        raise refused("#/conditions", "Add a condition: without one nobody would have a score.")
    rules = Rules((*found, Part(None, weight, everyone)), named)
    return Rules(rules.parts, {**_asked(rules.trees), **named})


def _weight(value: Any, pointer: str) -> Decimal:
    weight = Decimal(str(value))
    if not weight.is_finite() or not 0 <= weight <= HEAVIEST or weight != round(weight, 3):
        raise refused(pointer, f"Give a weight from 0 to {HEAVIEST} with at most three decimals.")
    return weight


def _segment(shown: str, named: dict[UUID, str], pointer: str) -> UUID:
    segment_id = ids.read("seg", shown)
    if segment_id is None:
        raise refused(f"{pointer}/segment", "Give the id of a segment: seg_…. GET /api/v1/segments lists them.")
    if segment_id in named:
        raise refused(f"{pointer}/segment", "Each segment has one variant: merge the two.")
    named[segment_id] = f"{pointer}/segment"
    return segment_id


def _conditions(written: Sequence[Mapping[str, Any]], subject: Subject, pointer: str) -> tuple[Condition, ...]:
    if len(written) > MOST_CONDITIONS:
        raise refused(pointer, f"A score has at most {MOST_CONDITIONS} conditions for one segment.")
    return tuple(_condition(one, subject, f"{pointer}/{ix}") for ix, one in enumerate(written))


def _condition(written: Mapping[str, Any], subject: Subject, pointer: str) -> Condition:
    sources = {one: written[one.value] for one in State if written.get(one.value) is not None}
    if not sources:
        raise refused(pointer, "Write a filter under healthy, concerning or poor.")
    trees = {one: _tree(source, subject, f"{pointer}/{one.value}") for one, source in sources.items()}
    sees = _sees(written.get("field"), trees.values(), subject, pointer)
    return Condition(written.get("name") or _named(sees), sees, trees, sources)


def _sees(given: str | None, trees: Iterable[Tree], subject: Subject, pointer: str) -> tuple[Seen, ...]:
    """What is shown of a record: the column that is named, or all that the filters look at."""
    if given is None:
        return tuple(dict.fromkeys(_plain(one) for tree in trees for one in conditions(tree)))
    try:
        fact = find(given, subject)
    except UnknownFact as unknown:
        raise refused(f"{pointer}/field", unknown.detail) from unknown
    if fact.stage >= Stage.HEALTH:
        raise refused(f"{pointer}/field", f"`{fact.path}` is decided together with health or after it.")
    return (Leaf(fact, fact.type, Op.IS_SET, None),)


def _plain(one: Seen) -> Seen:
    """What a condition looks at, whatever it compares that with; what a condition on the past does not say alone."""
    if not isinstance(one, Leaf) or looks_back(one):
        return one
    return Leaf(one.fact, one.fact.type, Op.IS_SET, None)


def _named(sees: Sequence[Seen]) -> str:
    first = sees[0] if sees else None
    return first.fact.label if isinstance(first, Leaf) else "Condition"


def _tree(source: Any, subject: Subject, pointer: str) -> Tree:
    """A filter that holds for what is there only: what is missing leaves the condition out, unless it was asked for."""
    try:
        tree = bind(parse(source, subject), None)
    except InvalidFilter as invalid:
        raise _moved(invalid, pointer) from invalid
    except NeedsMember as needs:
        raise refused(pointer, needs.detail) from needs
    if next(conditions(tree), None) is None:
        raise refused(pointer, "Add a condition: without one every record would match.")
    for leaf in _all_leaves(tree):
        if (why := _later(leaf, subject)) is not None:
            raise refused(pointer, f"A health score cannot ask about `{leaf.fact.path}`: {why}")
    return surely(tree)


def _later(leaf: Leaf, subject: Subject) -> str | None:
    """Why this cannot be asked. Organizations may look at the health of their accounts, which never look at theirs."""
    fact = leaf.fact
    if fact.stage > Stage.HEALTH:
        return "it is decided after health."
    if fact.stage is Stage.HEALTH and not (subject is Subject.ORGANIZATIONS and fact.table == "account_facts"):
        return "health scores are decided together. Only those of organizations may look at that of their accounts."
    if fact.column == "segments" and leaf.op in (Op.IS_SET, Op.IS_NOT_SET):
        return "some segments are decided after health. Name segments: `isAnyOf` with seg_…."
    return None


def _all_leaves(tree: Tree) -> Iterator[Leaf]:
    return (leaf for part in parts(tree) for leaf in leaves(part))


def _asked(trees: Iterable[Tree]) -> dict[UUID, str]:
    """The segments that filters name; a pointer to all conditions is near enough."""
    asked = (leaf for tree in trees for leaf in _all_leaves(tree) if leaf.fact.column == "segments")
    operands = (leaf.operand for leaf in asked if isinstance(leaf.operand, tuple))
    return {one: "#/conditions" for operand in operands for one in operand if isinstance(one, UUID)}


def _moved(invalid: InvalidFilter, pointer: str) -> UnusableHealthScore:
    """The same refusal, pointing into the score instead of into a filter on its own."""
    errors = [
        {**error, "pointer": pointer + error["pointer"].removeprefix("#/filter")}
        for error in invalid.context.get("errors", [])
    ]
    return UnusableHealthScore(invalid.detail.replace("#/filter", pointer, 1), errors=errors)


def refused(pointer: str, detail: str) -> UnusableHealthScore:
    """The refusal that points at the part it is about."""
    return UnusableHealthScore(f"{pointer}: {detail}", errors=[{"pointer": pointer, "detail": detail}])
