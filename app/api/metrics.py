"""What a scrape sees: requests by route and status, how long they took, and how the queue stands."""

import time
from collections import Counter as Counts
from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from app.api.holds import Holds
from app.api.pressure import Pressure
from app.db import inbox
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
        self.put_aside = Counter(
            "steward_refused_messages", "Messages put aside.", ("source", "code"), registry=self.registry
        )
        self.jobs = Gauge("steward_jobs", "Promised work.", ("lane", "state"), registry=self.registry)
        self.oldest = Gauge(
            "steward_jobs_oldest_due_seconds", "Age of the oldest work that is due.", ("lane",), registry=self.registry
        )
        self.refused = Counter("steward_refused", "Requests refused, by code.", ("code",), registry=self.registry)
        self.bodies = Gauge("steward_bodies_in_flight", "Requests with bodies in flight.", registry=self.registry)
        self.body_bytes = Gauge("steward_body_bytes_held", "Bytes of bodies held.", registry=self.registry)
        self.late = Gauge("steward_loop_late_seconds", "How late this process runs.", registry=self.registry)
        self.inbox = Gauge("steward_inbox_messages", "Messages to be applied.", registry=self.registry)
        self.inbox_oldest = Gauge(
            "steward_inbox_oldest_seconds", "Age of the oldest message to be applied.", registry=self.registry
        )
        self.inbox_failing = Gauge(
            "steward_inbox_failing", "Parcels that could not be applied.", registry=self.registry
        )
        self._looked_at = float("-inf")

    def count(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        """Note one answered request under its route's template."""
        route = template(scope)
        method = scope["method"] if route != "unmatched" else "any"
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)
        if (code := scope.get("steward.refused")) is not None:
            self.refused.labels(code).inc()

    def watch(self, holds: Holds, pressure: Pressure) -> None:
        """Show how these stand whenever somebody looks."""
        self.bodies.set_function(lambda: holds.requests)
        self.body_bytes.set_function(lambda: holds.size)
        self.late.set_function(lambda: pressure.late)

    def count_refused(self, source: str, codes: Iterable[str]) -> None:
        """Note messages that were put aside; both labels are words of our own."""
        for code, number in Counts(codes).items():
            self.put_aside.labels(source, code).inc(number)

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

    def set_inbox(self, depth: inbox.Depth) -> None:
        """Note how much of what was acknowledged is not applied yet."""
        self.inbox.set(depth.messages)
        self.inbox_oldest.set(depth.oldest_seconds)
        self.inbox_failing.set(depth.failing)

    def page(self) -> bytes:
        """The figures in Prometheus' text form."""
        return generate_latest(self.registry)


def template(scope: MutableMapping[str, Any]) -> str:
    """The matched route's path with its parameters unfilled, so that the number of labels stays bounded."""
    route = scope.get("route")
    if route is not None:
        return str(route.path)
    return scope["path"] if "endpoint" in scope and not scope.get("path_params") else "unmatched"
