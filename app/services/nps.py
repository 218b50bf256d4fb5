"""Responses to surveys: taken in from programs, files and links; changed, listed, removed; and what they come to.

A response is news of its user: the user and their accounts and organizations are evaluated after it, in the same way
whether it came early or late, for it is each user's latest answer that counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import record_marks, records, responses, workspaces
from app.db.base import Session, unveiled
from app.db.responses import Asked
from app.domain import ids
from app.domain.erasures import Suppressed
from app.domain.fields import Subject
from app.domain.memory import Memory
from app.domain.messages import ACCEPTED, MOST_AHEAD, OLDEST, Envelope, ResponseMessage, UserMessage, Verdict
from app.domain.surveys import (
    InvalidAnswer,
    ResponseTaken,
    SurveyArchived,
    UnknownResponse,
    WrongKind,
    check_answers,
    question,
)
from app.services import audit, ingest, surveys, users
from app.services.ingest import Recorded
from app.services.users import UnknownUser

TAKEN: Final = "Another user's response, or another survey's, has this external id."
_MISUSED: Final = Verdict("conflict", ResponseTaken.code, TAKEN)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class New:
    """What a user said, or, with `dismissed`, that they would not say anything. Without a time: now."""

    source: str
    score: int | None = None
    feedback: str | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None
    external_id: str | None = None
    dismissed: bool = False

    def values(self, survey_id: UUID, user_id: UUID, at: datetime) -> dict[str, Any]:
        """As a row."""
        return {
            "id": ids.new_id(),
            "survey_id": survey_id,
            "user_id": user_id,
            "external_id": self.external_id,
            "score": self.score,
            "feedback": self.feedback,
            "answers": dict(self.answers),
            "responded_at": None if self.dismissed else at,
            "dismissed_at": at if self.dismissed else None,
            "source": self.source,
        }


async def record(
    db: Session, workspace_id: UUID, user_ref: str, survey_ref: str | None, new: New, memory: Memory, *, now: datetime
) -> Row:
    """Store a response; under an external id that is known it replaces what is not newer. A new external id of a user
    makes the user, as any message would.

    Raises `UnknownUser` (for an id of ours), `Suppressed`, `UnknownSurvey`, and what `answer` raises.
    """
    await workspaces.join_senders(db, workspace_id)
    user_id = await _user(db, workspace_id, user_ref, memory, now=now)
    if survey_ref is None:
        survey = await surveys.usual(db, workspace_id, now=now)
    else:
        survey = await surveys.show(db, workspace_id, survey_ref)
    return await answer(db, workspace_id, survey, user_id, new, now=now)


async def _user(db: Session, workspace_id: UUID, ref: str, memory: Memory, *, now: datetime) -> UUID:
    try:
        return await users.find(db, workspace_id, ref)
    except UnknownUser:
        if ids.read("usr", ref) is not None:
            raise
    told = Envelope((UserMessage(now, ref, (), {}),), None, 0)
    recorded = await ingest.record(db, workspace_id, [told], memory, now=now)
    if recorded.verdicts[0].status == "suppressed":
        raise Suppressed("Nothing of it was stored. To let them come back, delete their suppression.")
    return UUID(recorded.batch.user_ids[ref])


async def answer(db: Session, workspace_id: UUID, survey: Row, user_id: UUID, new: New, *, now: datetime) -> Row:
    """Store what a known user said to a survey, and have whatever hangs on it evaluated; the response as it stands.

    For transactions that share the senders' lock. Raises `InvalidAnswer`, `ResponseTaken`.
    """
    check(survey, new, now=now)
    values = new.values(survey["id"], user_id, new.at or now)
    touched = await responses.put(db, workspace_id, [values], now=now)
    found = values["id"]
    if new.external_id is not None:
        found, *owner = (await responses.under(db, workspace_id, [new.external_id]))[new.external_id]
        if owner != [survey["id"], user_id]:
            raise ResponseTaken(TAKEN)
    await _tell(db, workspace_id, touched)
    return await show(db, workspace_id, found)


def check(survey: Row, new: New, *, now: datetime) -> None:
    """Raises `InvalidAnswer` unless this can be said to the survey."""
    check_time(new.at, now=now)
    if new.dismissed:
        return
    if (new.score is None) != (survey["kind"] != "nps"):
        wanted = "wants a score from 0 to 10" if survey["kind"] == "nps" else "has no score: it is no NPS survey"
        raise InvalidAnswer(f"This survey {wanted}.", errors=[{"pointer": "#/score", "detail": wanted}])
    # What programs and files know of an NPS answer is the score; other questions are asked of people.
    whole = survey["kind"] != "nps" or new.source == "link"
    check_answers([question(one) for one in survey["questions"]], new.answers, whole=whole)


def check_time(at: datetime | None, *, now: datetime) -> None:
    """Raises `InvalidAnswer` for times before 2000 or more than a day ahead."""
    if at is not None and not OLDEST <= at <= now + MOST_AHEAD:
        detail = "A time lies between the year 2000 and a day from now."
        raise InvalidAnswer(detail, errors=[{"pointer": "#/respondedAt", "detail": detail}])


async def record_many(
    db: Session, workspace_id: UUID, envelopes: Sequence[Envelope], memory: Memory, *, now: datetime
) -> Recorded:
    """Take in rows of a file: users who are new are made, deleted ones stay away, and repeats are known by their ids.

    Raises nothing for single rows: the verdicts tell.
    """
    recorded = await ingest.record(db, workspace_id, envelopes, memory, now=now)
    verdicts = list(recorded.verdicts)
    fresh = {n: _said(envelopes[n]) for n, verdict in enumerate(verdicts) if verdict is ACCEPTED}
    if not fresh:
        return recorded
    survey = await surveys.usual(db, workspace_id, now=now)
    user_ids = recorded.batch.user_ids
    rows = {n: _new(one).values(survey["id"], UUID(user_ids[one.user]), one.at) for n, one in fresh.items()}
    touched = await responses.put(db, workspace_id, _latest(list(rows.values())), now=now)
    names = [one.external_id for one in fresh.values() if one.external_id is not None]
    known = await responses.under(db, workspace_id, names)
    for n, row in rows.items():
        taken = known.get(row["external_id"])
        if taken is not None and taken[1:] != (row["survey_id"], row["user_id"]):
            verdicts[n] = _MISUSED
    await _tell(db, workspace_id, touched)
    return replace(recorded, verdicts=verdicts)


def _said(envelope: Envelope) -> ResponseMessage:
    (message,) = envelope.messages
    assert isinstance(message, ResponseMessage)  # noqa: S101 - rows of this kind are nothing else
    return message


def _new(said: ResponseMessage) -> New:
    return New("import", said.score, said.feedback, external_id=said.external_id)


def _latest(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of rows of one slice that share an external id the first user's, and of these the latest, as one by one."""
    kept: dict[Any, Mapping[str, Any]] = {}
    for row in rows:
        key = row["external_id"] or row["id"]
        before = kept.get(key)
        same = before is None or before["user_id"] == row["user_id"]
        if same and (before is None or row["responded_at"] >= before["responded_at"]):
            kept[key] = row
    return list(kept.values())


async def _tell(db: Session, workspace_id: UUID, user_ids: Sequence[UUID] | set[UUID]) -> None:
    """Have the users and what they belong to evaluated.

    Somebody who is just being linked is not seen yet: their own evaluation, after this has committed, tells once more.
    """
    told = sorted(user_ids)
    async with unveiled(db):
        await record_marks.mark(db, workspace_id, Subject.USERS, told)
        await records.mark_homes(db, workspace_id, told)


async def show(db: Session, workspace_id: UUID, response_id: UUID | None, *, kind: str | None = None) -> Row:
    """One response. Raises `UnknownResponse`."""
    found = None if response_id is None else await responses.one(db, workspace_id, response_id)
    if found is None or (kind is not None and found["kind"] != kind):
        raise UnknownResponse("No response has this id.")
    return found


async def answered(db: Session, workspace_id: UUID, external_id: str) -> Row | None:
    """The answer under an external id; None where there is none, or a dismissal."""
    found = (await responses.under(db, workspace_id, [external_id])).get(external_id)
    row = None if found is None else await show(db, workspace_id, found[0])
    return row if row is not None and row["responded_at"] is not None else None


async def of_survey(db: Session, workspace_id: UUID, survey_id: UUID, response_id: UUID | None) -> Row:
    """One response to a survey. Raises `UnknownResponse`."""
    found = await show(db, workspace_id, response_id)
    if found["survey_id"] != survey_id:
        raise UnknownResponse("No response to this survey has this id.")
    return found


async def page(
    db: Session, workspace_id: UUID, asked: Asked, *, before: tuple[datetime, UUID] | None, limit: int
) -> Sequence[Row]:
    """Responses, the latest first."""
    return await responses.page(db, workspace_id, asked, before=before, limit=limit)


async def change(
    db: Session, workspace_id: UUID, response_id: UUID | None, wanted: Mapping[str, Any], *, now: datetime
) -> Row:
    """Change score, feedback or time of an NPS response. Raises `UnknownResponse`, `InvalidAnswer`."""
    await workspaces.join_senders(db, workspace_id)
    known = await show(db, workspace_id, response_id, kind="nps")
    if known["dismissed_at"] is not None:
        raise InvalidAnswer("It is a dismissal: delete it, and send a response.")
    check_time(wanted.get("responded_at"), now=now)
    values = {key: value for key, value in wanted.items() if known[key] != value}
    if values:
        audit.add(db, before={key: _told(known[key]) for key in values if key != "feedback"})
        await responses.change(db, workspace_id, known["id"], {**values, "updated_at": now})
        await _tell(db, workspace_id, [known["user_id"]])
    return await show(db, workspace_id, known["id"])


def _told(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


async def remove(db: Session, workspace_id: UUID, response: Row) -> None:
    """Delete a response; the one before it, if there is one, counts again."""
    await workspaces.join_senders(db, workspace_id)
    await responses.remove(db, workspace_id, response["id"])
    await _tell(db, workspace_id, [response["user_id"]])


async def kind_of(db: Session, workspace_id: UUID, ref: str | None, wanted: str) -> UUID | None:
    """The survey a request names, of this kind. Raises `UnknownSurvey`, `WrongKind`."""
    if ref is None:
        return None
    survey = await surveys.show(db, workspace_id, ref)
    if survey["kind"] != wanted:
        raise WrongKind("This survey is no NPS survey; its responses are under /surveys/…/responses.")
    found: UUID = survey["id"]
    return found


def refuse_archived(survey: Row) -> None:
    """Raises `SurveyArchived`."""
    if survey["archived_at"] is not None:
        raise SurveyArchived("Nobody is asked by an archived survey.")
