"""The traits map: which of an account's traits feed the fields Steward gives a meaning to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from app.domain.errors import Rejected

STATUSES: Final = ("subscribed", "trial", "churned", "ignored")
MOST_KEYS: Final = 10
LONGEST_KEY: Final = 200


class UnusableTraitKeys(Rejected):
    """These trait keys cannot be mapped."""

    code = "unusable_trait_keys"


@dataclass(frozen=True, slots=True)
class TraitMap:
    """`owner` names the trait that holds the owner's external id; of `mrr` and `status` the first with a value wins."""

    owner: str | None = None
    mrr: tuple[str, ...] = ("mrr",)
    status: tuple[str, ...] = ("status",)

    @classmethod
    def of(cls, stored: Mapping[str, Sequence[str]]) -> Self:
        """The map behind rows of (field, keys); a field without a row has its default."""
        owner = stored.get("owner", ())
        return cls(
            owner=owner[0] if owner else None,
            mrr=tuple(stored.get("mrr", cls().mrr)),
            status=tuple(stored.get("status", cls().status)),
        )

    def rows(self) -> dict[str, list[str]]:
        """The map as it is stored: one list of keys per field."""
        return {"owner": [self.owner] if self.owner else [], "mrr": list(self.mrr), "status": list(self.status)}


def check(trait_map: TraitMap) -> TraitMap:
    """The same map, if every key can be a trait's. Raises `UnusableTraitKeys`."""
    for field, keys in trait_map.rows().items():
        if len(keys) > MOST_KEYS or len(set(keys)) < len(keys):
            raise UnusableTraitKeys(f"{field!r} takes at most {MOST_KEYS} different trait keys.", field=field)
        if any(not key.strip() or len(key) > LONGEST_KEY or "\x00" in key for key in keys):
            raise UnusableTraitKeys(f"A trait key has 1 to {LONGEST_KEY} characters.", field=field)
    return trait_map
