"""Lifecycle: the rules, what a change of them would do, and each record's status, decided by hand or by the rules."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Path

from app.api.deps import Now, Paged, Reader, Ref, RuleMaker, StatusChanger, Tx
from app.api.paging import Paging
from app.api.problems import problems
from app.api.routes.reprocessings import shown as reprocessing_shown
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.lifecycle import (
    LifecycleIn,
    LifecycleOut,
    LifecyclePreviewIn,
    LifecyclePreviewOut,
    StatusChangeOut,
    StatusChangePage,
    StatusExplained,
    StatusIn,
    UserStatusIn,
)
from app.db.base import Session
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.fields import Subject
from app.domain.filters import InvalidFilter, NeedsMember
from app.domain.keys import Caller
from app.domain.lifecycle import Status, UnknownLifecycle, UnusableStatus, subject_of
from app.domain.lifecycle_rules import UnusableRules
from app.services import lifecycle_rules, statuses
from app.services.accounts import UnknownAccount
from app.services.lifecycle import Weighed
from app.services.lifecycle_rules import Preview, Shown
from app.services.organizations import UnknownOrganization
from app.services.statuses import Explained
from app.services.users import UnknownUser

router = Router("lifecycle")

Kind = Annotated[str, Path(description="`accounts`, `organizations` or `users`.", examples=["accounts"])]
ACCOUNTS, ORGANIZATIONS, USERS = Subject.ACCOUNTS, Subject.ORGANIZATIONS, Subject.USERS
PREFIXES: Final = {ACCOUNTS: "acc", ORGANIZATIONS: "org", USERS: "usr"}


def _shown(subject: Subject, found: Shown) -> LifecycleOut:
    fields = {**found.rules, "subject": subject.value, "version": found.version, "updated_at": found.updated_at}
    going = reprocessing_shown(found.reprocessing) if found.reprocessing else None
    return LifecycleOut.model_validate({**fields, "updated_by": found.updated_by, "reprocessing": going})


@router.get("/lifecycle/{subject}", operation_id="getLifecycle", responses=problems(UnknownLifecycle))
async def get_lifecycle(subject: Kind, caller: Reader, tx: Tx) -> LifecycleOut:
    """The lifecycle rules of accounts, organizations or users."""
    whose = subject_of(subject)
    return _shown(whose, await lifecycle_rules.show(tx, caller.workspace_id, whose))


@router.put(
    "/lifecycle/{subject}",
    operation_id="setLifecycle",
    responses=problems(UnknownLifecycle, InvalidFilter, NeedsMember, UnusableRules),
)
async def set_lifecycle(subject: Kind, body: LifecycleIn, caller: RuleMaker, tx: Tx, now: Now) -> LifecycleOut:
    """Replace the lifecycle rules. Each record follows when it is next evaluated, or all of them with `reprocess`.

    Try it first with the preview.
    """
    whose = subject_of(subject)
    found = await lifecycle_rules.change(
        tx, caller.workspace_id, whose, body.written(), reprocess=body.reprocess, by=caller.actor, now=now
    )
    return _shown(whose, found)


@router.post(
    "/lifecycle/{subject}/preview",
    operation_id="previewLifecycle",
    responses=problems(UnknownLifecycle, InvalidFilter, NeedsMember, UnusableRules),
)
async def preview_lifecycle(
    subject: Kind, body: LifecyclePreviewIn, caller: Reader, tx: Tx, now: Now
) -> LifecyclePreviewOut:
    """Who would move under these rules, by the same rule, with nothing stored."""
    whose = subject_of(subject)
    found = await lifecycle_rules.preview(
        tx, caller.workspace_id, whose, body.written(), examples=body.examples, now=now
    )
    return _previewed(whose, found)


def _previewed(subject: Subject, found: Preview) -> LifecyclePreviewOut:
    moves = [
        {
            "from": move[0].value,
            "to": move[1].value,
            "unconverted": move[2],
            "count": count,
            "examples": [_example(subject, one) for one in found.examples[move]],
        }
        for move, count in found.moves.most_common()
    ]
    conditions = [
        {"condition": name, "matching": count, "for_lack_of_a_value": found.lacking[name]}
        for name, count in found.matching.items()
    ]
    fields = {"total": found.total, "looked_at": found.looked_at, "partial": found.partial}
    return LifecyclePreviewOut.of({**fields, "moving": found.moves.total(), "moves": moves, "conditions": conditions})


def _example(subject: Subject, one: Weighed) -> dict[str, Any]:
    standing = one.standing
    fields = {
        "id": ids.show(PREFIXES[subject], standing.id),
        "external_id": standing.external_id,
        "name": standing.name,
    }
    return {**fields, "because": one.decision.reason}


def _explained(subject: Subject, found: Explained) -> StatusExplained:
    standing, decision, choice = found.standing, found.decision, found.standing.choice
    return StatusExplained.model_validate(
        {
            "id": ids.show(PREFIXES[subject], standing.id),
            "status": standing.status.value,
            "source": standing.source,
            "since": standing.since,
            "unconverted": standing.unconverted,
            "trial_ends_at": standing.trial_ends_at,
            "ended_at": standing.ended_at,
            "rule": decision.reason,
            "rules_say": decision.outcome.value,
            "choice": choice
            and {
                "status": choice.status.value,
                "chosen_at": choice.at,
                "chosen_by": choice.by,
                "rules_said": choice.outcome.value,
            },
            "settling": found.settling,
            "steps": [
                {"rung": step.rung, "says": step.says, "verdict": step.verdict, "because": step.because}
                for step in decision.steps
            ],
        }
    )


async def _changes(db: Session, caller: Caller, subject: Subject, ref: str, paging: Paging) -> StatusChangePage:
    record_id = await statuses.find(db, caller.workspace_id, subject, ref)
    scope = f"status_changes:{record_id}"
    after = paging.after(scope)
    found = await statuses.history(
        db, caller.workspace_id, record_id, before=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    return page([_change(row) for row in rows], cursor, StatusChangePage)


def _change(row: Mapping[str, Any]) -> StatusChangeOut:
    fields = {**row, "from": row["from_status"], "to": row["to_status"]}
    return StatusChangeOut.model_validate(fields, extra="ignore")


def _status(name: str | None) -> Status | None:
    return None if name is None else Status(name)


@router.get("/accounts/{account}/status", operation_id="getAccountStatus", responses=problems(UnknownAccount))
async def get_account_status(account: Ref, caller: Reader, tx: Tx, now: Now) -> StatusExplained:
    """Which status the account has, what decided it, and every rung of the rule."""
    return _explained(ACCOUNTS, await statuses.explain(tx, caller.workspace_id, ACCOUNTS, account, now=now))


@router.put(
    "/accounts/{account}/status",
    operation_id="setAccountStatus",
    responses=problems(UnknownAccount, UnusableStatus),
)
async def set_account_status(account: Ref, body: StatusIn, caller: StatusChanger, tx: Tx, now: Now) -> StatusExplained:
    """Give the account a status by hand; `null` hands it back to the rules.

    It holds until the rules come to say otherwise than they do now. Track rules win over it.
    """
    chosen = _status(body.status)
    found = await statuses.choose(tx, caller.workspace_id, ACCOUNTS, account, chosen, by=caller.actor, now=now)
    return _explained(ACCOUNTS, found)


@router.get(
    "/accounts/{account}/status/history",
    operation_id="listAccountStatusChanges",
    responses=problems(UnknownAccount, InvalidCursor),
)
async def list_account_status_changes(account: Ref, caller: Reader, tx: Tx, paging: Paged) -> StatusChangePage:
    """Every change of the account's status, the newest first."""
    return await _changes(tx, caller, ACCOUNTS, account, paging)


@router.get(
    "/organizations/{organization}/status",
    operation_id="getOrganizationStatus",
    responses=problems(UnknownOrganization),
)
async def get_organization_status(organization: Ref, caller: Reader, tx: Tx, now: Now) -> StatusExplained:
    """Which status the organization has, what decided it, and every rung of the rule."""
    return _explained(
        ORGANIZATIONS, await statuses.explain(tx, caller.workspace_id, ORGANIZATIONS, organization, now=now)
    )


@router.put(
    "/organizations/{organization}/status",
    operation_id="setOrganizationStatus",
    responses=problems(UnknownOrganization, UnusableStatus),
)
async def set_organization_status(
    organization: Ref, body: StatusIn, caller: StatusChanger, tx: Tx, now: Now
) -> StatusExplained:
    """Give the organization a status by hand; `null` hands it back to the rules.

    Churned and ignored go over to its accounts.
    """
    chosen = _status(body.status)
    found = await statuses.choose(
        tx, caller.workspace_id, ORGANIZATIONS, organization, chosen, by=caller.actor, now=now
    )
    return _explained(ORGANIZATIONS, found)


@router.get(
    "/organizations/{organization}/status/history",
    operation_id="listOrganizationStatusChanges",
    responses=problems(UnknownOrganization, InvalidCursor),
)
async def list_organization_status_changes(
    organization: Ref, caller: Reader, tx: Tx, paging: Paged
) -> StatusChangePage:
    """Every change of the organization's status, the newest first."""
    return await _changes(tx, caller, ORGANIZATIONS, organization, paging)


@router.get("/users/{user}/status", operation_id="getUserStatus", responses=problems(UnknownUser))
async def get_user_status(user: Ref, caller: Reader, tx: Tx, now: Now) -> StatusExplained:
    """Whether the user is active or deactivated, what decided it, and every rung of the rule."""
    return _explained(USERS, await statuses.explain(tx, caller.workspace_id, USERS, user, now=now))


@router.put("/users/{user}/status", operation_id="setUserStatus", responses=problems(UnknownUser, UnusableStatus))
async def set_user_status(user: Ref, body: UserStatusIn, caller: StatusChanger, tx: Tx, now: Now) -> StatusExplained:
    """Deactivate the user by hand or make them active; `null` hands them back to the rules."""
    chosen = _status(body.status)
    found = await statuses.choose(tx, caller.workspace_id, USERS, user, chosen, by=caller.actor, now=now)
    return _explained(USERS, found)


@router.get(
    "/users/{user}/status/history",
    operation_id="listUserStatusChanges",
    responses=problems(UnknownUser, InvalidCursor),
)
async def list_user_status_changes(user: Ref, caller: Reader, tx: Tx, paging: Paged) -> StatusChangePage:
    """Every change of the user's status, the newest first."""
    return await _changes(tx, caller, USERS, user, paging)
