"""Requests made from our own description, in every way schemathesis knows: nothing breaks, nothing is undocumented."""

import asyncio
import json
import os
import socket
import subprocess
import sys

import httpx
import pytest

from tests.conftest import EXAMPLES_SHARE, MASTER, ROOT
from tests.receivers import Receiver

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "unsupported_method",
    "missing_required_header",
    "use_after_free",
    "ensure_resource_availability",
)
EXAMPLES = max(3, int(10 * EXAMPLES_SHARE))  # per operation while fuzzing; as many sequences of requests afterwards
COVERAGE_SHARE = os.environ.get("COVERAGE_SHARE", "")  # 0.1 of some 60,000 cases takes a quarter of an hour: by hand
PHASES = ("examples", *(("coverage",) if COVERAGE_SHARE else ()), "fuzzing", "stateful")
SEED = os.environ.get("SCHEMATHESIS_SEED", "20260301")
ACCOUNTS = ("acme", "globex", "initech")
INDICATOR = {"name": "In use", "kind": "risk", "filter": {"field": "events", "op": "atLeast", "value": 1}}


@pytest.fixture
def base_url(database_url, tmp_path):
    """Where the API is served, by a process of its own, as `steward serve` does it."""
    with socket.socket() as taken, (tmp_path / "api.log").open("wb") as log:
        taken.bind(("127.0.0.1", 0))
        taken.listen(64)
        command = [sys.executable, "-m", "app.cli", "serve", "--fd", str(taken.fileno())]
        environment = ours() | {
            "STEWARD_DATABASE_URL": database_url,
            "STEWARD_SECRET_KEY": MASTER,
            "STEWARD_BELL": "none",
            "STEWARD_ENVIRONMENT": "test",
            "STEWARD_OUTBOUND_ALLOW": '["127.0.0.1"]',
            "STEWARD_LOG_LEVEL": "warning",
        }
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, pass_fds=[taken.fileno()]
        )
        try:
            yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        finally:
            process.terminate()
            process.wait(30)


def ours():
    """The environment without settings of Steward, and with the way to this machine left direct."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STEWARD_")}
    return kept | {"NO_PROXY": "127.0.0.1", "PYTHONPATH": str(ROOT)}


async def test_no_request_breaks_the_api_or_gets_an_undocumented_answer(base_url, workspace, make_key, drain, tmp_path):
    key = await make_key(workspace)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, trust_env=False, timeout=60) as client:
        known = await something_to_find(client, drain)
        own = (await client.get("/api/v1/me")).json()["key"]["id"]
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{base_url}/openapi.json"),
        *("--header", f"Authorization: Bearer {key}"),
        *("--checks", ",".join(CHECKS), "--phases", ",".join(PHASES)),
        *("--max-examples", str(EXAMPLES), "--seed", SEED, "--continue-on-failure"),
        *("--exclude-operation-id", "deleteWorkspace"),
        *("--exclude-operation-id", "signIn"),  # whose every answer to a stranger is 401
        *("--generation-database", "none", "--no-color"),
    ]
    environment = ours() | {
        "SCHEMATHESIS_HOOKS": "tests.api.hooks_for_schemathesis",
        "OWN_KEY": own,
        "KNOWN": json.dumps(known),
        "COVERAGE_SHARE": COVERAGE_SHARE or "0",
    }
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, f"{said}\n{(tmp_path / 'api.log').read_text()[-20_000:]}"
    assert "Authentication failed" not in said, said  # the run lost its own key on the way
    for phase in PHASES:
        assert f"✅ {phase.capitalize()}" in said, said


async def something_to_find(client, drain):
    """Accounts, users, an alert and a delivery; their ids by the name of the path parameter."""
    async with Receiver() as hook:
        await client.post("/api/v1/indicators", json=INDICATOR)
        segment = await client.post("/api/v1/segments", json={"name": "In use", "filter": INDICATOR["filter"]})
        view = await client.post("/api/v1/views", json={"subject": "accounts", "name": "All", "shared": "shared"})
        made = await client.post("/api/v1/webhooks", json={"url": hook.url})
        messages = [
            {"type": "event", "event": "Opened", "userId": f"user-{name}", "accountId": name} for name in ACCOUNTS
        ]
        messages += [{"type": "account", "accountId": name, "organizationId": "group"} for name in ACCOUNTS]
        messages.append({"type": "customObjectInstance", "customObject": "ticket", "instanceId": "1"})
        messages += [{"type": "event", "event": " ", "userId": "user-1", "messageId": name} for name in ACCOUNTS]
        await client.post("/api/v1/batch", json={"messages": messages})
        await drain()
        await hook.wait_for(len(ACCOUNTS))
    alerts = (await client.get("/api/v1/alerts")).json()["data"]
    rejected = (await client.get("/api/v1/rejected-messages")).json()["data"]
    webhook = made.json()["id"]
    deliveries = (await client.get(f"/api/v1/webhooks/{webhook}/deliveries")).json()["data"]
    assert len(alerts) == len(deliveries) == len(ACCOUNTS)
    return {
        "account": list(ACCOUNTS),
        "user": [f"user-{name}" for name in ACCOUNTS],
        "alert": [alert["id"] for alert in alerts],
        "delivery": [delivery["id"] for delivery in deliveries],
        "rejected": [message["id"] for message in rejected],
        "organization": ["group"],
        "segment": [segment.json()["id"]],
        "record": list(ACCOUNTS),
        "view": [view.json()["id"]],
        "object": ["ticket"],
        "instance": ["1"],
    }
