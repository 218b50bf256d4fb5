"""Privacy: everything known of one user or account, as a stream of lines."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final
from uuid import UUID

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api.deps import RawReader, Ref, Services, State, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.turns import Turns
from app.domain import ids
from app.domain.errors import TooMany
from app.domain.keys import Caller
from app.domain.suppression import Kind
from app.services import accounts, exports, users
from app.services.accounts import UnknownAccount
from app.services.users import UnknownUser

router = Router("privacy")

MEDIA_TYPE: Final = "application/x-ndjson"
MOST_AT_ONCE: Final = 2
CHUNK_BYTES: Final = 64 * 1024
LINES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "One JSON object a line; the last has the type `end`. Without it, the export was cut short.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


class TooManyExports(TooMany):
    """As many exports as one process makes at a time are under way."""

    code = "too_many_exports"


TURNS: Final = Turns(MOST_AT_ONCE, TooManyExports)


class Export(StreamingResponse):
    """Streams lines. Whatever becomes of the reader, the transaction ends and the turn is given back."""

    media_type = MEDIA_TYPE

    def __init__(self, lines: AsyncGenerator[bytes], name: str) -> None:
        headers = {"content-disposition": f'attachment; filename="{name}.ndjson"', "cache-control": "no-store"}
        super().__init__(lines, headers=headers)
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with TURNS.take():
            async with aclosing(self._lines):
                await super().__call__(scope, receive, send)


async def _chunks(state: State, caller: Caller, kind: Kind, subject_id: UUID) -> AsyncGenerator[bytes]:
    async with state.frozen_transaction(caller) as db:
        held = bytearray()
        async for line in exports.everything(db, caller.workspace_id, kind, subject_id):
            held += line
            if len(held) >= CHUNK_BYTES:
                yield bytes(held)
                held.clear()
        yield bytes(held)


def _export(state: State, caller: Caller, kind: Kind, subject_id: UUID) -> Export:
    TURNS.ask()
    prefix = "usr" if kind == "user" else "acc"
    return Export(_chunks(state, caller, kind, subject_id), f"{kind}-{ids.show(prefix, subject_id)}")


@router.get(
    "/users/{user}/export",
    operation_id="exportUser",
    status_code=200,
    response_class=Export,
    responses={**LINES, **problems(UnknownUser, TooManyExports)},
)
async def export_user(user: Ref, caller: RawReader, tx: Tx, state: Services) -> Export:
    """Everything known of a user, as of one moment: themselves, memberships, activity, events, ownership, letters."""
    return _export(state, caller, "user", await users.find(tx, caller.workspace_id, user))


@router.get(
    "/accounts/{account}/export",
    operation_id="exportAccount",
    status_code=200,
    response_class=Export,
    responses={**LINES, **problems(UnknownAccount, TooManyExports)},
)
async def export_account(account: Ref, caller: RawReader, tx: Tx, state: Services) -> Export:
    """Everything known of an account, as of one moment: itself, memberships, facts, events, alerts, owners, letters."""
    return _export(state, caller, "account", await accounts.find(tx, caller.workspace_id, account))
