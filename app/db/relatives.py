"""The records related to a record, as SQL: how each relation is walked.

Every relation is a table (or a query) of pairs, joined first: so written, the planner may turn "has at least one" into
one join over all accounts instead of a look per account.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Select, and_, any_, select, true, tuple_

from app.db.grounds import TABLES, Ground, join
from app.domain.fields import Fact, Relation, Subject
from app.domain.models import AccountParent, Affiliation, Membership

_MEMBERSHIPS: Final = Membership.__table__
_PARENTS: Final = AccountParent.__table__
_AFFILIATIONS: Final = Affiliation.__table__

Pairs = tuple[FromClause, str, str, bool]  # the table, its column of this side, that of the other, and if it may unlink


def _people() -> FromClause:
    """Users of an organization's accounts, and those who belong to it directly; each once."""
    membership, parent, own = _MEMBERSHIPS.alias(), _PARENTS.alias(), _AFFILIATIONS.alias()
    link = and_(membership.c.workspace_id == parent.c.workspace_id, membership.c.account_id == parent.c.account_id)
    through = (
        select(parent.c.workspace_id, parent.c.organization_id, membership.c.user_id)
        .select_from(parent.join(membership, link))
        .where(membership.c.linked)
    )
    return through.union(select(own.c.workspace_id, own.c.organization_id, own.c.user_id)).subquery()


PAIRS: Final[Mapping[tuple[Subject, Subject], Callable[[], Pairs]]] = {
    (Subject.ACCOUNTS, Subject.USERS): lambda: (_MEMBERSHIPS.alias(), "account_id", "user_id", True),
    (Subject.USERS, Subject.ACCOUNTS): lambda: (_MEMBERSHIPS.alias(), "user_id", "account_id", True),
    (Subject.ORGANIZATIONS, Subject.ACCOUNTS): lambda: (_PARENTS.alias(), "organization_id", "account_id", False),
    (Subject.ORGANIZATIONS, Subject.USERS): lambda: (_people(), "organization_id", "user_id", False),
}


@dataclass(frozen=True, slots=True)
class Walk:
    """A way from records to those related to them: a query over the latter, and where it knows the former."""

    query: Select[Any]
    workspace: ColumnElement[UUID]
    own: ColumnElement[UUID]


def _walk(relation: Relation, there: Ground, facts: list[Fact], *columns: ColumnElement[Any]) -> Walk:
    pairs, own, other, unlinks = PAIRS[relation.subject, relation.target]()
    met = and_(there.workspace == pairs.c.workspace_id, there.id == pairs.c[other])
    query = join(select(*columns).select_from(pairs.join(there.start, met)), there, facts)
    return Walk(query.where(pairs.c.linked if unlinks else true()), pairs.c.workspace_id, pairs.c[own])


def related(
    relation: Relation, here: Ground, there: Ground, column: ColumnElement[Any], facts: list[Fact]
) -> Select[Any]:
    """A query of `column` over the records `there` that are related to the one `here`, with what `facts` need."""
    walk = _walk(relation, there, facts, column)
    own = and_(walk.workspace == here.workspace, walk.own == here.id)
    return walk.query.where(own).correlate(*here.tables.values())


def alerted(here: Ground, indicators: ColumnElement[Any] | None) -> ColumnElement[bool]:
    """Whether an account is among all those with an alert that is not resolved, of any indicator or of these."""
    alert = TABLES["alerts"].alias()
    query = select(alert.c.workspace_id, alert.c.account_id).where(alert.c.resolved_at.is_(None))
    if indicators is not None:
        query = query.where(alert.c.indicator_id == any_(indicators))
    return tuple_(here.workspace, here.id).in_(query)


def counts(
    relation: Relation, there: Ground, facts: list[Fact], where: ColumnElement[bool], enough: ColumnElement[bool]
) -> Select[Any]:
    """Which records have `enough` related ones that satisfy a condition: all of them at once."""
    walk = _walk(relation, there, facts)
    query = walk.query.add_columns(walk.workspace, walk.own).where(where, walk.own.is_not(None))
    return query.group_by(walk.workspace, walk.own).having(enough)
