"""Columnar copies of the account facts in process memory, which answer reports where PostgreSQL would be slow.

PostgreSQL remembers; a copy may be dropped at any time and is read again. The only room that knows DuckDB. Why and how:
docs/decisions/0008-columns-for-reports.md.
"""

from app.db.replica.engine import Replicas

__all__ = ["Replicas"]
