"""PostgreSQL and Valkey from wheels, as children of the process that asks: nothing to install, nothing left behind."""

from app.embedded.errors import CannotStart
from app.embedded.postgres import postgres, postgres_server
from app.embedded.servers import Server, running
from app.embedded.valkey import valkey, valkey_server

__all__ = ["CannotStart", "Server", "postgres", "postgres_server", "running", "valkey", "valkey_server"]
