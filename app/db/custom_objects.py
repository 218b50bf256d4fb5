"""Instances of custom objects: writing what a batch says of them, and reading them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from app.db.base import Session, raw, rows
from app.db.merging import MERGE, as_json, traits_of
from app.domain import ids
from app.domain.models import Account, CustomInstance, Organization
from app.domain.relations import Instance

_APPLY = (
    """
insert into custom_instances as x (
    workspace_id, id, custom_object, external_id, name, name_stamp, account_id, account_stamp,
    organization_id, organization_stamp, traits, trait_stamps, created_at, updated_at
)
select $1, t.id, t.object, t.ext, t.name, t.name_stamp, t.account, t.account_stamp,
    t.organization, t.organization_stamp, coalesce(t.traits, '{}'), coalesce(t.stamps, '{}'), $2, $2
from json_to_recordset($3::json) as t (
    id uuid, object text, ext text, name text, name_stamp numeric, account uuid, account_stamp numeric,
    organization uuid, organization_stamp numeric, traits jsonb, stamps jsonb
)
order by t.object, t.ext
on conflict (workspace_id, custom_object, external_id) do update set"""
    + MERGE
    + """,
    name = case when excluded.name_stamp > coalesce(x.name_stamp, -1) then excluded.name else x.name end,
    name_stamp = greatest(x.name_stamp, excluded.name_stamp),
    account_id = case
        when excluded.account_stamp > coalesce(x.account_stamp, -1) then excluded.account_id else x.account_id
    end,
    account_stamp = greatest(x.account_stamp, excluded.account_stamp),
    organization_id = case
        when excluded.organization_stamp > coalesce(x.organization_stamp, -1) then excluded.organization_id
        else x.organization_id
    end,
    organization_stamp = greatest(x.organization_stamp, excluded.organization_stamp),
    updated_at = excluded.updated_at
"""
)


async def apply(
    db: Session,
    workspace_id: UUID,
    told: Mapping[tuple[str, str], Instance],
    accounts: Mapping[str, str],
    organizations: Mapping[str, str],
    now: datetime,
) -> None:
    """Store what a batch says of instances, by object and external id; the mappings tell the ids of ours."""
    driver = await raw(db)
    await driver.execute(
        _APPLY,
        workspace_id,
        now,
        as_json(_row(*key, instance, accounts, organizations) for key, instance in told.items()),
    )


def _row(
    custom_object: str,
    external_id: str,
    said: Instance,
    accounts: Mapping[str, str],
    organizations: Mapping[str, str],
) -> dict[str, Any]:
    row: dict[str, Any] = {"id": ids.new_text(), "object": custom_object, "ext": external_id, **traits_of(said.party)}
    if said.name.stamp is not None:
        row |= {"name": said.name.value, "name_stamp": str(said.name.stamp)}
    if (account := said.account.value) is not None:
        row |= {"account": accounts[account], "account_stamp": str(said.account.stamp)}
    if (organization := said.organization.value) is not None:
        row |= {"organization": organizations[organization], "organization_stamp": str(said.organization.stamp)}
    return row


def _profiles(workspace_id: UUID, custom_object: str) -> Select[*tuple[Any, ...]]:
    instance = CustomInstance
    return (
        select(
            instance.id,
            instance.custom_object,
            instance.external_id,
            instance.name,
            instance.traits,
            instance.created_at,
            instance.updated_at,
            Account.id.label("account_id"),
            Account.external_id.label("account_external_id"),
            Account.name.label("account_name"),
            Organization.id.label("organization_id"),
            Organization.external_id.label("organization_external_id"),
            Organization.name.label("organization_name"),
        )
        .outerjoin(Account, (Account.workspace_id == instance.workspace_id) & (Account.id == instance.account_id))
        .outerjoin(
            Organization,
            (Organization.workspace_id == instance.workspace_id) & (Organization.id == instance.organization_id),
        )
        .where(instance.workspace_id == workspace_id, instance.custom_object == custom_object)
    )


async def objects(db: Session, workspace_id: UUID, *, after: str | None, limit: int) -> Sequence[Mapping[str, Any]]:
    """The custom objects that have instances, by name, with the number of these."""
    name = CustomInstance.custom_object
    query = (
        select(name.label("custom_object"), func.count().label("instances"))
        .where(CustomInstance.workspace_id == workspace_id)
        .group_by(name)
        .order_by(name)
        .limit(limit)
    )
    if after is not None:
        query = query.where(name > after)
    return rows(await db.execute(query))


async def page(
    db: Session,
    workspace_id: UUID,
    custom_object: str,
    *,
    account_id: UUID | None,
    after: UUID | None,
    limit: int,
) -> Sequence[Mapping[str, Any]]:
    """Instances of an object in the order they were made; those of one account, where one is named."""
    query = _profiles(workspace_id, custom_object).order_by(CustomInstance.id).limit(limit)
    if account_id is not None:
        query = query.where(CustomInstance.account_id == account_id)
    if after is not None:
        query = query.where(CustomInstance.id > after)
    return rows(await db.execute(query))


async def profile(
    db: Session, workspace_id: UUID, custom_object: str, *, by_id: UUID | None, external_id: str
) -> Mapping[str, Any] | None:
    """The instance with this id, else the one its sender calls `external_id`."""
    query = _profiles(workspace_id, custom_object)
    if by_id is not None:
        found = rows(await db.execute(query.where(CustomInstance.id == by_id)))
        if found:
            return found[0]
    return next(iter(rows(await db.execute(query.where(CustomInstance.external_id == external_id)))), None)
