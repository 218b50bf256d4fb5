"""The `steward` command: everything a person, a script or an orchestrator asks of this program."""

from app.cli.commands import main

__all__ = ["main"]
