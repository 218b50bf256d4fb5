"""Runs commands beside throw-away servers: `python -m app.embedded alembic upgrade head + alembic check`."""

import os
import secrets
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path

from app.embedded import postgres, valkey


def run(words: list[str]) -> int:
    """Run each command (they are divided by `+`) until one fails; the exit code of the last one run."""
    with (
        tempfile.TemporaryDirectory(prefix="steward-") as folder,
        postgres(Path(folder), fast=True) as database,
        valkey(Path(folder)) as bell,
    ):
        environment = {
            **os.environ,
            "STEWARD_DATABASE_URL": database,
            "STEWARD_REDIS_URL": bell,
            "STEWARD_SECRET_KEY": secrets.token_hex(32),
        }
        for divider, command in groupby(words, lambda word: word == "+"):
            ended = None if divider else subprocess.run(list(command), env=environment, check=False)  # noqa: S603 - what the caller asked for
            if ended and ended.returncode:
                return ended.returncode
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
