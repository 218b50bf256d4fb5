"""The traits maps: which traits mean owner, name, MRR, status, dates and roles; and what a change of it would do."""

from typing import Any
from uuid import UUID

from app.api.deps import Now, Reader, TraitDefiner, Tx
from app.api.problems import problems
from app.api.routes.reprocessings import shown as reprocessing_shown
from app.api.routing import Router
from app.api.schemas.trait_map import (
    OrganizationTraitMapIn,
    OrganizationTraitMapOut,
    PreviewIn,
    PreviewOut,
    TraitMapIn,
    TraitMapOut,
)
from app.db.owners import Standing
from app.domain.fields import Subject
from app.domain.owners import Resolution
from app.domain.roles import UnknownRole, name_of
from app.domain.traits import LISTS, UnusableTraitKeys
from app.services import trait_map
from app.services.trait_map import Shown

router = Router("trait map")


def _shown(found: Shown) -> TraitMapOut:
    return TraitMapOut.model_validate({"owner": found.trait_map.owner, **_fields(found)})


def _fields(found: Shown) -> dict[str, Any]:
    return {
        **{name: list(getattr(found.trait_map, name)) for name in LISTS},
        "roles": {name_of(slug): key for slug, key in found.trait_map.roles.items()},
        "updated_at": found.updated_at,
        "reprocessing": reprocessing_shown(found.reprocessing) if found.reprocessing else None,
    }


@router.get("/trait-map", operation_id="getTraitMap")
async def get_trait_map(caller: Reader, tx: Tx) -> TraitMapOut:
    """The traits map in force."""
    return _shown(await trait_map.show(tx, caller.workspace_id))


@router.put("/trait-map", operation_id="setTraitMap", responses=problems(UnusableTraitKeys, UnknownRole))
async def set_trait_map(body: TraitMapIn, caller: TraitDefiner, tx: Tx, now: Now) -> TraitMapOut:
    """Change the map. It is applied to every account in the background; `reprocessing` shows how far that is.

    Try it first with the preview.
    """
    return _shown(await trait_map.change(tx, caller.workspace_id, body.edit(), now=now))


@router.get("/trait-map/organizations", operation_id="getOrganizationTraitMap")
async def get_organization_trait_map(caller: Reader, tx: Tx) -> OrganizationTraitMapOut:
    """The traits map of organizations in force."""
    found = await trait_map.show(tx, caller.workspace_id, Subject.ORGANIZATIONS)
    return OrganizationTraitMapOut.model_validate(_fields(found))


@router.put(
    "/trait-map/organizations",
    operation_id="setOrganizationTraitMap",
    responses=problems(UnusableTraitKeys, UnknownRole),
)
async def set_organization_trait_map(
    body: OrganizationTraitMapIn, caller: TraitDefiner, tx: Tx, now: Now
) -> OrganizationTraitMapOut:
    """Change the map of organizations. It is applied to every one of them in the background; see `reprocessing`."""
    found = await trait_map.change(tx, caller.workspace_id, body.edit(), now=now, subject=Subject.ORGANIZATIONS)
    return OrganizationTraitMapOut.model_validate(_fields(found))


@router.post("/trait-map/preview", operation_id="previewTraitMap", responses=problems(UnusableTraitKeys, UnknownRole))
async def preview_trait_map(body: PreviewIn, caller: Reader, tx: Tx) -> PreviewOut:
    """What this map would do to account owners, by the same rule, with nothing stored."""
    found = await trait_map.preview(tx, caller.workspace_id, body.edit(), body.owner_default_policy)
    counts = ("accounts", "total", "partial", "owners_changed", "cleared", "resolved", "pending", "coverage")
    sample = [_sampled(standing, resolution) for standing, resolution in found.sample]
    return PreviewOut.of({**{name: getattr(found, name) for name in counts}, "sample": sample})


def _sampled(standing: Standing, resolution: Resolution) -> dict[str, Any]:
    account = {"id": standing.account_id, "external_id": standing.external_id, "name": standing.name}
    owner = resolution.owner
    return {
        "account": account,
        "before": {"owner": _user(standing.owner_id, standing.owner_external_id), "state": standing.state},
        "after": {
            "owner": _user(owner.user_id, owner.external_id) if owner else None,
            "state": resolution.state.value,
        },
        "because": resolution.reason,
    }


def _user(user_id: UUID | None, external_id: str | None) -> dict[str, Any] | None:
    return None if user_id is None else {"id": user_id, "external_id": external_id}
