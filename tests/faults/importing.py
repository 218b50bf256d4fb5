"""A part of the script that is not posted but imported: the same messages, as rows of one file per workspace."""

import dataclasses
import json

import httpx

EVERY = 3  # every third event
FILES = 4  # per workspace


def is_imported(message):
    return message["type"] == "event" and int(message["messageId"].rpartition("-")[2]) % EVERY == 0


def without_imported(told):
    """The script without what is imported."""
    rest = (
        dataclasses.replace(one, messages=tuple(m for m in one.messages if not is_imported(m))) for one in told.batches
    )
    return dataclasses.replace(told, batches=tuple(one for one in rest if one.messages))


async def bring(world, stage, told):
    """Upload the files of every workspace and start their imports; returns how many rows there are."""
    rows = [[] for _ in stage.keys]
    for (workspace, _), message in told.messages.items():
        if is_imported(message):
            rows[workspace].append({name: value for name, value in message.items() if name != "type"})
    async with httpx.AsyncClient(base_url=world.api, trust_env=False, timeout=60) as client:
        for key, lines in zip(stage.keys, rows, strict=True):
            client.headers["authorization"] = f"Bearer {key}"
            for part in filter(None, (lines[number::FILES] for number in range(FILES))):
                await _import(client, "\n".join(map(json.dumps, part)).encode())
    return sum(map(len, rows))


async def _import(client, data):
    made = await _ask(client.post("/api/v1/imports", json={"kind": "events", "format": "jsonl"}))
    path = f"/api/v1/imports/{made['id']}"
    await _ask(client.put(f"{path}/parts/1", content=data, headers={"content-type": "application/x-ndjson"}))
    await _ask(client.post(f"{path}/start"))


async def _ask(asking):
    answer = await asking
    assert answer.is_success, answer.text
    return answer.json()
