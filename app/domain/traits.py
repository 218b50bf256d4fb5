"""The traits maps: which traits of accounts, and which of organizations, feed the fields Steward gives a meaning to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from app.domain.errors import Rejected

STATUSES: Final = ("subscribed", "trial", "churned", "ignored")
MOST_KEYS: Final = 10
LONGEST_KEY: Final = 200
ROLE: Final = "role:"
"""How a field begins that maps a key role: `role:csm`."""
ORGANIZATION: Final = "organization:"
"""How the fields of organizations begin where both maps are stored."""


class UnusableTraitKeys(Rejected):
    """These trait keys cannot be mapped."""

    code = "unusable_trait_keys"


@dataclass(frozen=True, slots=True)
class TraitMap:
    """Of several keys, the first with a usable value wins.

    `owner` names the trait that holds the owner's external id, of accounts only; `roles` the trait of each key role,
    which holds a member's e-mail address or id.
    """

    owner: str | None = None
    name: tuple[str, ...] = ("name",)
    mrr: tuple[str, ...] = ("mrr",)
    status: tuple[str, ...] = ("status",)
    renewal: tuple[str, ...] = ()
    trial_end: tuple[str, ...] = ()
    churn: tuple[str, ...] = ()
    joined: tuple[str, ...] = ("createdAt",)
    roles: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Mapping[str, Sequence[str]]) -> Self:
        """The map behind rows of (field, keys); a field without a row has its default."""
        owner = stored.get("owner", ())
        lists = {name: tuple(stored[name]) for name in LISTS if name in stored}
        roles = {name.removeprefix(ROLE): keys[0] for name, keys in stored.items() if name.startswith(ROLE) and keys}
        return cls(owner=owner[0] if owner else None, **lists, roles=dict(sorted(roles.items())))

    def rows(self) -> dict[str, list[str]]:
        """The map as it is stored: one list of keys per field."""
        return {
            "owner": [self.owner] if self.owner else [],
            **{name: list(getattr(self, name)) for name in LISTS},
            **{ROLE + role: [key] for role, key in self.roles.items()},
        }

    def keys(self) -> Iterator[tuple[str, str]]:
        """Every mapped key with its field, in the order in which they are looked at."""
        for name, keys in self.rows().items():
            yield from ((name, key) for key in keys)


LISTS: Final = ("name", "mrr", "status", "renewal", "trial_end", "churn", "joined")
"""The fields that take several keys."""


def check(trait_map: TraitMap) -> TraitMap:
    """The same map, if every key can be a trait's. Raises `UnusableTraitKeys`."""
    for name, keys in trait_map.rows().items():
        if len(keys) > MOST_KEYS or len(set(keys)) < len(keys):
            raise UnusableTraitKeys(f"{name!r} takes at most {MOST_KEYS} different trait keys.", field=name)
        if any(not key.strip() or len(key) > LONGEST_KEY or "\x00" in key for key in keys):
            raise UnusableTraitKeys(f"A trait key has 1 to {LONGEST_KEY} characters.", field=name)
    return trait_map
