"""What `steward start` ends with: where everything is, a key, and three lines to paste."""

import json
from pathlib import Path

STORY = "The demo story is in the workspace `demo`; `steward demo remove` takes it out again."
EMPTY = "The workspace `main` is empty."
MESSAGES = [
    {"type": "account", "accountId": "acme", "traits": {"name": "Acme", "ownerId": "user-1", "mrr": 240}},
    {"type": "user", "userId": "user-1", "accountId": "acme", "traits": {"email": "ann@acme.example"}},
]
COLUMNS = ["name", "mrr", "owner.email", "owner.lastSeenAt", "owner.sessions"]
SORT = [{"field": "owner.lastSeenAt"}]


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
            *curls(url, key, has_story=has_story),
            "",
            "Ctrl-C stops everything; the data stays.",
        ]
    )


def curls(url: str, key: str, *, has_story: bool) -> list[str]:
    """Three lines that work when pasted, in this order: they tell the product's story with one account."""
    bearer = f"-H 'Authorization: Bearer {key}'"

    def line(path: str, body: object = None, method: str = "") -> str:
        sent = f" -H 'Content-Type: application/json' -d '{json.dumps(body)}'" if body else ""
        return f"curl -s{method} {url}/api/v1{path} {bearer}{sent}"

    told = line("/batch", {"messages": MESSAGES})
    asked = line("/accounts/acme/owner")
    if has_story:  # it has set the traits map already
        return [told, line("/reports/accounts", {"columns": COLUMNS, "sort": SORT, "limit": 5}), asked]
    return [line("/trait-map", {"owner": "ownerId"}, " -X PUT"), told, asked]
