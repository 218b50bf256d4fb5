"""Lifecycle rules as somebody writes them: read strictly, and kept from asking about what comes after them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from app.domain.errors import Rejected
from app.domain.fields import Stage, Subject
from app.domain.filters import (
    AllOf,
    AnyOf,
    Happened,
    InvalidFilter,
    Leaf,
    Not,
    Related,
    Tree,
    bind,
    conditions,
    leaves,
    parse,
    relations,
)
from app.domain.operators import MOVES

Name = Literal["track", "churned", "trial", "subscribed"]
Mode = Literal["exclude", "include"]

NAMES: Final[tuple[Name, ...]] = ("track", "churned", "trial", "subscribed")
POINTERS: Final[Mapping[Name, str]] = {name: f"#/{name}" for name in NAMES[1:]} | {NAMES[0]: "#/track/filter"}


class UnusableRules(Rejected):
    """The lifecycle rules cannot be used."""

    code = "unusable_lifecycle_rules"


@dataclass(frozen=True, slots=True)
class Rules:
    """The conditions of one subject, understood. `include` tracks only what matches, `exclude` all that does not."""

    trees: Mapping[Name, Tree] = field(default_factory=dict)
    mode: Mode = "exclude"
    keep_mrr: bool = True

    def answers(self, holding: frozenset[Name]) -> dict[str, bool | None]:
        """What the conditions say of a record for which these hold; None where there is no condition."""
        found: dict[str, bool | None] = {name: name in holding if name in self.trees else None for name in NAMES}
        matches = found.pop("track")
        found["ignored"] = None if matches is None else matches is (self.mode == "exclude")
        return found


def read(written: Mapping[str, Any], subject: Subject) -> Rules:
    """The rules behind their JSON. Raises `InvalidFilter`, `UnusableRules`, pointing at what is wrong."""
    track = written.get("track")
    sources: dict[Name, Any] = {name: written.get(name) for name in NAMES[1:]}
    sources[NAMES[0]] = track and track["filter"]
    given = {name: source for name, source in sources.items() if source is not None}
    if subject is Subject.USERS and (misplaced := sorted(given.keys() - {"churned"})):
        detail = "Users have churn rules only: who meets them is deactivated."
        raise UnusableRules(detail, errors=[{"pointer": f"#/{name}", "detail": detail} for name in misplaced])
    return Rules(
        trees={name: _tree(given[name], subject, POINTERS[name]) for name in NAMES if name in given},
        mode=track["mode"] if track else "exclude",
        keep_mrr=written.get("keepMrrWhenChurned", True),
    )


def _tree(source: Any, subject: Subject, pointer: str) -> Tree:
    try:
        tree = parse(source, subject)
    except InvalidFilter as invalid:
        raise _moved(invalid, pointer) from invalid
    if next(conditions(tree), None) is None:
        raise _refused(pointer, "Add a condition: without one every record would match.")
    for leaf in _all_leaves(tree):
        if _comes_later(leaf):
            what = f"How `{leaf.fact.path}` moved" if leaf.op in MOVES else f"`{leaf.fact.path}`"
            raise _refused(pointer, f"{what} is derived after the lifecycle, or from it: no lifecycle rule can ask it.")
    return _as_said(bind(tree, None))


def _as_said(tree: Tree) -> Tree:
    """The filter with accounts' MRR as their traits say it: what a churned account keeps follows from its status."""
    match tree:
        case Leaf():
            kept = tree.fact.table == "account_facts" and tree.fact.column == "mrr"
            return replace(tree, fact=replace(tree.fact, column="revenue")) if kept else tree
        case Related():
            return replace(tree, where=_as_said(tree.where))
        case Happened():
            return tree
        case Not(part):
            return Not(_as_said(part))
        case AllOf(parts):
            return AllOf(tuple(_as_said(part) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(_as_said(part) for part in parts))


def _all_leaves(tree: Tree) -> Iterator[Leaf]:
    """Every condition on a fact, those of related records included."""
    yield from leaves(tree)
    for related in relations(tree):
        yield from leaves(related.where)


def _moved(invalid: InvalidFilter, pointer: str) -> InvalidFilter:
    """The same refusal, pointing into the rules instead of into a filter on its own."""
    errors = [
        {**error, "pointer": pointer + error["pointer"].removeprefix("#/filter")}
        for error in invalid.context.get("errors", [])
    ]
    detail = invalid.detail.replace("#/filter", pointer, 1) if invalid.detail.startswith("#/filter") else invalid.detail
    return InvalidFilter(detail, errors=errors)


def _refused(pointer: str, detail: str) -> InvalidFilter:
    return InvalidFilter(f"{pointer}: {detail}", errors=[{"pointer": pointer, "detail": detail}])


def _comes_later(leaf: Leaf) -> bool:
    return leaf.fact.stage >= Stage.STATUS or leaf.op in MOVES
