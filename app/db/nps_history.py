"""What scores were at an instant, from the answers there were by then, as SQL beside the records they are about.

Responses say when they were given, so nothing else need be kept. Whose answers count for an account or organization is
as it is now: who was linked when is not kept.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Numeric,
    Select,
    Text,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal_column,
    select,
    tuple_,
)

from app.db.grounds import TABLES
from app.db.responses import SPANS
from app.domain.fields import Fact, Subject
from app.domain.models import AccountParent, Affiliation, Membership, SurveyResponse
from app.domain.nps import PASSIVE_FROM, PROMOTER_FROM, Group

Value = ColumnElement[Any]
_STARTS: Final = {
    Subject.ACCOUNTS: (TABLES["account_facts"].c.workspace_id, TABLES["account_facts"].c.account_id),
    Subject.USERS: (TABLES["users"].c.workspace_id, TABLES["users"].c.id),
    Subject.ORGANIZATIONS: (TABLES["organizations"].c.workspace_id, TABLES["organizations"].c.id),
}
OF_USERS: Final = ("npsScore", "npsGroup", "npsRespondedAt")
OF_OTHERS: Final = ("nps", "npsResponses", "npsPromoters", "npsPassives", "npsDetractors", "npsLastAt")


def as_of(fact: Fact, at: datetime, subject: Subject) -> Value:
    """What one of these facts was."""
    answer: Any = SurveyResponse.__table__.alias()
    moment = bindparam(None, at, type_=DateTime(timezone=True))
    what = _of_user(fact, answer) if subject is Subject.USERS else _of_many(fact, answer)
    found = _counting(select(what), answer, moment, subject)
    if subject is Subject.USERS:
        found = found.limit(1)
    return found.scalar_subquery()


def _counting(query: Select[Any], answer: Any, moment: Value, subject: Subject) -> Select[Any]:
    """The answers that counted at a moment: of each user the latest by then."""
    workspace, record = _STARTS[subject]
    later: Any = SurveyResponse.__table__.alias()
    outdone = exists().where(
        later.c.workspace_id == answer.c.workspace_id,
        later.c.user_id == answer.c.user_id,
        later.c.score.is_not(None),
        later.c.responded_at <= moment,
        tuple_(later.c.responded_at, later.c.id) > tuple_(answer.c.responded_at, answer.c.id),
    )
    return query.where(
        answer.c.workspace_id == workspace,
        _belongs(answer, subject, workspace, record),
        answer.c.score.is_not(None),
        answer.c.responded_at <= moment,
        ~outdone.correlate_except(later),
    ).correlate_except(answer)


def _belongs(answer: Any, subject: Subject, workspace: Value, record: Value) -> ColumnElement[bool]:
    if subject is Subject.USERS:
        mine: ColumnElement[bool] = answer.c.user_id == record
        return mine
    link: Any = Membership.__table__.alias()
    linked = (link.c.workspace_id == workspace, link.c.user_id == answer.c.user_id, link.c.linked)
    if subject is Subject.ACCOUNTS:
        return exists().where(*linked, link.c.account_id == record).correlate_except(link)
    parent: Any = AccountParent.__table__.alias()
    direct: Any = Affiliation.__table__.alias()
    below = exists().where(
        *linked,
        parent.c.workspace_id == workspace,
        parent.c.account_id == link.c.account_id,
        parent.c.organization_id == record,
    )
    itself = exists().where(
        direct.c.workspace_id == workspace,
        direct.c.user_id == answer.c.user_id,
        direct.c.organization_id == record,
    )
    return below.correlate_except(link, parent) | itself.correlate_except(direct)


def _of_user(fact: Fact, answer: Any) -> Value:
    score = answer.c.score
    match fact.path:
        case "npsScore":
            return cast(score, Numeric)
        case "npsGroup":
            return case(
                (score >= PROMOTER_FROM, literal_column(f"'{Group.PROMOTER}'", Text)),
                (score >= PASSIVE_FROM, literal_column(f"'{Group.PASSIVE}'", Text)),
                else_=literal_column(f"'{Group.DETRACTOR}'", Text),
            )
        case _:
            moment: Value = answer.c.responded_at
            return moment


def _of_many(fact: Fact, answer: Any) -> Value:
    counts = {group: func.count().filter(answer.c.score.between(*span)) for group, span in SPANS.items()}
    match fact.path:
        case "nps":
            spread = counts[Group.PROMOTER] - counts[Group.DETRACTOR]
            share = literal_column("100.0", Numeric) * spread / func.nullif(func.count(), 0)
            return func.trim_scale(func.round(share, 2), type_=Numeric)
        case "npsResponses":
            return func.count()
        case "npsLastAt":
            return func.max(answer.c.responded_at)
        case _:
            return counts[_GROUPS[fact.path]]


_GROUPS: Final = {
    "npsPromoters": Group.PROMOTER,
    "npsPassives": Group.PASSIVE,
    "npsDetractors": Group.DETRACTOR,
}
