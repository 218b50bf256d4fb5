"""What a process knows to be stored already, so that it need not be asked or said again: most events repeat it.

Only facts that never become untrue are kept, and only after their commit: the id behind an external id, an implied
link from its first instant on, an active day, the measure of an event name. Forgetting everything is always safe.
Deleting a user or an account moves the workspace's count of erasures, which every transaction reads: what is remembered
from before is forgotten then. What is looked for in events has a version of its own.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from uuid import UUID

from app.domain.folding import Fold, Link
from app.domain.matching import Matchers

MOST: Final = 400_000
"""Facts kept per workspace before all of them are forgotten."""
MOST_IN_ALL: Final = 2_000_000
"""Facts kept of all workspaces together before all of them are forgotten: a process has bounds too."""


@dataclass(slots=True)
class Known:
    """What is stored of one workspace, by external ids."""

    erasures: int = 0
    accounts: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    links: dict[tuple[str, str], tuple[datetime, date | None]] = field(default_factory=dict)
    days: set[tuple[str, date]] = field(default_factory=set)
    measures: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many facts."""
        return len(self.accounts) + len(self.users) + len(self.links) + len(self.days) + len(self.measures)

    def has(self, pair: tuple[str, str], link: Link) -> bool:
        """Whether nothing a link says is new."""
        first, active_on = self.links.get(pair, (None, None))
        if first is None or link.first_linked_at is None or not link.implied or first > link.first_linked_at:
            return False
        return link.active_on is None or (active_on is not None and link.active_on <= active_on)

    def note(self, pair: tuple[str, str], link: Link) -> None:
        """Keep what a link has stored."""
        if link.first_linked_at is not None:
            before = self.links.get(pair, (None, None))[1]
            said = [day for day in (before, link.active_on) if day is not None]
            self.links[pair] = link.first_linked_at, max(said, default=None)


class Memory:
    """One per process; workspaces are kept apart."""

    def __init__(self, suppression_key: bytes = b"", *, keeps_history: bool = True) -> None:
        self.suppression_key = suppression_key
        self.keeps_history = keeps_history
        """Whether what is said of traits is kept line by line."""
        self._known: defaultdict[UUID, Known] = defaultdict(Known)
        self._matchers: dict[UUID, Matchers] = {}
        self._written = 0  # since everything was last forgotten: never less than what is kept

    def forget(self, workspace_id: UUID) -> None:
        """Everything about a workspace."""
        self._known.pop(workspace_id, None)
        self._matchers.pop(workspace_id, None)

    def trust(self, workspace_id: UUID, erasures: int) -> None:
        """Forget a workspace unless its count of erasures is the one that was remembered."""
        if self._known[workspace_id].erasures != erasures:
            self._known[workspace_id] = Known(erasures)

    def matchers(self, workspace_id: UUID, version: int) -> Matchers | None:
        """What is looked for in events, if that is remembered as of this version."""
        found = self._matchers.get(workspace_id)
        return found if found is not None and found.version == version else None

    def attend(self, workspace_id: UUID, matchers: Matchers) -> None:
        """Remember what is looked for in events."""
        self._matchers[workspace_id] = matchers

    def reduce(self, workspace_id: UUID, batch: Fold) -> None:
        """Fill in the ids that are known, and take out of a fold what is stored already."""
        known = self._known[workspace_id]
        batch.account_ids = {name: known.accounts[name] for name in batch.accounts.keys() & known.accounts.keys()}
        batch.user_ids = {name: known.users[name] for name in batch.users.keys() & known.users.keys()}
        named = batch.counts.names | batch.parent_counts.names
        batch.measure_ids = {name: known.measures[name] for name in named & known.measures.keys()}
        for pair in [pair for pair, link in batch.links.items() if known.has(pair, link)]:
            del batch.links[pair]
        batch.days -= known.days

    def learn(self, workspace_id: UUID, batch: Fold) -> None:
        """Remember what a committed fold has stored; nothing, when somebody was deleted since."""
        known = self._known[workspace_id]
        if known.erasures != batch.erasures:
            return
        before = known.size
        known.accounts |= batch.account_ids
        known.users |= batch.user_ids
        known.days |= batch.days
        known.measures |= {name: measure for name, measure in batch.measure_ids.items() if measure}
        for pair, link in batch.links.items():
            known.note(pair, link)
        self._written += known.size - before
        if self._written > MOST_IN_ALL:
            self._known.clear()
            self._matchers.clear()
            self._written = 0
        elif known.size > MOST:
            self._known[workspace_id] = Known(known.erasures)
