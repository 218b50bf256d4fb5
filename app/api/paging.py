"""One page of a keyset list: ask for one row more than is shown, and seal where the next page starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from app.domain import cursors

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Paging:
    """The `limit` and `cursor` of a request, bound to its workspace.

    `after(scope)` gives the sort values to go on from (None: from the start). Fetch `fetch` rows, then `cut` them:
    it returns the rows to show and the next cursor. `scope` names the list with its filter and order, so that a
    cursor does not open elsewhere.
    """

    limit: int
    cursor: str | None
    workspace_id: UUID
    key: bytes

    @property
    def fetch(self) -> int:
        """How many rows to ask for: one more than is shown, to know whether there are more."""
        return self.limit + 1

    def after(self, scope: str) -> list[Any] | None:
        """The sort values of the last row shown, or None on the first page; InvalidCursor for any other cursor."""
        if self.cursor is None:
            return None
        return cursors.unseal(self.cursor, key=self.key, scope=self._scope(scope))

    def cut(
        self, found: Sequence[Row], scope: str, values: Callable[[Row], Sequence[Any]]
    ) -> tuple[Sequence[Row], str | None]:
        """The rows to show, and the cursor for the next page where there is one."""
        shown = found[: self.limit]
        if len(found) <= self.limit:
            return shown, None
        return shown, self.seal(values(shown[-1]), scope)

    def seal(self, values: Sequence[Any], scope: str) -> str:
        """The cursor that goes on after these sort values."""
        return cursors.seal(values, key=self.key, scope=self._scope(scope))

    def _scope(self, scope: str) -> str:
        return f"{self.workspace_id.hex}:{scope}"
