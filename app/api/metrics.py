"""What a scrape sees: requests by route and status, how long they took, and how the queue stands."""

import time
from collections.abc import MutableMapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from app.db.jobs import Depth

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BACKLOG_SECONDS: Final = 10.0
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """One process's figures, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "steward_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "steward_http_request_seconds",
            "Time from head to answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.jobs = Gauge("steward_jobs", "Promised work.", ("lane", "state"), registry=self.registry)
        self.oldest = Gauge(
            "steward_jobs_oldest_due_seconds", "Age of the oldest work that is due.", ("lane",), registry=self.registry
        )
        self._looked_at = float("-inf")

    def count(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        """Note one answered request under its route's template."""
        route = template(scope)
        method = scope["method"] if route != "unmatched" else "any"
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def wants_backlog(self) -> bool:
        """Whether it is time to look at the queue again; not more often than every ten seconds."""
        now = time.monotonic()
        if now - self._looked_at < BACKLOG_SECONDS:
            return False
        self._looked_at = now
        return True

    def set_backlog(self, depths: Sequence[Depth]) -> None:
        """Note how the queue's lanes stand."""
        self.jobs.clear()  # a lane without work is not among them
        self.oldest.clear()
        for depth in depths:
            lane = str(depth.lane)
            for state in ("ready", "held", "leased", "dead"):
                self.jobs.labels(lane, state).set(getattr(depth, state))
            self.oldest.labels(lane).set(depth.oldest_seconds)

    def page(self) -> bytes:
        """The figures in Prometheus' text form."""
        return generate_latest(self.registry)


def template(scope: MutableMapping[str, Any]) -> str:
    """The matched route's path with its parameters unfilled, so that the number of labels stays bounded."""
    route = scope.get("route")
    if route is not None:
        return str(route.path)
    return scope["path"] if "endpoint" in scope and not scope.get("path_params") else "unmatched"
