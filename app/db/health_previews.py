"""What a health score would come to for every record of a workspace, in one statement that stores nothing.

The rule is that of `domain/health`: worst first, the mean of what says something, weights left to those with a value.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Integer,
    Numeric,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from app.db import facts, filters
from app.db.base import TOO_SLOW, Session, sqlstate
from app.db.grounds import NO_IDS, TABLES
from app.domain.fields import Fact, Subject, find
from app.domain.filters import leaves
from app.domain.health import CONCERNING_FROM, HEALTHY_FROM, POINTS, Condition, Part, PreviewTooSlow, Score, State

SECONDS: Final = 30
Value = ColumnElement[Any]

# What is between the steps fits into memory for a million records; and so do the few groups, which need no sorting,
# whatever the planner believes of them.
_LIMIT: Final = text(
    "select set_config('statement_timeout', :limit, true), set_config('work_mem', '96MB', true),"
    " set_config('enable_sort', 'off', true)"
)
_ZERO: Final[Value] = literal_column("0::numeric", Numeric)
_FACTS: Final = {Subject.ACCOUNTS: "account_facts", Subject.ORGANIZATIONS: "organization_facts"}


@dataclass(frozen=True, slots=True)
class Question:
    """A score to be tried beside the others there are. `slug` is that of the one it replaces; None: it is a new one.

    `one_in`: of so many records one is looked at.
    """

    subject: Subject
    parts: Sequence[Part]
    slug: str | None
    others: Sequence[Score]
    examples: int
    one_in: int = 1


@dataclass(slots=True)
class Tally:
    """How many records have which label, and the sum of their scores."""

    labels: Counter[str | None] = field(default_factory=Counter)
    total: Decimal = Decimal(0)

    def add(self, label: str | None, number: int, total: Decimal | None) -> None:
        """Count records that have a label in common."""
        self.labels[label] += number
        self.total += total or 0

    @property
    def average(self) -> Decimal | None:
        """Of those that have a score."""
        having = sum(number for label, number in self.labels.items() if label is not None)
        return self.total / having if having else None


Move = tuple[str | None, str | None]


@dataclass(slots=True)
class Answer:
    """The score and the overall health before and after, whose label changes (from which to which), and a few of them:
    id, score before and after, health before and after."""

    tallies: tuple[Tally, Tally, Tally, Tally] = field(default_factory=lambda: (Tally(), Tally(), Tally(), Tally()))
    score_moves: Counter[Move] = field(default_factory=Counter)
    health_moves: Counter[Move] = field(default_factory=Counter)
    looked_at: int = 0
    changed: int = 0
    examples: list[tuple[UUID, Sequence[Decimal | None]]] = field(default_factory=list)


async def ask(db: Session, workspace_id: UUID, question: Question, *, now: datetime) -> Answer:
    """Score every record and compare with what is stored. Raises `PreviewTooSlow` after `SECONDS`."""
    await db.execute(_LIMIT, {"limit": f"{SECONDS}s"})
    try:
        found = list(await db.execute(_statement(workspace_id, question, now)))
    except DBAPIError as error:
        if sqlstate(error) != TOO_SLOW:
            raise
        raise PreviewTooSlow(
            f"Looking at every record takes longer than {SECONDS} seconds here: ask for a `sample`, such as 20000."
        ) from error
    answer = Answer()
    for row in found:
        if row.id is not None:
            answer.examples.append((row.id, row[2:6]))
        else:
            _count(answer, row.number, row[2:6], row[6:10])
    return answer


def _count(answer: Answer, number: int, sums: Sequence[Decimal | None], labels: Sequence[str | None]) -> None:
    for tally, label, total in zip(answer.tallies, labels, sums, strict=True):
        tally.add(label, number, total)
    answer.looked_at += number
    score, health = (labels[0], labels[1]), (labels[2], labels[3])
    if score[0] != score[1]:
        answer.score_moves[score] += number
    if health[0] != health[1]:
        answer.health_moves[health] += number
    if score[0] != score[1] or health[0] != health[1]:
        answer.changed += number


def _statement(workspace_id: UUID, question: Question, now: datetime) -> Any:
    """Groups of equal labels with their number and sums, then the first few whose labels change."""
    judged = _judged(workspace_id, question, now)
    values = [judged.c.score_before, judged.c.score_after, judged.c.health_before, judged.c.health_after]
    labels = [_label(value) for value in values]
    groups = select(
        null().cast(Uuid).label("id"),
        func.count().label("number"),
        *(func.sum(value, type_=Numeric) for value in values),
        *(label.label(f"l{ix}") for ix, label in enumerate(labels)),
    ).group_by(*(text(f"l{ix}") for ix in range(len(labels))))
    moves = or_(labels[0].is_distinct_from(labels[1]), labels[2].is_distinct_from(labels[3]))
    examples = select(judged.c.id, func.length("x"), *values, *labels).where(moves).order_by(judged.c.id)
    return groups.union_all(select(examples.limit(question.examples).subquery()))


def _label(value: Value) -> Value:
    return case(
        (value >= literal_column(str(HEALTHY_FROM)), literal_column("'healthy'", Text)),
        (value >= literal_column(str(CONCERNING_FROM)), literal_column("'concerning'", Text)),
        (value.is_not(None), literal_column("'poor'", Text)),
    )


def _judged(workspace_id: UUID, question: Question, now: datetime) -> CTE:
    """Score and health of each record, before and after. `offset 0` has every step reckoned once for a record."""
    seen = _seen(workspace_id, question, now).offset(0).subquery()
    points = [seen.c[f"p{ix}"] for ix in range(_longest(question.parts))]
    number = func.num_nonnulls(*points, type_=Integer) if points else _ZERO
    mean = func.round(_sum(func.coalesce(point, 0) for point in points) / func.nullif(number, 0), 2, type_=Numeric)
    others = [(seen.c[f"v{ix}"], seen.c[f"w{ix}"]) for ix in range(len(question.others))]
    scored = (
        select(
            seen.c.id,
            seen.c.weight,
            seen.c.score_before,
            seen.c.health_before,
            mean.label("mean"),
            _sum(func.coalesce(value * weight, 0) for value, weight in others).label("total"),
            _sum(case((value.is_not(None), weight), else_=0) for value, weight in others).label("weights"),
        )
        .offset(0)
        .subquery()
    )
    after = scored.c.mean
    weights = scored.c.weights + case((after.is_not(None), scored.c.weight), else_=0)
    total = scored.c.total + func.coalesce(after * scored.c.weight, 0)
    return select(
        scored.c.id,
        scored.c.score_before,
        after.label("score_after"),
        scored.c.health_before,
        func.round(total / func.nullif(weights, 0), 2, type_=Numeric).label("health_after"),
    ).cte("judged")


def _sum(values: Iterable[Value]) -> Value:
    return reduce(lambda left, right: left + right, values, _ZERO)


def _seen(workspace_id: UUID, question: Question, now: datetime) -> Any:
    """Of each record the points of its conditions (p), the weight of the score, and of the other scores value (v) and
    weight (w)."""
    ground, stored = facts.GROUNDS[question.subject], TABLES[_FACTS[question.subject]]
    width, parts = _longest(question.parts), question.parts
    columns = [_by_part(parts, stored, [_point(part, ix, now) for part in parts]) for ix in range(width)]
    query = select(
        ground.id.label("id"),
        *(column.label(f"p{ix}") for ix, column in enumerate(columns)),
        *(_value(score.slug, stored).label(f"v{ix}") for ix, score in enumerate(question.others)),
        *(_weight(score.parts, stored).label(f"w{ix}") for ix, score in enumerate(question.others)),
        _weight(parts, stored).label("weight"),
        (null().cast(Numeric) if question.slug is None else _value(question.slug, stored)).label("score_before"),
        stored.c.health.label("health_before"),
    ).select_from(ground.start)
    query = facts.joined(query, question.subject, [*_named(question), find("health", question.subject)])
    query = query.where(ground.workspace == workspace_id)
    if question.one_in == 1:
        return query
    spread = func.mod(func.hashtextextended(cast(ground.id, Text), 0), question.one_in)
    return query.where(spread == 0)


def _longest(parts: Sequence[Part]) -> int:
    return max(len(part.conditions) for part in parts)


def _named(question: Question) -> list[Fact]:
    trees = (tree for part in question.parts for one in part.conditions for tree in one.trees.values())
    return [leaf.fact for tree in trees for leaf in leaves(tree)]


def _point(part: Part, ix: int, now: datetime) -> Value:
    """The points of one of a part's conditions; a part that has fewer has nothing there."""
    return _condition(part.conditions[ix], now) if ix < len(part.conditions) else null().cast(Integer)


def _condition(condition: Condition, now: datetime) -> Value:
    """The points of a condition: of the worst state whose filter holds; null: it is left out."""
    asked = [(filters.holds(condition.trees[one], now, whole=True), one) for one in State if one in condition.trees]
    return case(*((holds, literal_column(str(POINTS[one]), Integer)) for holds, one in asked))


def _by_part(parts: Sequence[Part], stored: Any, values: Sequence[Value]) -> Value:
    """The value of the first part whose segment a record is in; the last part is for everybody."""
    branches = [(_is_in(part.segment_id, stored), value) for part, value in zip(parts, values, strict=True)]
    return case(*branches[:-1], else_=values[-1]) if branches[:-1] else values[-1]


def _is_in(segment_id: UUID | None, stored: Any) -> ColumnElement[bool]:
    wanted = bindparam(None, [segment_id], type_=ARRAY(Uuid))
    return func.coalesce(stored.c.segments, NO_IDS, type_=ARRAY(Uuid)).op("@>", is_comparison=True)(wanted)


def _weight(parts: Sequence[Part], stored: Any) -> Value:
    return _by_part(parts, stored, [_number(part.weight) for part in parts])


def _value(slug: str, stored: Any) -> Value:
    column = stored.c.health_scores.op("->>", return_type=Text())(bindparam(None, slug, type_=Text))
    return cast(column, Numeric)


def _number(value: Decimal) -> Value:
    return bindparam(None, value, type_=Numeric)
