"""Privacy: delete one user or account everywhere, see how far that is, and let somebody come back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fastapi import Response

from app.api.again import until_unhindered
from app.api.deps import Deleter, DeletionReader, Paged, Ref, Services, State, Tx
from app.api.problems import problems
from app.api.routing import PREFIX, Router
from app.api.schemas.base import page
from app.api.schemas.erasures import ErasureOut, ErasurePage, SuppressionOut, SuppressionPage, SuppressionRelease
from app.db.base import Session
from app.domain import ids, suppression
from app.domain.audit import Entry
from app.domain.cursors import InvalidCursor
from app.domain.erasures import ErasureUnderWay, UnknownErasure, UnknownSuppression
from app.domain.keys import Caller
from app.domain.suppression import Kind
from app.services import audit, erasures
from app.services.accounts import UnknownAccount
from app.services.users import UnknownUser

router = Router("privacy")

LOCATION: Final[dict[int | str, dict[str, Any]]] = {
    202: {
        "headers": {
            "Location": {"description": "Where to look how far it has come.", "schema": {"type": "string"}},
        }
    }
}


def shown(row: Mapping[str, Any]) -> ErasureOut:
    """A deletion as the wire shows it."""
    return ErasureOut.model_validate(dict(row), extra="ignore")


def _key(state: State) -> bytes:
    return suppression.key(state.settings.secret_key.get_secret_value())


async def _start(state: State, caller: Caller, kind: Kind, ref: str, response: Response) -> ErasureOut:
    """It may meet others on its way through many tables; then the whole of it is tried again."""

    async def start(db: Session) -> Mapping[str, Any]:
        row = await erasures.start(db, caller.workspace_id, kind, ref, key=_key(state), now=state.now())
        await audit.record(db, caller.workspace_id, _line(caller, kind, row["id"], state.now()))
        return row

    row = await until_unhindered(state, caller.workspace_id, start)
    state.wake()
    out = shown(row)
    response.headers["Location"] = f"{PREFIX}/erasures/{ids.show('ers', out.id)}"
    return out


def _line(caller: Caller, kind: Kind, erasure_id: UUID, now: datetime) -> Entry:
    """The line of the audit log: it names the deletion, not who was deleted."""
    return Entry(now, caller.actor, f"delete{kind.title()}", ids.show("ers", erasure_id))


@router.delete(
    "/users/{user}", status_code=202, operation_id="deleteUser", responses={**LOCATION, **problems(UnknownUser)}
)
async def delete_user(user: Ref, caller: Deleter, state: Services, response: Response) -> ErasureOut:
    """Delete a user for good, with everything Steward knows of them: traits, activity, events, ownership, letters.

    From this answer on the user is gone, and messages about them get the verdict `suppressed`. What is left elsewhere
    is cleared in the background, usually within seconds. Safe to repeat with your own id.
    """
    return await _start(state, caller, "user", user, response)


@router.delete(
    "/accounts/{account}",
    status_code=202,
    operation_id="deleteAccount",
    responses={**LOCATION, **problems(UnknownAccount)},
)
async def delete_account(account: Ref, caller: Deleter, state: Services, response: Response) -> ErasureOut:
    """Delete an account for good, with its events, alerts, owner history and letters. Its users stay: delete them too.

    From this answer on the account is gone, and messages about it get the verdict `suppressed`. What is left elsewhere
    is cleared in the background, usually within seconds. Safe to repeat with your own id.
    """
    return await _start(state, caller, "account", account, response)


@router.get("/erasures", operation_id="listErasures", responses=problems(InvalidCursor))
async def list_erasures(caller: DeletionReader, tx: Tx, paging: Paged) -> ErasurePage:
    """Deletions of users and accounts, the newest first."""
    after = paging.after("erasures")
    found = await erasures.page(tx, caller.workspace_id, before=after[0] if after else None, limit=paging.fetch)
    rows, cursor = paging.cut(found, "erasures", lambda row: [row["id"]])
    return page([shown(row) for row in rows], cursor, ErasurePage)


@router.get("/erasures/{erasure}", operation_id="getErasure", responses=problems(UnknownErasure))
async def get_erasure(erasure: Ref, caller: DeletionReader, tx: Tx) -> ErasureOut:
    """One deletion, and what it has cleared so far."""
    return shown(await erasures.show(tx, caller.workspace_id, ids.read("ers", erasure)))


@router.get("/suppressions", operation_id="listSuppressions", responses=problems(InvalidCursor))
async def list_suppressions(caller: DeletionReader, tx: Tx, paging: Paged) -> SuppressionPage:
    """Who is kept from coming back, the newest first. Their ids are not stored, only keyed hashes of them."""
    after = paging.after("suppressions")
    before = (after[0], bytes.fromhex(after[1])) if after else None
    found = await erasures.suppressed(tx, caller.workspace_id, before=before, limit=paging.fetch)
    rows, cursor = paging.cut(found, "suppressions", lambda row: [row["created_at"], row["disguise"].hex()])
    return page([SuppressionOut.model_validate(dict(row), extra="ignore") for row in rows], cursor, SuppressionPage)


@router.delete(
    "/suppressions",
    status_code=204,
    operation_id="deleteSuppression",
    responses=problems(UnknownSuppression, ErasureUnderWay),
)
async def delete_suppression(body: SuppressionRelease, caller: Deleter, tx: Tx, state: Services) -> None:
    """Let a deleted user or account come back. Messages from now on count; what was dropped stays dropped."""
    await erasures.release(tx, caller.workspace_id, body.kind, body.external_id, key=_key(state))
