"""Writes a filter as text: a line that reads well and stands for the very same tree."""

import json
from typing import Any

from app.domain.fields import Subject, Type
from app.domain.filters.reading import implied, parse
from app.domain.filters.text.tokens import MOMENT, WORD
from app.domain.filters.text.words import DAYS, QUANTITIES, SETS, WRITTEN, Shape, shape
from app.domain.filters.tree import AllOf, AnyOf, Happened, Leaf, Not, Related, Tree
from app.domain.operators import Quantity


def render_text(source: Any, subject: Subject = Subject.ACCOUNTS) -> str:
    """The text form of a JSON filter on this subject. Raises `InvalidFilter`."""
    return write(parse(source, subject))


def write(tree: Tree) -> str:
    """The text form of a filter that is understood."""
    match tree:
        case Leaf():
            return _condition(tree)
        case Related():
            return _related(tree)
        case Happened():
            return _happened(tree)
        case Not(part):
            return f"NOT {_part(part)}"
        case AllOf(parts):
            return _group(parts, "AND", "all of")
        case AnyOf(parts):
            return _group(parts, "OR", "any of")


def _group(parts: tuple[Tree, ...], word: str, alone: str) -> str:
    """Groups of one or none have a form of their own, since no word stands between their parts."""
    if len(parts) < 2:
        return f"{alone} ({', '.join(write(part) for part in parts)})"
    return f" {word} ".join(_part(part) for part in parts)


def _part(tree: Tree) -> str:
    """A part of a group; groups inside groups stand in parentheses."""
    several = isinstance(tree, AllOf | AnyOf) and len(tree.parts) > 1
    return f"({write(tree)})" if several else write(tree)


def _related(related: Related) -> str:
    name = related.relation.name
    said = f"no {name}" if related.op is Quantity.NONE else f"{name} {_often(related)}"
    return said if related.where == AllOf(()) else f"{said} where ({write(related.where)})"


def _often(counted: Related | Happened) -> str:
    words = next(words for words, op in QUANTITIES if op is counted.op)
    return f"{words} {counted.count}"


def _happened(happened: Happened) -> str:
    name = _text(happened.event)
    said = f"no event {name}" if happened.op is Quantity.NONE else f"event {name} {_often(happened)}"
    return said if happened.days is None else f"{said} in last {happened.days} days"


def _condition(leaf: Leaf) -> str:
    return f"{_field(leaf)} {_said(leaf)}"


def _field(leaf: Leaf) -> str:
    """The path, what is a customer's name in quotes where it is odd, and how it is read where nothing else says so."""
    fact = leaf.fact
    path = fact.path
    named = fact.slot if fact.key is None else fact.key
    if named is not None and not WORD.match(path):
        path = path.removesuffix(named) + _text(named)
    listed = leaf.reading is Type.LIST and leaf.op in SETS
    if fact.key is None or listed or leaf.reading is implied(leaf.op, leaf.value):
        return path
    return f"{path} as {leaf.reading}"


def _said(leaf: Leaf) -> str:
    op, value = leaf.op, leaf.value
    match shape(op):
        case Shape.NOTHING:
            return WRITTEN[op]
        case Shape.DAYS:
            before, after = DAYS[op]
            return f"{before} {value} {after}"
        case Shape.LIST:
            words = SETS[op] if leaf.reading in (Type.LIST, Type.MULTI) else WRITTEN[op]
            return f"{words} ({', '.join(_value(leaf, one) for one in value)})"
        case Shape.PAIR:
            return f"{WRITTEN[op]} {_value(leaf, value[0])} and {_value(leaf, value[1])}"
        case Shape.MOVE:
            unit = "%" if value["unit"] == "percent" else ""
            return f"{WRITTEN[op]} {_number(value['by'])}{unit} in last {value['days']} days"
        case _:
            return f"{WRITTEN[op]} {_value(leaf, value)}"


def _value(leaf: Leaf, value: Any) -> str:
    if not isinstance(value, str):
        return _number(value)
    bare = leaf.fact.prefix or (leaf.reading is Type.DATETIME and MOMENT.fullmatch(value))
    return value if bare else _text(value)


def _number(value: float) -> str:
    return json.dumps(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
