"""The import contracts hold, and every one of them is seen to fail when a copy of the code breaks it."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sys.executable).with_name("lint-imports")
CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

# contract, file, what is planted at its end
BREAKS = [
    ("rooms", "app/utils/__init__.py", '"""A room nobody discussed."""'),
    ("rooms", "app/helpers.py", '"""A room nobody discussed, small."""'),
    ("rooms", "app/services/accounts.py", "from app.api import paging"),
    ("rooms", "app/db/accounts.py", "from app.services import accounts as above"),
    ("rooms", "app/db/accounts.py", "from app.outbound import http"),
    ("rooms", "app/outbound/http.py", "from app.db import base"),
    ("rooms", "app/api/paging.py", "from app.workers import bell"),
    ("rooms", "app/workers/bell.py", "from app.embedded import errors"),
    ("rooms", "app/domain/ids.py", "from app.db import base"),
    ("rooms", "app/main.py", "from app.cli import trouble"),
    ("no-cycles", "app/domain/errors.py", "from app.domain import keys"),
    ("no-cycles", "app/db/base.py", "def late() -> None:\n    from app.db import accounts"),
    ("pure-rules", "app/domain/jobs.py", "import sqlalchemy"),
    ("pure-rules", "app/domain/jobs.py", "from fastapi import Depends"),
    ("pure-rules", "app/domain/jobs.py", "import asyncio"),
    ("pure-rules", "app/domain/jobs.py", "import time"),
    ("rows", "app/domain/jobs.py", "from app.domain.models import Job as Row"),
    ("rows", "app/api/paging.py", "from app.domain.models import Account"),
    ("database", "app/services/accounts.py", "from sqlalchemy import select"),
    ("database", "app/workers/pump.py", "import asyncpg"),
    ("columns", "app/db/reports.py", "import duckdb"),
    ("columns", "app/db/replica/engine.py", "import duckdb"),
    ("bell", "app/workers/pump.py", "import arq"),
    ("bell", "app/api/paging.py", "import redis.asyncio"),
    ("bell", "app/api/shared.py", "import arq"),
    ("calls", "app/workers/pump.py", "import httpx"),
    ("calls", "app/services/accounts.py", "import aiohttp"),
    ("web", "app/services/accounts.py", "from fastapi import HTTPException"),
    ("web", "app/workers/pump.py", "from starlette.requests import Request"),
    ("settings", "app/services/accounts.py", "from app.settings import Settings"),
    ("settings", "app/embedded/errors.py", "from app.settings import Settings"),
    ("demo", "app/demo/client.py", "from app.db import base"),
    ("demo", "app/demo/client.py", "from app.domain import jobs"),
    ("product", "app/cli/trouble.py", "from tests import receivers"),
    ("product", "app/cli/trouble.py", "import benchmarks.support"),
    ("product", "app/cli/trouble.py", "from migrations import walls"),
    ("migrations", "migrations/walls.py", "from app.db import base"),
    ("migrations", "migrations/walls.py", "from app.settings import Settings"),
]


def check(folder, *contracts):
    """Check a copy against these contracts, or all; -> (kept, what was said)."""
    chosen = [word for contract in contracts for word in ("--contract", contract)]
    done = subprocess.run(
        [LINT, "--no-logo", "--no-cache", *chosen],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"},
    )
    return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The code as it is, in a folder of its own."""
    folder = tmp_path_factory.mktemp("rooms")
    for room in ("app", "migrations"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture
def plant(copy):
    """Adds a line to a file of the copy, and takes it away after the test."""
    planted = []

    def add(path, line):
        file = copy / path
        planted.append((file, file.read_text() if file.exists() else None))
        file.parent.mkdir(exist_ok=True)
        file.write_text((planted[-1][1] or "") + f"\n{line}\n")

    yield add
    for file, before in planted:
        if before is not None:
            file.write_text(before)
            continue
        file.unlink()
        if file.name == "__init__.py":
            file.parent.rmdir()


def test_the_code_keeps_every_contract(copy):
    kept, said = check(copy)
    assert kept, said
    assert f"{len(CONTRACTS)} kept, 0 broken" in said


@pytest.mark.parametrize(("contract", "path", "line"), BREAKS, ids=lambda value: value.replace("\n", ";"))
def test_a_planted_import_breaks(copy, plant, contract, path, line):
    plant(path, line)
    kept, said = check(copy, contract)
    assert not kept
    assert "BROKEN" in said
    assert CONTRACTS[contract] in said


def test_every_contract_has_been_seen_to_fail():
    assert {contract for contract, _, _ in BREAKS} == set(CONTRACTS)
