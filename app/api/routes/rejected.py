"""Rejected messages: what was refused and why; look at it, mend it, try it again, or let it go."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Depends, Path, Query, Response

from app.api.deps import Integrator, Now, Paged, RawReader, Services, Tx
from app.api.group_commit import Overloaded
from app.api.paging import Paging
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import Instant, page
from app.api.schemas.rejected import (
    MENDED,
    DeletedOut,
    RejectedCountOut,
    RejectedCounts,
    RejectedDetail,
    RejectedOut,
    RejectedPage,
    ReplayManyIn,
    ReplayManyOut,
    ReplayOneIn,
    ReplayOut,
    SourceName,
    StateName,
    StillRefused,
)
from app.db.rejections import Settled
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.rejections import AlreadyReplayed, NoFilter, NotReplayable, UnknownRejected, Wanted
from app.services import rejections
from app.services.rejections import REPLAYED_AT_ONCE

router = Router("rejected messages")

RejectedPath = Annotated[
    str, Path(description="The rejected message's id.", examples=["rej_0190f3c2a1b27c3d8e4f5a6b7c8d9e0f"])
]
Source = Annotated[SourceName | None, Query(description="Only what came in this dialect.")]
Code = Annotated[str | None, Query(min_length=1, max_length=100, description="Only what was refused for this reason.")]
Since = Annotated[Instant | None, Query(description="Only what was first refused at this moment or later.")]
Until = Annotated[Instant | None, Query(description="Only what was first refused before this moment.")]
Replayable = Annotated[bool | None, Query(description="Only what was (not) kept whole.")]


async def _wanted(
    *,
    state: Annotated[StateName, Query(description="`open`: not taken by a replay yet.")] = "open",
    source: Source = None,
    code: Code = None,
    since: Since = None,
    until: Until = None,
    replayable: Replayable = None,
) -> Wanted:
    return Wanted(state, source, code, since, until, replayable)


Filtered = Annotated[Wanted, Depends(_wanted)]


def _id(text: str) -> UUID | None:
    return ids.read("rej", text)


@router.get("/rejected-messages", operation_id="listRejectedMessages", responses=problems(InvalidCursor))
async def list_rejected_messages(caller: RawReader, tx: Tx, paging: Paged, wanted: Filtered) -> RejectedPage:
    """What was refused, the newest first, without the items themselves."""
    scope = f"rejected:{wanted}"
    after = paging.after(scope)
    before = after[0] if after else None
    found = await rejections.page(tx, caller.workspace_id, wanted, before=before, limit=paging.fetch)
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([RejectedOut.model_validate(row, extra="ignore") for row in rows], cursor, RejectedPage)


@router.get("/rejected-messages/counts", operation_id="countRejectedMessages")
async def count_rejected_messages(
    caller: RawReader,
    tx: Tx,
    now: Now,
    days: Annotated[int, Query(ge=1, le=400, description="How many days, today included.")] = 30,
) -> RejectedCounts:
    """How many items were refused, by day, source and code; also of those no longer in the list."""
    found = await rejections.counts(tx, caller.workspace_id, days=days, now=now)
    return RejectedCounts(data=[RejectedCountOut.model_validate(row) for row in found])


@router.get(
    "/rejected-messages/{rejected}",
    operation_id="getRejectedMessage",
    response_model=RejectedDetail,
    responses=problems(UnknownRejected),
)
async def get_rejected_message(rejected: RejectedPath, caller: RawReader, tx: Tx) -> Response:
    """One rejected message with its item."""
    return _shown(await rejections.show(tx, caller.workspace_id, _id(rejected)))


def _shown(row: Mapping[str, Any]) -> Response:
    """The item goes out as it was kept: it may hold numbers that no parser here would take."""
    parts = {"item": None, "excerpt": None if row["whole"] else row["item"]}
    shown = RejectedDetail.model_validate({**row, **parts}).model_dump(mode="json", by_alias=True)
    if row["whole"]:
        shown["item"] = orjson.Fragment(row["item"])
    return Response(orjson.dumps(shown), media_type="application/json")


@router.post(
    "/rejected-messages/{rejected}/replay",
    operation_id="replayRejectedMessage",
    responses=problems(UnknownRejected, AlreadyReplayed, NotReplayable, Overloaded),
    openapi_extra={"requestBody": {"content": {"application/json": {"example": MENDED}}}},
)
async def replay_rejected_message(
    rejected: RejectedPath, caller: Integrator, state: Services, body: ReplayOneIn | None = None
) -> ReplayOut:
    """Take it after all: as it is, when the reason was on our side, or mended. Safe to repeat.

    It counts as of the moment it first came.
    """
    mended = body.item if body is not None else None
    found = await state.shelf.replay_one(caller.workspace_id, _id(rejected), mended)
    return ReplayOut.model_validate(asdict(found))


@router.post(
    "/rejected-messages/replay",
    operation_id="replayRejectedMessages",
    responses=problems(InvalidCursor, Overloaded),
)
async def replay_rejected_messages(body: ReplayManyIn, caller: Integrator, state: Services) -> ReplayManyOut:
    """Try again whatever is open and matches, the oldest first: up to 500 items, or 4 MiB, in one call."""
    wanted = Wanted("open", body.source, body.code, body.since, body.until)
    paging = Paging(REPLAYED_AT_ONCE, body.cursor, caller.workspace_id, state.cursor_key)
    scope = f"replay:{wanted}"
    after = paging.after(scope)
    found = await state.shelf.replay_some(caller.workspace_id, wanted, after[0] if after else None)
    return _summary(found.settled, paging.seal([found.next], scope) if found.next is not None else None)


def _summary(settled: Sequence[Settled], cursor: str | None) -> ReplayManyOut:
    counts = Counter(one.outcome for one in settled)
    reasons = Counter(one.code for one in settled if one.code is not None)
    first = {one.code: one for one in reversed(settled)}
    return ReplayManyOut(
        accepted=counts["accepted"],
        duplicates=counts["duplicate"],
        suppressed=counts["suppressed"],
        conflicts=counts["conflict"],
        rejected=counts["rejected"],
        still_refused=[
            StillRefused(code=code, count=count, example=first[code].id, detail=first[code].detail or "")
            for code, count in reasons.most_common()
        ],
        next_cursor=cursor,
        has_more=cursor is not None,
    )


@router.delete("/rejected-messages", operation_id="deleteRejectedMessages", responses=problems(NoFilter))
async def delete_rejected_messages(caller: Integrator, tx: Tx, wanted: Filtered) -> DeletedOut:
    """Delete what matches, the oldest first: up to 5,000 in one call. At least one filter must be given."""
    deleted, more = await rejections.delete_matching(tx, caller.workspace_id, wanted)
    return DeletedOut(deleted=deleted, has_more=more)


@router.delete(
    "/rejected-messages/{rejected}",
    status_code=204,
    operation_id="deleteRejectedMessage",
    responses=problems(UnknownRejected),
)
async def delete_rejected_message(rejected: RejectedPath, caller: Integrator, tx: Tx) -> None:
    """Delete one rejected message. It stays in the counts."""
    await rejections.delete(tx, caller.workspace_id, _id(rejected))
