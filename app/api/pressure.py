"""Whether this process has more to do than it can: measured by how late its event loop runs what was due.

One long step is nobody's overload; only when three looks in a row find it late is anything refused: reads first, and
at four times that everything, so that what customers send is the last thing to be turned away.
"""

import asyncio
import time
from typing import Final

from app.api.refusals import Saturated

LOOK_EVERY: Final = 0.1
EVERYTHING: Final = 4
READS: Final = frozenset({"GET", "HEAD"})


class Pressure:
    """Looks ten times a second how late it is."""

    def __init__(self, allowed: float) -> None:
        self._allowed = allowed
        self._looks = (0.0, 0.0, 0.0)
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.late = 0.0

    def start(self) -> None:
        """Look from now on."""
        self._due = time.monotonic() + LOOK_EVERY
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def check(self, method: str) -> None:
        """Saturated when a request of this kind must wait for better times."""
        if self.late > self._allowed and (method in READS or self.late > self._allowed * EVERYTHING):
            raise Saturated("More requests come than can be served.", retry_after=2)

    def _look(self) -> None:
        self.note(time.monotonic() - self._due)
        self.start()

    def note(self, late: float) -> None:
        """One look's finding, in seconds."""
        self._looks = (*self._looks[1:], late)
        self.late = min(self._looks)
