"""What a process knows to be stored already, so that it need not be said again: most events repeat links and days.

Only facts that never become untrue are kept, and only after their commit: an implied link, from its first instant on,
and an active day. Forgetting everything is always safe. Deleting a user or an account moves the workspace's count of
erasures, which every transaction reads: what is remembered from before is forgotten (see `trust`).
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from uuid import UUID

from app.domain.folding import Fold
from app.domain.messages import EPOCH

MOST: Final = 200_000
"""Facts kept per workspace before all of them are forgotten."""
MOST_IN_ALL: Final = 1_000_000
"""Facts kept of all workspaces together before all of them are forgotten: a process has bounds too."""


@dataclass(slots=True)
class Known:
    """The stored links and days of one workspace, by external ids."""

    erasures: int = 0
    links: dict[tuple[str, str], datetime] = field(default_factory=dict)
    days: set[tuple[str, date]] = field(default_factory=set)


class Memory:
    """One per process; workspaces are kept apart."""

    def __init__(self, suppression_key: bytes = b"") -> None:
        self.suppression_key = suppression_key
        self._known: defaultdict[UUID, Known] = defaultdict(Known)
        self._written = 0  # since everything was last forgotten: never less than what is kept

    def forget(self, workspace_id: UUID) -> None:
        """Everything about a workspace."""
        self._known.pop(workspace_id, None)

    def trust(self, workspace_id: UUID, erasures: int) -> None:
        """Forget a workspace unless its count of erasures is the one that was remembered."""
        if self._known[workspace_id].erasures != erasures:
            self._known[workspace_id] = Known(erasures)

    def reduce(self, workspace_id: UUID, batch: Fold) -> None:
        """Take out of a fold what is stored already."""
        known = self._known[workspace_id]
        accounts, users = _names(batch.accounts), _names(batch.users)
        for (account, user), link in list(batch.links.items()):
            first = known.links.get((accounts[account], users[user]))
            implied = link.changed_at == EPOCH and link.first_linked_at is not None
            if first is not None and implied and first <= link.first_linked_at:  # type: ignore[operator]
                del batch.links[account, user]
        batch.days = {(ix, day) for ix, day in batch.days if (users[ix], day) not in known.days}

    def learn(self, workspace_id: UUID, batch: Fold) -> None:
        """Remember what a committed fold has stored."""
        self._written += len(batch.links) + len(batch.days)
        if self._written > MOST_IN_ALL:
            self._known.clear()
            self._written = 0
        known = self._known[workspace_id]
        if len(known.links) + len(known.days) > MOST:
            known = self._known[workspace_id] = Known(known.erasures)
        accounts, users = _names(batch.accounts), _names(batch.users)
        for (account, user), link in batch.links.items():
            if link.first_linked_at is not None:
                known.links[accounts[account], users[user]] = link.first_linked_at
        known.days |= {(users[ix], day) for ix, day in batch.days}


def _names(parties: Mapping[str, object]) -> list[str]:
    """External ids by position, which counts from 1."""
    return ["", *parties]
