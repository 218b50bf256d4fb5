"""Reading and changing the traits maps, and showing what a change would do before it is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import evaluation, owners, roles, trait_map
from app.db.base import Session
from app.db.owners import Standing
from app.db.trait_map import Rules
from app.domain.fields import Subject
from app.domain.owners import Policy, Resolution, State, resolve
from app.domain.roles import BUILT_IN, UnknownRole, name_of, slug_of
from app.domain.traits import ROLE, TraitMap, check
from app.services import reprocessing
from app.services.ownership import has_moved

CAUSE = "trait_map"
SLICE = 1_000
MOST_ACCOUNTS = 20_000
SAMPLE = 10


@dataclass(frozen=True, slots=True)
class Edit:
    """What to change of the map, by the names of its fields; a field left out stays. `roles` is replaced as a whole."""

    fields: Mapping[str, Any] = field(default_factory=dict)

    def of(self, old: TraitMap) -> TraitMap:
        """The map after the edit. Raises `UnusableTraitKeys`, `UnknownRole`."""
        changes = dict(self.fields)
        if "roles" in changes:
            changes["roles"] = dict(sorted((_slug(name), key) for name, key in changes["roles"].items()))
        return check(replace(old, **changes))


def _slug(name: str) -> str:
    slug = slug_of(name)
    if slug is None:
        raise UnknownRole(f"No key role is called {name[:50]!r}.")
    return slug


@dataclass(frozen=True, slots=True)
class Shown:
    """The map in force; with the reprocessing that a change of it has started."""

    trait_map: TraitMap
    updated_at: datetime | None
    reprocessing: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Preview:
    """What a map or policy would do to owners. `partial`: only the oldest accounts were looked at."""

    accounts: int = 0
    total: int = 0
    owners_changed: int = 0
    resolved: int = 0
    pending: int = 0
    cleared: int = 0
    partial: bool = False
    coverage: Sequence[Mapping[str, Any]] = ()
    sample: list[tuple[Standing, Resolution]] = field(default_factory=list)

    def count(self, standing: Standing, resolution: Resolution) -> None:
        """Add one account; the first few that would change are kept as a sample."""
        self.accounts += 1
        self.resolved += resolution.state is State.RESOLVED
        self.pending += resolution.state is State.PENDING
        if not has_moved(standing, resolution):
            return
        self.owners_changed += 1
        self.cleared += resolution.owner is None
        if len(self.sample) < SAMPLE:
            self.sample.append((standing, resolution))


async def show(db: Session, workspace_id: UUID, subject: Subject = Subject.ACCOUNTS) -> Shown:
    """The traits map in force, of accounts or of organizations."""
    return Shown(*await trait_map.read(db, workspace_id, subject))


async def change(
    db: Session, workspace_id: UUID, edit: Edit, *, now: datetime, subject: Subject = Subject.ACCOUNTS
) -> Shown:
    """Edit the map and promise to apply it to every account or organization; nothing happens when it already is so.

    Raises `UnusableTraitKeys`, `UnknownRole`.
    """
    await trait_map.lock(db, workspace_id)
    old, updated_at = await trait_map.read(db, workspace_id, subject)
    new = edit.of(old)
    await _check_roles(db, workspace_id, new)
    if new == old:
        return Shown(old, updated_at)
    await trait_map.write(db, workspace_id, new, now=now, subject=subject)
    started = await reprocessing.start(db, workspace_id, CAUSE, now=now, subject=subject)
    return Shown(new, now, await reprocessing.show(db, workspace_id, started))


async def _check_roles(db: Session, workspace_id: UUID, wanted: TraitMap) -> None:
    known = BUILT_IN.keys() | {row["slug"] for row in await roles.stored(db, workspace_id)} if wanted.roles else set()
    unknown = sorted(wanted.roles.keys() - known)
    if unknown:
        raise UnknownRole(f"No key role is called {unknown[0]!r}.")


async def _coverage(db: Session, workspace_id: UUID, wanted: TraitMap) -> list[Mapping[str, Any]]:
    mapped = list(wanted.keys())
    counts = await trait_map.carrying(db, workspace_id, [key for _, key in mapped], most=MOST_ACCOUNTS)
    return [{"field": _shown(name), "key": key, "accounts": n} for (name, key), n in zip(mapped, counts, strict=True)]


def _shown(name: str) -> str:
    if name.startswith(ROLE):
        return f"roles.{name_of(name.removeprefix(ROLE))}"
    return "trialEnd" if name == "trial_end" else name


async def preview(db: Session, workspace_id: UUID, edit: Edit, policy: Policy | None) -> Preview:
    """Apply the owner rule under the edited map and policy to every account, storing nothing.

    The rule is the one that evaluation follows. Looks at `MOST_ACCOUNTS` accounts at most, in slices; of the same ones
    it says how many have a value under each mapped trait. Raises `UnusableTraitKeys`, `UnknownRole`.
    """
    rules = await trait_map.rules(db, workspace_id)
    wanted = Rules(edit.of(rules.trait_map), policy or rules.policy)
    await _check_roles(db, workspace_id, wanted.trait_map)
    key = wanted.trait_map.owner
    found = Preview(total=await evaluation.count_accounts(db, workspace_id))
    after: UUID | None = None
    while found.accounts < MOST_ACCOUNTS:
        part = await evaluation.slice_after(db, workspace_id, after, SLICE)
        for standing in await owners.standings(db, workspace_id, part, key=key, policy=wanted.policy):
            found.count(standing, resolve(standing.timeline))
        if len(part) < SLICE:
            break
        after = part[-1]
    found.partial = found.accounts < found.total
    found.coverage = await _coverage(db, workspace_id, wanted.trait_map)
    return found
