"""The traits of one account, user or organization: now, at an instant, over time; and editing them."""

from typing import Annotated, Any

from fastapi import Path, Query

from app.api.deps import Paged, Reader, Ref, Services, State, TraitEditor, Tx
from app.api.paging import Paging
from app.api.problems import problems
from app.api.routes.traits import PREFIXES
from app.api.routing import Router
from app.api.schemas.base import Instant, page
from app.api.schemas.traits import RecordTraits, TraitLine, TraitLinePage, TraitsPatch
from app.db.base import Session
from app.domain import ids, suppression
from app.domain.cursors import InvalidCursor
from app.domain.erasures import Suppressed
from app.domain.fields import Subject
from app.domain.keys import Caller
from app.domain.memory import Memory
from app.domain.trait_types import TraitNotEditable, UnusableValue
from app.services import trait_records
from app.services.accounts import UnknownAccount
from app.services.organizations import UnknownOrganization
from app.services.trait_records import Editor
from app.services.users import UnknownUser

router = Router("traits")

AsOf = Annotated[Instant | None, Query(alias="asOf", description="As they were then; left out: as they are.")]
Key = Annotated[str, Path(min_length=1, max_length=1024, description="The trait's key; percent-encode odd characters.")]
EDITS = (UnusableValue, TraitNotEditable, Suppressed)


async def _show(tx: Session, caller: Caller, subject: Subject, ref: str, at: Any) -> RecordTraits:
    row = await trait_records.show(tx, caller.workspace_id, subject, ref, at)
    return RecordTraits(
        id=ids.show(PREFIXES[subject], row["id"]), external_id=row["external_id"], as_of=at, traits=row["traits"]
    )


async def _edit(
    tx: Session, caller: Caller, subject: Subject, ref: str, body: TraitsPatch, state: State
) -> RecordTraits:
    settings = state.settings
    key = suppression.key(settings.secret_key.get_secret_value())
    row = await trait_records.edit(
        tx,
        caller.workspace_id,
        subject,
        ref,
        body.traits,
        editor=Editor(caller.actor, caller.role, Memory(key, keeps_history=settings.trait_history_days > 0)),
        now=state.now(),
    )
    return RecordTraits(
        id=ids.show(PREFIXES[subject], row["id"]), external_id=row["external_id"], as_of=None, traits=row["traits"]
    )


async def _history(tx: Session, caller: Caller, subject: Subject, ref: str, key: str, paging: Paging) -> TraitLinePage:
    record_id = await trait_records.find(tx, caller.workspace_id, subject, ref)
    scope = f"{subject}/{record_id}/traits/{key}"
    after = paging.after(scope)
    found = await trait_records.history(
        tx,
        caller.workspace_id,
        subject,
        record_id,
        key,
        below=trait_records.stamp_of(after[0]) if after else None,
        limit=paging.fetch,
    )
    rows, cursor = paging.cut(found, scope, lambda row: [str(row["stamp"])])
    shown = [
        TraitLine(at=trait_records.instant(row["stamp"]), value=row["value"], source=row["source"]) for row in rows
    ]
    return page(shown, cursor, TraitLinePage)


@router.get("/accounts/{account}/traits", operation_id="getAccountTraits", responses=problems(UnknownAccount))
async def get_account_traits(account: Ref, caller: Reader, tx: Tx, as_of: AsOf = None) -> RecordTraits:
    """An account's traits, as they are or as they were."""
    return await _show(tx, caller, Subject.ACCOUNTS, account, as_of)


@router.get("/users/{user}/traits", operation_id="getUserTraits", responses=problems(UnknownUser))
async def get_user_traits(user: Ref, caller: Reader, tx: Tx, as_of: AsOf = None) -> RecordTraits:
    """A user's traits, as they are or as they were."""
    return await _show(tx, caller, Subject.USERS, user, as_of)


@router.get(
    "/organizations/{organization}/traits",
    operation_id="getOrganizationTraits",
    responses=problems(UnknownOrganization),
)
async def get_organization_traits(organization: Ref, caller: Reader, tx: Tx, as_of: AsOf = None) -> RecordTraits:
    """An organization's traits, as they are or as they were."""
    return await _show(tx, caller, Subject.ORGANIZATIONS, organization, as_of)


@router.patch(
    "/accounts/{account}/traits", operation_id="editAccountTraits", responses=problems(UnknownAccount, *EDITS)
)
async def edit_account_traits(
    account: Ref, body: TraitsPatch, caller: TraitEditor, tx: Tx, state: Services
) -> RecordTraits:
    """Set or clear traits of an account. Whoever says something later wins, data from outside included."""
    return await _edit(tx, caller, Subject.ACCOUNTS, account, body, state)


@router.patch("/users/{user}/traits", operation_id="editUserTraits", responses=problems(UnknownUser, *EDITS))
async def edit_user_traits(user: Ref, body: TraitsPatch, caller: TraitEditor, tx: Tx, state: Services) -> RecordTraits:
    """Set or clear traits of a user. Whoever says something later wins, data from outside included."""
    return await _edit(tx, caller, Subject.USERS, user, body, state)


@router.patch(
    "/organizations/{organization}/traits",
    operation_id="editOrganizationTraits",
    responses=problems(UnknownOrganization, *EDITS),
)
async def edit_organization_traits(
    organization: Ref, body: TraitsPatch, caller: TraitEditor, tx: Tx, state: Services
) -> RecordTraits:
    """Set or clear traits of an organization. Whoever says something later wins, data from outside included."""
    return await _edit(tx, caller, Subject.ORGANIZATIONS, organization, body, state)


@router.get(
    "/accounts/{account}/traits/{trait}/history",
    operation_id="listAccountTraitHistory",
    responses=problems(UnknownAccount, InvalidCursor),
)
async def list_account_trait_history(account: Ref, trait: Key, caller: Reader, tx: Tx, paging: Paged) -> TraitLinePage:
    """What was said of one trait of an account, the latest first. A day-old run of one value is its first and last."""
    return await _history(tx, caller, Subject.ACCOUNTS, account, trait, paging)


@router.get(
    "/users/{user}/traits/{trait}/history",
    operation_id="listUserTraitHistory",
    responses=problems(UnknownUser, InvalidCursor),
)
async def list_user_trait_history(user: Ref, trait: Key, caller: Reader, tx: Tx, paging: Paged) -> TraitLinePage:
    """What was said of one trait of a user, the latest first. A day-old run of one value is its first and last."""
    return await _history(tx, caller, Subject.USERS, user, trait, paging)


@router.get(
    "/organizations/{organization}/traits/{trait}/history",
    operation_id="listOrganizationTraitHistory",
    responses=problems(UnknownOrganization, InvalidCursor),
)
async def list_organization_trait_history(
    organization: Ref, trait: Key, caller: Reader, tx: Tx, paging: Paged
) -> TraitLinePage:
    """What was said of one trait of an organization, the latest first. A day-old run is its first and last line."""
    return await _history(tx, caller, Subject.ORGANIZATIONS, organization, trait, paging)
