"""Metrics: their definitions, what they are for each record, and what they were."""

from app.db.metrics.counting import Measured
from app.db.metrics.definitions import change, insert_new, live, lock, named, note_told, one, page
from app.db.metrics.looking import Bucket, Seen, Wanted, events, look, stored
from app.db.metrics.past import days, since, tell, was
from app.db.metrics.values import Asked, settle

__all__ = [
    "Asked",
    "Bucket",
    "Measured",
    "Seen",
    "Wanted",
    "change",
    "days",
    "events",
    "insert_new",
    "live",
    "lock",
    "look",
    "named",
    "note_told",
    "one",
    "page",
    "settle",
    "since",
    "stored",
    "tell",
    "was",
]
