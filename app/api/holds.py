"""What is held of request bodies in this process, by workspace: nobody can fill the process with halves of requests.

A request counts from the moment its body starts to be read until it is answered.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.api.refusals import Saturated, TooManyConcurrent
from app.domain.errors import DomainError
from app.settings import Settings

STRANGERS: Final = 32
"""How many bodies are read at once for senders whose key is inside the body."""
STRANGERS_BYTES: Final = 32 * 1024 * 1024


@dataclass(slots=True)
class Tally:
    """What one owner has in flight."""

    requests: int = 0
    size: int = 0


class Holds:
    """Shared by all requests of a process; one `Hold` per request with a body."""

    def __init__(self, settings: Settings) -> None:
        self._requests = settings.bodies_per_workspace
        self._size = settings.body_bytes_per_workspace
        self._total = settings.body_bytes
        self._owners: dict[UUID | None, Tally] = {}
        self.requests = 0
        self.size = 0

    def open(self, owner: UUID | None) -> "Hold":
        """One more body for a workspace, or for a stranger (None). TooManyConcurrent, Saturated."""
        tally = self._owners.setdefault(owner, Tally())
        if tally.requests >= (STRANGERS if owner is None else self._requests):
            raise _too_many(owner, tally.requests)
        tally.requests += 1
        self.requests += 1
        return Hold(self, owner, tally)

    def grow(self, owner: UUID | None, tally: Tally, more: int) -> None:
        """So many more bytes are held for an owner; also when this is refused."""
        tally.size += more
        self.size += more
        if more > 0 and self.size > self._total:
            raise Saturated("Too much is being received at once.", retry_after=1)
        if more > 0 and tally.size > (STRANGERS_BYTES if owner is None else self._size):
            raise _too_many(owner, tally.requests)

    def drop(self, owner: UUID | None, tally: Tally, size: int) -> None:
        """A request is over."""
        tally.size -= size
        tally.requests -= 1
        self.size -= size
        self.requests -= 1
        if not tally.requests:
            self._owners.pop(owner, None)


class Hold:
    """One request's body."""

    __slots__ = ("_holds", "_owner", "_tally", "size")

    def __init__(self, holds: Holds, owner: UUID | None, tally: Tally) -> None:
        self._holds = holds
        self._owner = owner
        self._tally = tally
        self.size = 0

    def grow(self, more: int) -> None:
        """More bytes have come, or fewer are kept. TooManyConcurrent, Saturated."""
        self.size += more
        self._holds.grow(self._owner, self._tally, more)

    def close(self) -> None:
        """The request is answered."""
        self._holds.drop(self._owner, self._tally, self.size)


def _too_many(owner: UUID | None, requests: int) -> DomainError:
    if owner is None:
        return Saturated("Too many requests without an Authorization header are being read.", retry_after=1)
    return TooManyConcurrent(
        "Too many requests of this workspace are in flight; wait for their answers.", retry_after=1, inFlight=requests
    )
