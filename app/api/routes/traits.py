"""Traits: what each is declared to be and what is seen of it, custom traits, and values that disagree."""

from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Any

from fastapi import Depends, Path, Query

from app.api.deps import Now, Paged, Reader, TraitDefiner, Tx
from app.api.problems import problems
from app.api.routing import Router
from app.api.schemas.base import page
from app.api.schemas.traits import (
    ConflictOut,
    ConflictPage,
    CustomTraitIn,
    TraitDetail,
    TraitIn,
    TraitOut,
    TraitPage,
)
from app.db.base import veiled
from app.domain import ids
from app.domain.cursors import InvalidCursor
from app.domain.fields import Subject
from app.domain.trait_types import (
    Definition,
    Option,
    TooManyDefinitions,
    TraitExists,
    UnknownTrait,
    UnusableTrait,
)
from app.services import trait_definitions, trait_records
from app.services.trait_definitions import Known

router = Router("traits")

PREFIXES = {Subject.ACCOUNTS: "acc", Subject.USERS: "usr", Subject.ORGANIZATIONS: "org"}


async def _subject(
    subject: Annotated[
        str,
        Path(
            description="Whose traits: `accounts`, `users` or `organizations`.",
            json_schema_extra={"enum": [one.value for one in Subject]},
        ),
    ],
) -> Subject:
    if subject not in frozenset(Subject):
        raise UnknownTrait("Traits are those of `accounts`, `users` or `organizations`.")
    return Subject(subject)


Of = Annotated[Subject, Depends(_subject)]
Key = Annotated[str, Path(min_length=1, max_length=1024, description="The trait's key; percent-encode odd characters.")]


DECLARED = ("label", "type", "options", "editable_by", "description")


def _shown(subject: Subject, known: Known) -> dict[str, Any]:
    one = known.definition
    return {
        "subject": subject,
        "key": known.key,
        "label": known.label,
        "custom": trait_definitions.is_custom(known.key),
        "declared": {name: getattr(one, name) for name in DECLARED} if one else None,
        "seen": {
            "type": known.detected,
            "kinds": known.kinds,
            "records": known.records,
            "conflicts": known.conflicts,
        },
    }


def _definition(subject: Subject, key: str, body: TraitIn) -> Definition:
    return Definition(
        subject=subject,
        key=key,
        label=body.label,
        type=body.type,
        options=tuple(Option(one.value, one.label) for one in body.options),
        editable_by=body.editable_by,
        custom=trait_definitions.is_custom(key),
        description=body.description,
    )


async def _detail(tx: Tx, caller: Reader, subject: Subject, key: str) -> TraitDetail:
    async with veiled(tx, caller.veil):
        known, agreement = await trait_definitions.show(tx, caller.workspace_id, subject, key)
    return TraitDetail.model_validate({**_shown(subject, known), "agreement": agreement}, strict=False)


@router.get("/traits/{subject}", operation_id="listTraits", responses=problems(UnknownTrait, InvalidCursor))
async def list_traits(
    subject: Of,
    caller: Reader,
    tx: Tx,
    paging: Paged,
    search: Annotated[str | None, Query(max_length=200, description="Part of the key or label.")] = None,
) -> TraitPage:
    """Every trait that is declared, or that one of the latest thousand records carries, by key."""
    scope = f"traits/{subject}/{search or ''}"
    after = paging.after(scope)
    found = await trait_definitions.page(
        tx, caller.workspace_id, subject, search=search, after=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda one: [one.key])
    shown = [TraitOut.model_validate(_shown(subject, one), strict=False) for one in rows]
    return page(shown, cursor, TraitPage)


@router.post(
    "/traits/{subject}",
    status_code=201,
    operation_id="makeCustomTrait",
    responses=problems(UnusableTrait, UnknownTrait, TraitExists, TooManyDefinitions),
)
async def make_custom_trait(subject: Of, body: CustomTraitIn, caller: TraitDefiner, tx: Tx, now: Now) -> TraitDetail:
    """Make a trait that is managed in Steward alone: what is sent under its key from outside is ignored.

    Its key is `custom.` and the label in camel case, for good: `Next steps` becomes `custom.nextSteps`.
    """
    key = await trait_definitions.make(tx, caller.workspace_id, _definition(subject, "custom.", body), now=now)
    return await _detail(tx, caller, subject, key)


@router.get("/traits/{subject}/{trait}", operation_id="getTrait", responses=problems(UnknownTrait))
async def get_trait(subject: Of, trait: Key, caller: Reader, tx: Tx) -> TraitDetail:
    """One trait: as declared, as seen, and how many records disagree with its type."""
    return await _detail(tx, caller, subject, trait)


@router.put(
    "/traits/{subject}/{trait}",
    operation_id="setTrait",
    responses=problems(UnusableTrait, UnknownTrait, TooManyDefinitions),
)
async def set_trait(subject: Of, trait: Key, body: TraitIn, caller: TraitDefiner, tx: Tx, now: Now) -> TraitDetail:
    """Declare what a trait is, or change a custom one. Data are not touched, and never refused for it."""
    await trait_definitions.declare(tx, caller.workspace_id, _definition(subject, trait, body), now=now)
    return await _detail(tx, caller, subject, trait)


@router.delete(
    "/traits/{subject}/{trait}", status_code=204, operation_id="deleteTrait", responses=problems(UnknownTrait)
)
async def delete_trait(subject: Of, trait: Key, caller: TraitDefiner, tx: Tx) -> None:
    """Take the declaration of a trait back. Its values stay; those of a custom trait cannot be edited any more."""
    await trait_definitions.forget(tx, caller.workspace_id, subject, trait)


@router.get(
    "/traits/{subject}/{trait}/conflicts",
    operation_id="listTraitConflicts",
    responses=problems(UnknownTrait, InvalidCursor),
)
async def list_trait_conflicts(subject: Of, trait: Key, caller: Reader, tx: Tx, paging: Paged) -> ConflictPage:
    """Records whose value cannot be read as the trait's declared type, of the latest 100,000."""
    scope = f"traits/{subject}/{trait}/conflicts"
    after = paging.after(scope)
    agreement, found = await trait_definitions.conflicts(
        tx, caller.workspace_id, subject, trait, after=after[0] if after else None, limit=paging.fetch
    )
    rows, cursor = paging.cut(found, scope, lambda row: [row["id"]])
    shown = [_conflict(subject, row) for row in rows]
    return ConflictPage.model_validate(
        {"data": shown, "next_cursor": cursor, "has_more": cursor is not None, "agreement": agreement}
    )


def _conflict(subject: Subject, row: Mapping[str, Any]) -> ConflictOut:
    return ConflictOut(
        id=ids.show(PREFIXES[subject], row["id"]),
        external_id=row["external_id"],
        name=row["name"],
        value=row["value"],
        said_at=trait_records.instant(int(row["stamp"])).astimezone(UTC) if row["stamp"] else None,
    )
