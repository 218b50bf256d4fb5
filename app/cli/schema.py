"""Brings a database to the schema this release needs, and knows which one that is."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import app
from app.db import condition

if TYPE_CHECKING:  # alembic is imported by the commands that need it, not by every `steward serve`
    from alembic.config import Config

ROOT = Path(app.__file__).parents[1]


def _config(url: str = "") -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def head() -> str | None:
    """The revision this release is written for."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head()


def upgrade(url: str) -> bool:
    """Run the migrations that are missing; whether the database was empty before."""
    from alembic import command

    was_new = asyncio.run(condition.look(url)).revision is None
    command.upgrade(_config(url), "head")
    return was_new
