"""What `steward start` ends with: where everything is, a key, and three lines to paste."""

import json
from pathlib import Path

STORY = "The demo story is in the workspace `demo`; `steward demo remove` takes it out again."
EMPTY = "The workspace `main` is empty."


def text(url: str, key: str, *, slug: str, has_story: bool, folder: Path) -> str:
    """The closing words; the key is shown this once."""
    return "\n".join(
        [
            "",
            f"  API    {url}/api/v1",
            f"  Docs   {url}/docs",
            f"  Key    {key}   (workspace `{slug}`, scope admin; shown this once)",
            f"  Logs   {folder}",
            "",
            STORY if has_story else EMPTY,
            "",
            "Try it:",
            "",
            *curls(url, key),
            "",
            "Ctrl-C stops everything; the data stays.",
        ]
    )


def curls(url: str, key: str) -> list[str]:
    """Three lines that work when pasted, in this order: send an account, ask for its owner, ask for a report."""
    bearer = f"-H 'Authorization: Bearer {key}'"
    sends = "-H 'Content-Type: application/json'"
    account = {"externalId": "acme", "name": "Acme", "traits": {"ownerId": "user-1", "mrr": 240}}
    report = {"columns": ["name", "owner.email", "owner.lastSeenAt", "owner.sessions"], "limit": 5}
    return [
        f"curl -s {url}/api/v1/accounts {bearer} {sends} -d '{json.dumps(account)}'",
        f"curl -s {url}/api/v1/accounts/acme/owner {bearer}",
        f"curl -s {url}/api/v1/reports/accounts {bearer} {sends} -d '{json.dumps(report)}'",
    ]
