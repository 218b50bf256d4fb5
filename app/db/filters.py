"""The only compiler of filters: trees to SQL over the tables of their subject, in two-valued logic.

`holds` and `next_change` say in SQL what `app/domain/filters` says in Python.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Integer,
    Interval,
    Numeric,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    tuple_,
)

from app.db import grounds, happenings, past, relatives
from app.db.grounds import GROUNDS, TABLES, Ground
from app.domain.fields import Fact, Op, Quantity, Subject, Type
from app.domain.filters.tree import (
    FAR,
    NEGATIVES,
    AllOf,
    AnyOf,
    Happened,
    Leaf,
    Move,
    Not,
    Operand,
    Related,
    Span,
    Tree,
    conditions,
    leaves,
    span,
    turns,
)

__all__ = ["TABLES", "Clock", "Condition", "Of", "counted", "former", "holds", "next_change", "value"]

Condition = ColumnElement[bool]
Clock = datetime | ColumnElement[datetime]  # an instant, or the parameter it will be given as
Of = Callable[[Fact, Type | None], ColumnElement[Any]]  # where the value of a fact comes from
ZERO: Final = datetime(2000, 1, 1, tzinfo=UTC)  # any instant: relative spans are measured from it
INSTANT: Final = DateTime(timezone=True)


def value(fact: Fact, reading: Type | None = None) -> ColumnElement[Any]:
    """A fact's value in the tables of its subject; see `Ground.value`."""
    return grounds.value(fact, reading)


@dataclass(frozen=True, slots=True)
class _Scene:
    """What conditions are about: the moment, where values come from, and (inside a condition on related records) the
    names under which those records are known. `past`: the moment is gone, and events counted since do not count.
    `tally`: what was counted of the records themselves is beside them already."""

    now: Clock
    of: Of
    ground: Ground | None = None
    whole: bool = False
    past: bool = False
    tally: happenings.Tally | None = None

    @property
    def plain(self) -> bool:
        """Whether values come from our own tables, so that what cannot be missing there is not asked about."""
        return self.of is value or self.ground is not None

    def inside(self, ground: Ground) -> "_Scene":
        return _Scene(self.now, ground.value, ground, past=self.past)


def holds(
    tree: Tree,
    now: Clock,
    of: Of = value,
    *,
    whole: bool = False,
    past: bool = False,
    tally: happenings.Tally | None = None,
) -> Condition:
    """Whether the filter holds for a row at `now`; never null.

    `of` says where values come from: tables unless told otherwise. Conditions on related records always ask the tables:
    record by record, or (`whole`) all at once, which is cheaper where a whole workspace is looked through. Events are
    counted as far as they are known, or (`past`) up to the end of that day; `tally` has counted them.
    """
    return _holds(tree, _Scene(now, of, whole=whole, past=past, tally=tally))


def next_change(
    tree: Tree, now: Clock, of: Of = value, *, tally: happenings.Tally | None = None
) -> ColumnElement[datetime] | None:
    """The earliest instant after `now` at which the clock alone may change a row's answer; None: it never does."""
    return _next_change(tree, _Scene(now, of, tally=tally))


def counted(one: Related | Happened, now: Clock) -> ColumnElement[int]:
    """How many related records satisfy the condition, or how often the event was counted."""
    scene = _Scene(now, value)
    return _count(one, scene) if isinstance(one, Related) else _often(one, scene)


def _holds(tree: Tree, scene: _Scene) -> Condition:
    match tree:
        case Leaf():
            return _leaf(tree, scene)
        case Related():
            return _related(tree, scene)
        case Happened():
            return _happened(tree, scene)
        case Not(part):
            return not_(_holds(part, scene))
        case AllOf(parts):
            return and_(true(), *(_holds(part, scene) for part in parts))
        case AnyOf(parts):
            return or_(false(), *(_holds(part, scene) for part in parts))


def _next_change(tree: Tree, scene: _Scene) -> ColumnElement[datetime] | None:
    instants = [at for one in conditions(tree) for at in _instants(one, scene)]
    return func.least(*instants, type_=INSTANT) if instants else None


def _instants(one: Leaf | Related | Happened, scene: _Scene) -> Iterator[ColumnElement[datetime]]:
    if isinstance(one, Happened):
        yield from _leaving(one, scene)
        return
    if isinstance(one, Leaf):
        if isinstance(one.operand, Move):
            yield past.leaves(_accounts(scene), one.operand.days, _instant(scene.now), _instant(FAR))
        yield from (_later(one, turn, scene) for turn in turns(one))
        return
    here, there = _sides(one, scene)
    inner = _next_change(one.where, scene.inside(there))
    if inner is not None:
        soonest = func.min(inner, type_=INSTANT)
        yield relatives.related(one.relation, here, there, soonest, _needed(one)).scalar_subquery()


def former(leaf: Leaf, now: Clock) -> ColumnElement[Any]:
    """What the value was that a condition looks back at."""
    return _former(leaf, _Scene(now, value))


def _former(leaf: Leaf, scene: _Scene) -> ColumnElement[Any]:
    assert isinstance(leaf.operand, Move)  # noqa: S101 - the reader gives conditions that look back nothing else
    days = bindparam(None, timedelta(days=leaf.operand.days), type_=Interval)
    return past.was(_accounts(scene), _instant(scene.now) - days)


def _accounts(scene: _Scene) -> Ground:
    return scene.ground or GROUNDS[Subject.ACCOUNTS]


def _instant(at: Clock) -> ColumnElement[datetime]:
    return bindparam(None, at, type_=INSTANT) if isinstance(at, datetime) else at


def _own(happened: Happened, scene: _Scene) -> Ground:
    return scene.ground or GROUNDS[happened.subject]


def _leaving(happened: Happened, scene: _Scene) -> Iterator[ColumnElement[datetime]]:
    now, far = _instant(scene.now), _instant(FAR)
    if scene.tally is not None:
        return scene.tally.leaving(happened, now, far)
    return happenings.leaving(happened, _own(happened, scene), now, far)


def _often(happened: Happened, scene: _Scene) -> ColumnElement[int]:
    if scene.tally is not None:
        return scene.tally.counted(happened)
    return happenings.counted(happened, _own(happened, scene), _instant(scene.now), past=scene.past)


def _happened(happened: Happened, scene: _Scene) -> Condition:
    least, most = _bounds(happened)
    if most is None and least == 0:
        return true()
    found = _often(happened, scene)
    if most is None:
        return found >= least
    return found <= most if least == 0 else found == most


def _sides(related: Related, scene: _Scene) -> tuple[Ground, Ground]:
    here = scene.ground or GROUNDS[related.relation.subject]
    return here, grounds.fresh(related.relation.target)


def _needed(related: Related) -> list[Fact]:
    return [leaf.fact for leaf in leaves(related.where)]


def _related(related: Related, scene: _Scene) -> Condition:
    """Counting stops as soon as the answer is known."""
    least, most = _bounds(related)
    if most is None and least == 0:
        return true()
    if most == 0:
        return not_(_matching(related, scene, literal(1)).exists())
    if most is None and least == 1:
        return _matching(related, scene, literal(1)).exists()
    if scene.whole:
        return _at_once(related, scene, least, most)
    enough = least if most is None else most + 1
    some = _matching(related, scene, literal(1).label("one")).limit(literal(enough, Integer)).subquery()
    number = select(func.count()).select_from(some).scalar_subquery()
    return and_(number >= least, true() if most is None else number <= most)


def _at_once(related: Related, scene: _Scene, least: int, most: int | None) -> Condition:
    """Whether the record is among those with enough, or not among those with too many; here the bounds are above 0."""
    here, there = _sides(related, scene)
    number = func.count()
    enough = and_(number >= least, true() if most is None else number <= most) if least else number > most
    where = _holds(related.where, scene.inside(there))
    those = tuple_(here.workspace, here.id).in_(
        relatives.counts(related.relation, there, _needed(related), where, enough)
    )
    return those if least else not_(those)


def _bounds(counted: Related | Happened) -> tuple[int, int | None]:
    match counted.op:
        case Quantity.AT_LEAST:
            return counted.count, None
        case Quantity.AT_MOST:
            return 0, counted.count
        case _:
            return counted.count, counted.count


def _matching(related: Related, scene: _Scene, column: ColumnElement[Any]) -> Select[Any]:
    here, there = _sides(related, scene)
    query = relatives.related(related.relation, here, there, column, _needed(related))
    return query.where(_holds(related.where, scene.inside(there)))


def _count(related: Related, scene: _Scene) -> ColumnElement[int]:
    return _matching(related, scene, func.count()).scalar_subquery()


def _leaf(leaf: Leaf, scene: _Scene) -> Condition:
    if leaf.op is Op.IS_ME:
        return false()  # nobody, until `bind` says who is asking
    positive = NEGATIVES.get(leaf.op)
    answer = _positive(leaf, positive or leaf.op, scene)
    return answer if positive is None else not_(answer)


def _positive(leaf: Leaf, op: Op, scene: _Scene) -> Condition:
    """`is not null and …` keeps plain columns usable by their indexes; computed values are computed once."""
    if leaf.fact.table == "alerts" and scene.whole and scene.plain and op is not Op.IS_ALL_OF:
        return relatives.alerted(GROUNDS[Subject.ACCOUNTS], None if op is Op.IS_SET else _wanted(leaf))
    found = scene.of(leaf.fact, leaf.reading)
    if leaf.reading in (Type.MULTI, Type.LIST):
        return func.coalesce(_includes(leaf, op, found), false())
    if op is Op.IS_SET:
        return found.is_not(None)
    if isinstance(leaf.operand, Move):
        return func.coalesce(_moved(leaf, leaf.operand, found, scene), false())
    compared = _compare(leaf, op, found, scene.now)
    if not leaf.fact.nullable and scene.plain:
        return compared
    if leaf.fact.key is None:
        return and_(found.is_not(None), compared)
    return func.coalesce(compared, false())


def _moved(leaf: Leaf, move: Move, found: ColumnElement[Any], scene: _Scene) -> Condition:
    was = _former(leaf, scene)
    change = found - was if leaf.op is Op.INCREASED_BY else was - found
    by = bindparam(None, move.by, type_=Numeric)
    return and_(was > 0, change * 100 >= was * by) if move.percent else change >= by


def _includes(leaf: Leaf, op: Op, found: ColumnElement[Any]) -> Condition:
    """What a set has; an empty one is missing."""
    if op is Op.IS_SET:
        return func.array_length(found, 1, type_=Integer) > 0
    return found.op("@>" if op is Op.IS_ALL_OF else "&&", is_comparison=True)(_wanted(leaf))


def _wanted(leaf: Leaf) -> ColumnElement[Any]:
    type_ = Uuid() if leaf.fact.prefix else Text()
    return bindparam(None, list(leaf.operand) if isinstance(leaf.operand, tuple) else [], type_=ARRAY(type_))


def _compare(leaf: Leaf, op: Op, found: ColumnElement[Any], now: Clock) -> Condition:
    match leaf.reading:
        case Type.DATETIME:
            return _within(leaf, found, now)
        case Type.BOOLEAN:
            return found if op is Op.IS_TRUE else not_(found)
        case Type.TEXT:
            return COMPARISONS[op](func.lower(found, type_=Text), leaf.operand, Text())
        case Type.NUMBER:
            return COMPARISONS[op](found, leaf.operand, Numeric())
        case Type.SELECT:
            return COMPARISONS[op](found, leaf.operand, Text())
        case _:
            return COMPARISONS[op](found, leaf.operand, Uuid())


def _within(leaf: Leaf, found: ColumnElement[Any], now: Clock) -> Condition:
    bounds = []
    wanted = span(leaf, ZERO)
    if wanted.start is not None:
        bounds.append(found >= _bound(leaf, wanted.start, now))
    if wanted.end is not None:
        bounds.append(found < _bound(leaf, wanted.end, now))
    return and_(*bounds)


def _bound(leaf: Leaf, at: datetime, now: Clock) -> ColumnElement[datetime]:
    """An end of a span: an instant, or for a relative condition as far from now as it is from zero."""
    if isinstance(leaf.operand, Span):
        return bindparam(None, at, type_=INSTANT)
    if isinstance(now, datetime):
        return bindparam(None, now + (at - ZERO), type_=INSTANT)
    return now + bindparam(None, at - ZERO, type_=Interval)


def _later(leaf: Leaf, turn: timedelta, scene: _Scene) -> ColumnElement[datetime]:
    at = scene.of(leaf.fact, leaf.reading) + bindparam(None, turn, type_=Interval)
    return case((and_(at > _instant(scene.now), at < _instant(FAR)), at))


def _one(operand: Operand, type_: Any) -> ColumnElement[Any]:
    return bindparam(None, operand, type_=type_)


def _many(operand: Any, type_: Any) -> ColumnElement[Any]:
    return any_(bindparam(None, list(operand), type_=ARRAY(type_)))


def _ends(found: ColumnElement[Any], operand: Any, type_: Any) -> Condition:
    return func.right(found, len(operand)) == _one(operand, type_)


COMPARISONS: Final[Mapping[Op, Callable[[ColumnElement[Any], Any, Any], Condition]]] = {
    Op.IS: lambda found, operand, type_: found == _one(operand, type_),
    Op.IS_ANY_OF: lambda found, operand, type_: found == _many(operand, type_),
    Op.CONTAINS: lambda found, operand, type_: func.strpos(found, _one(operand, type_)) > 0,
    Op.STARTS_WITH: lambda found, operand, type_: func.starts_with(found, _one(operand, type_)),
    Op.ENDS_WITH: _ends,
    Op.GREATER_THAN: lambda found, operand, type_: found > _one(operand, type_),
    Op.AT_LEAST: lambda found, operand, type_: found >= _one(operand, type_),
    Op.LESS_THAN: lambda found, operand, type_: found < _one(operand, type_),
    Op.AT_MOST: lambda found, operand, type_: found <= _one(operand, type_),
    Op.BETWEEN: lambda found, operand, type_: and_(found >= _one(operand[0], type_), found <= _one(operand[1], type_)),
}
