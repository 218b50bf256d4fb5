"""Requests made from our own description, in every way schemathesis knows: nothing breaks, nothing is undocumented."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import MASTER, ROOT

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
PHASES = "examples,coverage,fuzzing,stateful"
EXAMPLES = 10  # per operation, in the fuzzing and stateful phases
COVERAGE_SHARE = os.environ.get("COVERAGE_SHARE", "0.1")  # 1 takes minutes
SEED = os.environ.get("SCHEMATHESIS_SEED", "20260301")
DONE_WITHIN = 600
ACCOUNTS = ("acme", "globex", "initech")


@pytest.fixture
def served(database_url, tmp_path):
    """The API in a process of its own, as `steward serve` runs it; yields its URL and where it logs."""
    log = tmp_path / "api.log"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("STEWARD_")},
        "STEWARD_DATABASE_URL": database_url,
        "STEWARD_SECRET_KEY": MASTER,
        "STEWARD_BELL": "none",
        "STEWARD_ENVIRONMENT": "test",
        "STEWARD_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        yield process, log
    finally:
        process.terminate()
        process.wait(30)


def test_no_request_breaks_the_api_or_gets_an_undocumented_answer(served):
    raise NotImplementedError
