"""Account owners: who owns an account and why, deciding it, and how it came to be."""

from collections.abc import Mapping
from typing import Any

from app.api.deps import Assigner, Now, Paged, Reader, Ref, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.owners import OwnerChangeOut, OwnerChangePage, OwnerChoiceIn, OwnerExplained
from app.domain.cursors import InvalidCursor
from app.domain.owners import Source
from app.services import accounts, owners
from app.services.accounts import UnknownAccount
from app.services.owners import Decision, Explained, UserNotLinked
from app.services.users import UnknownUser

router = Router("owners")

COPIES = {
    "id": "owner_id",
    "external_id": "owner_external_id",
    "name": "owner_name",
    "email": "owner_email",
    "joined_at": "owner_joined_at",
    "last_seen_at": "owner_last_seen_at",
    "sessions": "owner_sessions",
    "last_received_message_at": "owner_last_received_at",
    "last_sent_message_at": "owner_last_sent_at",
}


def _shown(found: Explained) -> OwnerExplained:
    facts, said, resolution = found.facts, found.said, found.resolution
    owner = {field: facts[column] for field, column in COPIES.items()} if facts["owner_id"] else None
    trait = {
        "key": found.trait_key,
        "value_seen": said.value if said else None,
        "seen_at": said.at if said else None,
    }
    return OwnerExplained.model_validate(
        {
            "account_id": found.account_id,
            "owner": owner,
            "state": facts["owner_state"],
            "source": facts["owner_source"],
            "since": facts["owner_since"],
            "pending_value": facts["owner_pending"],
            "trait": trait if found.trait_key else None,
            "rule": resolution.reason,
            "settling": found.settling,
            "steps": list(resolution.steps),
        }
    )


def _user(row: Mapping[str, Any], side: str) -> dict[str, Any] | None:
    if row[f"{side}_external_id"] is None:
        return None
    parts = {part: row[f"{side}_{part}"] for part in ("external_id", "name", "email")}
    return {"id": row[f"{side}_user_id"], **parts}


@router.get("/accounts/{account}/owner", operation_id="getAccountOwner", responses=problems(UnknownAccount))
async def get_account_owner(account: Ref, caller: Reader, tx: Tx) -> OwnerExplained:
    """Who owns the account, what decided it, and each step of the rule that leads there."""
    return _shown(await owners.explain(tx, caller.workspace_id, account))


@router.put(
    "/accounts/{account}/owner",
    operation_id="setAccountOwner",
    responses=problems(UnknownAccount, UnknownUser, UserNotLinked),
)
async def set_account_owner(account: Ref, body: OwnerChoiceIn, caller: Assigner, tx: Tx, now: Now) -> OwnerExplained:
    """Decide who owns the account, or with `null` that nobody does.

    It holds until the mapped trait changes to another value; sending the same value again changes nothing.
    """
    decision = Decision(body.user, Source(body.source), by=body.by or caller.actor)
    return _shown(await owners.choose(tx, caller.workspace_id, account, decision, now=now))


@router.delete("/accounts/{account}/owner", operation_id="unsetAccountOwner", responses=problems(UnknownAccount))
async def unset_account_owner(account: Ref, caller: Assigner, tx: Tx, now: Now) -> OwnerExplained:
    """Forget the decision: the mapped trait and the workspace's default decide again. Repeating it is harmless."""
    return _shown(await owners.forget_choice(tx, caller.workspace_id, account, now=now))


@router.get(
    "/accounts/{account}/owner/history",
    operation_id="listOwnerChanges",
    responses=problems(UnknownAccount, InvalidCursor),
)
async def list_owner_changes(account: Ref, caller: Reader, tx: Tx, paging: Paged) -> OwnerChangePage:
    """Every change of the account's owner, the newest first."""
    account_id = await accounts.find(tx, caller.workspace_id, account)
    scope = f"owner_changes:{account_id}"
    after = paging.after(scope)
    found = await owners.history(
        tx, caller.workspace_id, account_id, before=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([_change(row) for row in rows], cursor, OwnerChangePage)


def _change(row: Mapping[str, Any]) -> OwnerChangeOut:
    fields = {**row, "from_": _user(row, "from"), "to": _user(row, "to")}
    return OwnerChangeOut.model_validate(fields, extra="ignore")
