"""The named points at which a process can die, found in the code, and what it takes to die at each of them often."""

import re
import time
from collections import Counter
from pathlib import Path

from tests.faults.launch import DIED
from tests.faults.world import ROOT, WORKERS

VICTIMS = ("api", *WORKERS)
# The API must not know the workers' register of points; the harness wraps what these stand for.
OF_THE_API = ("ingest.before_commit", "ingest.after_commit", "inbox.before_append", "inbox.after_append")


def named():
    """Every point there is: a new one is walked, or the test of coverage fails."""
    sources = sorted((ROOT / "app").rglob("*.py"))
    found = {point for path in sources for point in re.findall(r'\bfault\("([a-z_.]+)"\)', path.read_text())}
    return (*OF_THE_API, *sorted(found))


class Walk:
    """Restarts what dies until every point has had its deaths, and knows how many each had."""

    def __init__(self, world, points, times):
        self._world, self._points = world, points
        self._book = Path(world.folder) / "deaths"
        self._book.touch()
        self._dying = {"book": str(self._book), "times": times}
        self._times = times

    @property
    def deaths(self):
        """By point."""
        return Counter(self._book.read_text(encoding="ascii").split())

    @property
    def missing(self):
        """The points that have not had all their deaths yet."""
        found = self.deaths
        return [point for point in self._points if found[point] < self._times]

    def start(self):
        """Start everything, armed."""
        self._world.start(*VICTIMS, dying=self._dying)

    def go_on(self, *, seconds, going):
        """Until nothing is missing, or time is up, or it is not `going` any more."""
        deadline = time.monotonic() + seconds
        while self.missing and going() and time.monotonic() < deadline:
            for name in VICTIMS:
                self._revive(name)
            time.sleep(0.02)
        for name in VICTIMS:
            self._revive(name)

    def _revive(self, name):
        code = self._world.ended(name)
        if code is not None:
            assert code == DIED, f"{name} ended with {code}, and not at a named point"
            self._world.start(name, dying=self._dying)

    def __str__(self):
        found = self.deaths
        lines = [f"{found[point]:5}  {point}" for point in self._points]
        return "\n".join([f"{sum(found.values())} deaths at {len(self._points)} named points", *lines])
