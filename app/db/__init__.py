"""PostgreSQL: the only room with queries."""
