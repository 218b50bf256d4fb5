"""Stores what users answered to surveys, and reads it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, delete, func, select, text, tuple_, update

from app.db.base import Session, rows
from app.domain.models import AccountParent, Affiliation, Membership, Survey, SurveyResponse, User
from app.domain.nps import LEAST, MOST, PASSIVE_FROM, PROMOTER_FROM, Group

_RESPONSES: Final = cast("Table", SurveyResponse.__table__)

# What is known under an external id is replaced by what is not older, and only where it is the same user's.
_PUT: Final = text(
    """
insert into survey_responses as x (
    workspace_id, id, survey_id, user_id, external_id, score, feedback, answers, responded_at, dismissed_at, source,
    created_at, updated_at
)
select :workspace, t.id, t.survey_id, t.user_id, t.external_id, t.score, t.feedback, t.answers, t.responded_at,
    t.dismissed_at, t.source, :now, :now
from jsonb_to_recordset(cast(:rows as jsonb)) as t (
    id uuid, survey_id uuid, user_id uuid, external_id text, score smallint, feedback text, answers jsonb,
    responded_at timestamptz, dismissed_at timestamptz, source text
)
order by t.external_id, t.id
on conflict (workspace_id, external_id) where external_id is not null do update set
    score = excluded.score, feedback = excluded.feedback, answers = excluded.answers,
    responded_at = excluded.responded_at, dismissed_at = excluded.dismissed_at, source = excluded.source,
    updated_at = excluded.updated_at
where x.user_id = excluded.user_id and x.survey_id = excluded.survey_id
    and coalesce(excluded.responded_at, excluded.dismissed_at) >= x.at
returning x.user_id
"""
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which responses a list is about; what is None does not narrow."""

    survey: UUID | None = None
    kind: str | None = None
    user: UUID | None = None
    account: UUID | None = None
    organization: UUID | None = None
    group: Group | None = None
    since: datetime | None = None
    until: datetime | None = None
    dismissed: bool = False
    """Whether dismissals are listed too."""


async def put(db: Session, workspace_id: UUID, new: Sequence[Mapping[str, Any]], *, now: datetime) -> set[UUID]:
    """Store responses, no two of which have one external id; the users of whom anything was written."""
    told = json.dumps(list(new), default=str)
    return set((await db.execute(_PUT, {"workspace": workspace_id, "rows": told, "now": now})).scalars())


async def under(db: Session, workspace_id: UUID, external_ids: Sequence[str]) -> Mapping[str, tuple[UUID, UUID, UUID]]:
    """Of each external id that is taken: the response, its survey and its user."""
    column = _RESPONSES.c.external_id
    query = select(column, _RESPONSES.c.id, _RESPONSES.c.survey_id, _RESPONSES.c.user_id).where(
        _RESPONSES.c.workspace_id == workspace_id, column == func.any(list(external_ids))
    )
    return {row[0]: (row[1], row[2], row[3]) for row in await db.execute(query)}


def _shown(workspace_id: UUID) -> Select[*tuple[Any, ...]]:
    """Everything shown of responses, to be narrowed."""
    return (
        select(
            *(column for column in _RESPONSES.c if column.name != "workspace_id"),
            Survey.slug,
            Survey.kind,
            User.external_id.label("user_external_id"),
            User.name.label("user_name"),
            User.email.label("user_email"),
        )
        .join(Survey, (Survey.workspace_id == _RESPONSES.c.workspace_id) & (Survey.id == _RESPONSES.c.survey_id))
        .join(User, (User.workspace_id == _RESPONSES.c.workspace_id) & (User.id == _RESPONSES.c.user_id))
        .where(_RESPONSES.c.workspace_id == workspace_id)
    )


async def one(db: Session, workspace_id: UUID, response_id: UUID) -> Mapping[str, Any] | None:
    """One response with its user and survey."""
    query = _shown(workspace_id).where(_RESPONSES.c.id == response_id)
    return next(iter(rows(await db.execute(query))), None)


async def page(
    db: Session, workspace_id: UUID, asked: Asked, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Responses, the latest first."""
    query = _shown(workspace_id).where(*_narrowed(workspace_id, asked))
    if before is not None:
        query = query.where(tuple_(_RESPONSES.c.at, _RESPONSES.c.id) < tuple_(*before))
    return rows(await db.execute(query.order_by(_RESPONSES.c.at.desc(), _RESPONSES.c.id.desc()).limit(limit)))


def _narrowed(workspace_id: UUID, asked: Asked) -> list[ColumnElement[bool]]:
    user, moment = _RESPONSES.c.user_id, _RESPONSES.c.at
    conditions = (
        (asked.survey, lambda value: _RESPONSES.c.survey_id == value),
        (asked.kind, lambda value: Survey.kind == value),
        (asked.user, lambda value: user == value),
        (asked.account, lambda value: user.in_(users_of_account(workspace_id, value))),
        (asked.organization, lambda value: user.in_(users_of_organization(workspace_id, value))),
        (asked.group, lambda value: _RESPONSES.c.score.between(*SPANS[value])),
        (asked.since, lambda value: moment >= value),
        (asked.until, lambda value: moment < value),
    )
    found = [make(value) for value, make in conditions if value is not None]
    return found if asked.dismissed else [*found, _RESPONSES.c.responded_at.is_not(None)]


SPANS: Final = {
    Group.DETRACTOR: (LEAST, PASSIVE_FROM - 1),
    Group.PASSIVE: (PASSIVE_FROM, PROMOTER_FROM - 1),
    Group.PROMOTER: (PROMOTER_FROM, MOST),
}


def users_of_account(workspace_id: UUID, account_id: UUID | ColumnElement[UUID]) -> Any:
    """The users linked to an account."""
    return select(Membership.user_id).where(
        Membership.workspace_id == workspace_id, Membership.account_id == account_id, Membership.linked
    )


def users_of_organization(workspace_id: UUID, organization_id: UUID) -> Any:
    """The users of an organization's accounts, and those who belong to it itself."""
    by_account = (
        select(Membership.user_id)
        .join(
            AccountParent,
            (AccountParent.workspace_id == Membership.workspace_id)
            & (AccountParent.account_id == Membership.account_id),
        )
        .where(
            Membership.workspace_id == workspace_id,
            Membership.linked,
            AccountParent.organization_id == organization_id,
        )
    )
    directly = select(Affiliation.user_id).where(
        Affiliation.workspace_id == workspace_id, Affiliation.organization_id == organization_id
    )
    return by_account.union(directly)


async def change(db: Session, workspace_id: UUID, response_id: UUID, values: Mapping[str, Any]) -> None:
    """Write these columns of a response."""
    await db.execute(
        update(_RESPONSES)
        .where(_RESPONSES.c.workspace_id == workspace_id, _RESPONSES.c.id == response_id)
        .values(**values)
    )


async def remove(db: Session, workspace_id: UUID, response_id: UUID) -> None:
    """Delete a response."""
    await db.execute(
        delete(_RESPONSES).where(_RESPONSES.c.workspace_id == workspace_id, _RESPONSES.c.id == response_id)
    )
