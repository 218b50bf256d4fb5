"""Reads a filter written as text into its JSON form.

filter    := all (OR all)*             all := one (AND one)*
one       := NOT one | ( filter ) | all of ( [filter, …] ) | any of ( [filter, …] ) | condition
condition := field [as type] operator | relation quantity [where ( filter )] | no relation [where ( filter )]
           | event name quantity [in last n days] | no event name [in last n days]
"""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.domain.fields import RELATIONS, Subject, Type, UnknownFact, find
from app.domain.filters.reading import InvalidFilter, parse
from app.domain.filters.text.cursor import RESERVED, Cursor
from app.domain.filters.text.predicates import predicate
from app.domain.filters.text.tokens import Kind, refuse
from app.domain.filters.text.words import QUANTITIES
from app.domain.operators import Quantity

DEEPEST: Final = 40  # parentheses; the groups they make are counted by `parse`

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Reader:
    """What the parts of a line share: the place in it, whose fields are meant, and where each part began."""

    cursor: Cursor
    subject: Subject
    depth: int = DEEPEST
    columns: dict[int, dict[str, int]] = field(default_factory=dict)

    def deeper(self, subject: Subject | None = None) -> "_Reader":
        if self.depth == 0:
            raise refuse(self.cursor.next.column, f"Parentheses nest at most {DEEPEST} deep.")
        return replace(self, depth=self.depth - 1, subject=subject or self.subject)


def parse_text(source: str, subject: Subject = Subject.ACCOUNTS) -> Json:
    """The JSON form of a filter written as text, which is known to be a filter on this subject.

    Raises `InvalidFilter`, which names the column and what was expected there.
    """
    reader = _Reader(Cursor.over(source), subject)
    tree = _filter(reader)
    if reader.cursor.next.kind is not Kind.END:
        raise reader.cursor.expected("AND, OR or the end")
    try:
        parse(tree, subject)
    except InvalidFilter as refused:
        wrong = refused.context["errors"][0]
        raise refuse(_column(reader, tree, wrong["pointer"]), wrong["detail"]) from refused
    return tree


def _column(reader: _Reader, tree: Any, pointer: str) -> int:
    """Where the part a JSON pointer is about began, or the nearest part around it that stands in the text."""
    column = reader.columns.get(id(tree), {}).get("", 1)
    for step in pointer.split("/")[2:]:
        known = reader.columns.get(id(tree), {})
        tree = tree[int(step)] if isinstance(tree, list) else tree.get(step) if isinstance(tree, dict) else None
        column = known.get(step) or reader.columns.get(id(tree), {}).get("") or column
    return column


def _filter(reader: _Reader) -> Json:
    return _chain(reader, "or", "any")


def _chain(reader: _Reader, word: str, kind: str) -> Json:
    column = reader.cursor.next.column
    read = _one if word == "and" else _ands
    parts = [read(reader)]
    while reader.cursor.accept(word):
        parts.append(read(reader))
    return parts[0] if len(parts) == 1 else _at(reader, column, {kind: parts})


def _ands(reader: _Reader) -> Json:
    return _chain(reader, "and", "all")


def _at(reader: _Reader, column: int, node: Json) -> Json:
    reader.columns[id(node)] = {"": column}
    return node


def _one(reader: _Reader) -> Json:
    cursor = reader.cursor
    column = cursor.next.column
    if cursor.accept("not"):
        return _at(reader, column, {"not": _one(reader.deeper())})
    for kind in ("all", "any"):
        if cursor.accept(f"{kind} of ("):
            return _at(reader, column, {kind: _listed(reader.deeper())})
    if cursor.accept("("):
        return _closed(reader.deeper())
    return _related(reader) or _happened(reader) or _condition(reader)


def _closed(reader: _Reader) -> Json:
    found = _filter(reader)
    reader.cursor.expect(")")
    return found


def _listed(reader: _Reader) -> list[Json]:
    if reader.cursor.accept(")"):
        return []
    found = [_filter(reader)]
    while reader.cursor.accept(","):
        found.append(_filter(reader))
    reader.cursor.expect(")")
    return found


def _related(reader: _Reader) -> Json | None:
    """A condition on related records, if one begins here: `users` alone may also be how many there are."""
    cursor, column = reader.cursor, reader.cursor.next.column
    for name, relation in RELATIONS[reader.subject].items():
        if cursor.accept(f"no {name}"):
            return _at(reader, column, {"related": name, "op": "none", **_where(reader, relation.target)})
        for said, op in QUANTITIES:
            if cursor.accept(f"{name} {said}"):
                count = {} if op is Quantity.NONE else {"count": cursor.whole()}
                where = _where(reader, relation.target)
                return _at(reader, column, {"related": name, "op": op.value, **count, **where})
    return None


def _where(reader: _Reader, target: Subject) -> Json:
    if not reader.cursor.accept("where"):
        return {}
    reader.cursor.expect("(")
    return {"where": _closed(reader.deeper(target))}


def _happened(reader: _Reader) -> Json | None:
    """A condition on events, if one begins here."""
    cursor, column = reader.cursor, reader.cursor.next.column
    none = cursor.accept("no event")
    if not none and not cursor.accept("event"):
        return None
    named = cursor.next.column
    event = cursor.value()
    second = cursor.next.column
    op = Quantity.NONE if none else next((op for said, op in QUANTITIES if cursor.accept(said)), None)
    if op is None:
        raise cursor.expected(f"how often: {', '.join(said for said, _ in QUANTITIES)}")
    found = {"event": event, "op": op.value}
    if op is not Quantity.NONE:
        found["count"] = cursor.whole()
    days = cursor.next.column
    if cursor.accept("in last"):
        found["inLastDays"] = cursor.whole()
        cursor.expect("day" if cursor.says("day") else "days")
    reader.columns[id(found)] = {"": column, "event": named, "op": second, "count": second, "inLastDays": days}
    return found


def _condition(reader: _Reader) -> Json:
    cursor = reader.cursor
    first = cursor.next
    if first.kind not in (Kind.WORD, Kind.PATH) or first.source.lower() in RESERVED:
        raise cursor.expected("a field, NOT or (")
    path: str = cursor.take().value
    typed = {"type": cursor.value()} if cursor.accept("as") else {}
    second = cursor.next.column
    said = predicate(cursor)
    if said.get("type") == "list" and not _trait(path, reader.subject):
        said.pop("type")
    node = {"field": path, **said, **typed}
    reader.columns[id(node)] = {"": first.column, "op": second, "value": second}
    return node


def _trait(path: str, subject: Subject) -> bool:
    try:
        return find(path, subject).type is Type.TRAIT
    except UnknownFact:
        return False
