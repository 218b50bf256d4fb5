"""Segments: groups of accounts, users or organizations by rule, by hand and by automations."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Query

from app.api.deps import Now, Paged, Reader, Ref, RuleMaker, SegmentEditor, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.segments import (
    RecordSegmentOut,
    RecordSegmentsOut,
    Result,
    SampledRecord,
    SegmentChangeOut,
    SegmentChangePage,
    SegmentIn,
    SegmentKpisOut,
    SegmentMemberExplained,
    SegmentMemberOut,
    SegmentMemberPage,
    SegmentOut,
    SegmentPage,
    SegmentPatch,
    SegmentPreviewIn,
    SegmentPreviewOut,
    SegmentStateIn,
    SegmentStateResult,
    SegmentStatesIn,
    SegmentStatesOut,
    SubjectName,
)
from app.db.base import veiled
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.fields import Subject
from app.domain.filters import InvalidFilter, NeedsMember
from app.domain.keys import Caller
from app.domain.segments import (
    EmptySegmentFilter,
    Membership,
    Outcome,
    SegmentArchived,
    SegmentDecidesHealth,
    SegmentExists,
    State,
    TooManySegments,
    UnknownSegment,
)
from app.services import membership, segments
from app.services.accounts import UnknownAccount
from app.services.membership import PREFIXES, Figures, Hand
from app.services.organizations import UnknownOrganization
from app.services.reports import Count
from app.services.segments import Definition
from app.services.users import UnknownUser

router = Router("segments")

LINKS = {
    name: {"operationId": name, "parameters": {"segment": "$response.body#/id"}}
    for name in ("getSegment", "updateSegment", "archiveSegment", "listSegmentMembers", "getSegmentKpis")
}
NO_RECORD = (UnknownAccount, UnknownUser, UnknownOrganization)
BAD_FILTER = (InvalidFilter, NeedsMember, EmptySegmentFilter)


def _shown(row: Mapping[str, Any], count: Count) -> SegmentOut:
    fields = {**row, "members": count.number, "members_capped": count.capped}
    return SegmentOut.model_validate(fields, extra="ignore")


async def _counted(tx: Tx, caller: Caller, row: Mapping[str, Any]) -> SegmentOut:
    async with veiled(tx, caller.veil):
        counted = await membership.counts(tx, caller.workspace_id, [row["id"]])
    return _shown(row, counted[row["id"]])


def _between(found: Membership) -> dict[str, Any]:
    out = found.exclusion
    return {
        "member": found.member,
        "state": found.state,
        "since": found.since,
        "sources": [
            {
                "source": link.source,
                "since": link.added_at,
                "by": link.added_by,
                "held_back": link.source in found.held_back,
            }
            for link in found.links
        ],
        "excluded": out and {"since": out.excluded_at, "by": out.excluded_by, "holds_back": list(out.sources)},
    }


def _member(subject: Subject, row: Mapping[str, Any]) -> SegmentMemberOut:
    named = {"id": ids.show(PREFIXES[subject], row["id"]), "external_id": row["external_id"], "name": row["name"]}
    return SegmentMemberOut.model_validate({**named, **_between(row["membership"])})


def _explained(subject: Subject, row: Mapping[str, Any]) -> SegmentMemberExplained:
    shown = _member(subject, row).model_dump(by_alias=False)
    return SegmentMemberExplained.model_validate({**shown, "conditions": row["conditions"]})


@router.post(
    "/segments",
    status_code=201,
    operation_id="createSegment",
    responses={
        **problems(*BAD_FILTER, SegmentExists, TooManySegments),
        201: {"description": "The segment.", "links": LINKS},
    },
)
async def create_segment(body: SegmentIn, caller: RuleMaker, tx: Tx, now: Now) -> SegmentOut:
    """Define a segment. With a filter, every record is looked at in the background, and from then on whenever it may
    enter or leave."""
    new = Definition(Subject(body.subject), body.name, body.description, body.color, body.filter)
    return _shown(await segments.create(tx, caller.workspace_id, new, now=now), Count(0, capped=False))


@router.get("/segments", operation_id="listSegments", responses=problems(InvalidCursor))
async def list_segments(
    caller: Reader,
    tx: Tx,
    paging: Paged,
    subject: Annotated[SubjectName | None, Query(description="Only those of this subject.")] = None,
    archived: Annotated[bool, Query(description="Also list archived ones.")] = False,  # noqa: FBT002 - a query parameter
) -> SegmentPage:
    """Segments in the order they were made, each with how many are in it."""
    scope = f"segments:{subject}:{archived}"
    after = paging.after(scope)
    wanted = None if subject is None else Subject(subject)
    start = after[0] if after else None
    found = await segments.page(
        tx, caller.workspace_id, subject=wanted, after=start, limit=paging.fetch, archived=archived
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    counted = await membership.counts(tx, caller.workspace_id, [row["id"] for row in rows])
    return page([_shown(row, counted[row["id"]]) for row in rows], cursor, SegmentPage)


@router.post("/segments/preview", operation_id="previewSegment", responses=problems(*BAD_FILTER))
async def preview_segment(body: SegmentPreviewIn, caller: Reader, tx: Tx, now: Now) -> SegmentPreviewOut:
    """How many records a filter matches now, and ten of them. Nothing is stored."""
    found = await segments.preview(tx, caller, Subject(body.subject), body.filter, now=now)
    sample = [SampledRecord(id=row["id"], external_id=row["externalId"], name=row["name"]) for row in found.sample]
    return SegmentPreviewOut(count=found.count.number, count_capped=found.count.capped, sample=sample)


@router.get("/segments/{segment}", operation_id="getSegment", responses=problems(UnknownSegment))
async def get_segment(segment: Ref, caller: Reader, tx: Tx) -> SegmentOut:
    """One segment, archived or not."""
    row = await segments.show(tx, caller.workspace_id, ids.read("seg", segment))
    return await _counted(tx, caller, row)


@router.patch(
    "/segments/{segment}",
    operation_id="updateSegment",
    responses=problems(UnknownSegment, *BAD_FILTER, SegmentArchived, SegmentDecidesHealth, SegmentExists),
)
async def update_segment(segment: Ref, body: SegmentPatch, caller: RuleMaker, tx: Tx, now: Now) -> SegmentOut:
    """Change a segment. A new filter is applied to every record; what was decided by hand stays."""
    wanted = {name: getattr(body, name) for name in body.model_fields_set}
    row = await segments.change(tx, caller.workspace_id, ids.read("seg", segment), wanted, now=now)
    return await _counted(tx, caller, row)


@router.delete(
    "/segments/{segment}", status_code=204, operation_id="archiveSegment", responses=problems(UnknownSegment)
)
async def archive_segment(segment: Ref, caller: RuleMaker, tx: Tx, now: Now) -> None:
    """Retire a segment: everybody leaves it, its history stays. Repeating it is harmless."""
    await segments.archive(tx, caller.workspace_id, ids.read("seg", segment), now=now)


@router.get(
    "/segments/{segment}/members", operation_id="listSegmentMembers", responses=problems(UnknownSegment, InvalidCursor)
)
async def list_segment_members(
    segment: Ref,
    caller: Reader,
    tx: Tx,
    paging: Paged,
    excluded: Annotated[bool, Query(description="List who was removed by hand instead.")] = False,  # noqa: FBT002 - a query parameter
) -> SegmentMemberPage:
    """Who is in the segment, since when, and by which sources."""
    segment_id = ids.read("seg", segment)
    scope = f"segment_members:{segment_id}:{excluded}"
    after = paging.after(scope)
    start = after[0] if after else None
    subject, found = await membership.page(
        tx, caller.workspace_id, segment_id, excluded=excluded, after=start, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([_member(subject, row) for row in rows], cursor, SegmentMemberPage)


@router.post(
    "/segments/{segment}/members",
    operation_id="setSegmentMembers",
    responses=problems(UnknownSegment, SegmentArchived),
)
async def set_segment_members(
    segment: Ref, body: SegmentStatesIn, caller: SegmentEditor, tx: Tx, now: Now
) -> SegmentStatesOut:
    """Include up to 1,000 records by hand, exclude them, or hand them back to what is automatic."""
    wanted = [(item.record, State(item.state)) for item in body.data]
    subject, found = await membership.decide_many(
        tx, caller.workspace_id, ids.read("seg", segment), wanted, Hand.of(caller), now=now
    )
    results = [
        SegmentStateResult(
            record=ref,
            id=None if id_ is None else ids.show(PREFIXES[subject], id_),
            result=_result(outcome),
            member=outcome is not None and outcome.member,
        )
        for ref, id_, outcome in found
    ]
    return SegmentStatesOut(data=results)


def _result(outcome: Outcome | None) -> Result:
    return "unknown" if outcome is None else outcome.change or "unchanged"


@router.get(
    "/segments/{segment}/members/{record}",
    operation_id="getSegmentMember",
    responses=problems(UnknownSegment, *NO_RECORD),
)
async def get_segment_member(segment: Ref, record: Ref, caller: Reader, tx: Tx, now: Now) -> SegmentMemberExplained:
    """Whether a record is in the segment, and why or why not."""
    subject, row = await membership.one(tx, caller.workspace_id, ids.read("seg", segment), record, now=now)
    return _explained(subject, row)


@router.put(
    "/segments/{segment}/members/{record}",
    operation_id="setSegmentMember",
    responses=problems(UnknownSegment, SegmentArchived, *NO_RECORD),
)
async def set_segment_member(
    segment: Ref, record: Ref, body: SegmentStateIn, caller: SegmentEditor, tx: Tx, now: Now
) -> SegmentMemberExplained:
    """Decide by hand that a record is in the segment or is not, or hand it back to what is automatic."""
    segment_id, state = ids.read("seg", segment), State(body.state)
    subject, row = await membership.decide(tx, caller.workspace_id, segment_id, record, state, Hand.of(caller), now=now)
    return _explained(subject, row)


@router.delete(
    "/segments/{segment}/members/{record}",
    status_code=204,
    operation_id="removeSegmentMember",
    responses=problems(UnknownSegment, SegmentArchived, *NO_RECORD),
)
async def remove_segment_member(segment: Ref, record: Ref, caller: SegmentEditor, tx: Tx, now: Now) -> None:
    """Remove a record by hand, as with the state `excluded`: what put it there does not bring it back."""
    segment_id, hand = ids.read("seg", segment), Hand.of(caller)
    await membership.decide(tx, caller.workspace_id, segment_id, record, State.EXCLUDED, hand, now=now)


@router.get(
    "/segments/{segment}/history",
    operation_id="listSegmentChanges",
    responses=problems(UnknownSegment, *NO_RECORD, InvalidCursor),
)
async def list_segment_changes(
    segment: Ref,
    caller: Reader,
    tx: Tx,
    paging: Paged,
    record: Annotated[
        str | None, Query(min_length=1, max_length=800, description="Only this record: an id of ours or your own.")
    ] = None,
) -> SegmentChangePage:
    """Who entered and left, when and why, the newest first."""
    segment_id = ids.read("seg", segment)
    scope = f"segment_changes:{segment_id}:{record}"
    after = paging.after(scope)
    before = (after[0], after[1]) if after else None
    subject, found = await membership.history(
        tx, caller.workspace_id, segment_id, record, before=before, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["at"], row["id"]])
    return page([_change(subject, row) for row in rows], cursor, SegmentChangePage)


def _change(subject: Subject, row: Mapping[str, Any]) -> SegmentChangeOut:
    fields = {**row, "id": ids.show(PREFIXES[subject], row["record_id"]), "by": row["changed_by"]}
    return SegmentChangeOut.model_validate(fields, extra="ignore")


@router.get("/segments/{segment}/kpis", operation_id="getSegmentKpis", responses=problems(UnknownSegment))
async def get_segment_kpis(
    segment: Ref,
    caller: Reader,
    tx: Tx,
    now: Now,
    quiet_days: Annotated[int, Query(alias="quietDays", ge=1, le=3650, description="How long is quiet.")] = 7,
    days: Annotated[int, Query(ge=1, le=3650, description="How far back to count who entered and left.")] = 30,
) -> SegmentKpisOut:
    """Key figures of the members: how many, their revenue, statuses, who is quiet, and how many entered and left."""
    segment_id = ids.read("seg", segment)
    found = await membership.figures(
        tx, caller.workspace_id, segment_id, quiet_days=quiet_days, moved_days=days, now=now
    )
    return SegmentKpisOut.model_validate(
        {
            "members": found.members,
            "mrr": _revenue(found.mrr, found.with_mrr),
            "statuses": _statuses(found),
            "seen": {"quiet_days": quiet_days, "quiet": found.quiet, "never_seen": found.never_seen},
            "moved": {"days": days, "entered": found.entered, "left": found.left},
        }
    )


def _revenue(total: Decimal | None, members: int | None) -> dict[str, Any] | None:
    if members is None:
        return None
    total = total or Decimal(0)
    return {"total": total, "average": total / members if members else None, "members": members}


def _statuses(found: Figures) -> Sequence[Mapping[str, Any]]:
    ordered = sorted(found.statuses, key=lambda row: (-row["members"], row["status"]))
    return [
        {"status": row["status"], "members": row["members"], "mrr": _revenue(row.get("mrr"), row.get("with_mrr"))}
        for row in ordered
    ]


def _of_record(found: Sequence[Mapping[str, Any]]) -> RecordSegmentsOut:
    shown = [
        RecordSegmentOut.model_validate(
            {
                "segment": {"id": row["id"], "name": row["name"], "color": row["color"]},
                **_between(row["membership"]),
            }
        )
        for row in found
    ]
    return RecordSegmentsOut(data=shown)


@router.get("/accounts/{account}/segments", operation_id="listAccountSegments", responses=problems(UnknownAccount))
async def list_account_segments(account: Ref, caller: Reader, tx: Tx) -> RecordSegmentsOut:
    """The segments the account is in, and those it was removed from by hand."""
    return _of_record(await membership.of_record(tx, caller.workspace_id, Subject.ACCOUNTS, account))


@router.get("/users/{user}/segments", operation_id="listUserSegments", responses=problems(UnknownUser))
async def list_user_segments(user: Ref, caller: Reader, tx: Tx) -> RecordSegmentsOut:
    """The segments the user is in, and those they were removed from by hand."""
    return _of_record(await membership.of_record(tx, caller.workspace_id, Subject.USERS, user))


@router.get(
    "/organizations/{organization}/segments",
    operation_id="listOrganizationSegments",
    responses=problems(UnknownOrganization),
)
async def list_organization_segments(organization: Ref, caller: Reader, tx: Tx) -> RecordSegmentsOut:
    """The segments the organization is in, and those it was removed from by hand."""
    return _of_record(await membership.of_record(tx, caller.workspace_id, Subject.ORGANIZATIONS, organization))
