"""The demo story: two hundred accounts over half a year, told through the public API and taken out again by it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

from app.demo import cast, gauges, script, stage
from app.demo.client import Client
from app.domain.errors import Rejected

SEED: Final = 1
BATCH: Final = 500
LINES: Final = 6  # requests under way at a time
REPORTED: Final = 10_000  # messages between two words about progress

Say = Callable[[str], None]
Part = TypeVar("Part")


def _silently(_: str) -> None:
    return


async def load(url: str, key: str, *, say: Say = _silently, patience: float = 15.0) -> None:
    """Tell the story to the workspace of `key`, and wait up to `patience` seconds until it has been evaluated.

    The story ends at the moment the workspace was made, so telling it again sends the very same messages: harmless.
    """
    with Client(url, key) as client:
        await asyncio.to_thread(_tell, client, say, patience)


async def remove(url: str, key: str, *, say: Say = _silently) -> None:
    """Delete the workspace of `key`, with everything in it."""
    with Client(url, key) as client:
        await asyncio.to_thread(_forget, client, say)


def _tell(client: Client, say: Say, patience: float) -> None:
    anchor = datetime.fromisoformat(client.call("GET", "/workspace")["createdAt"])
    firms = cast.firms(SEED, anchor)
    stage.set_rules(client)
    stage.hire(client)
    with ThreadPoolExecutor(LINES, thread_name_prefix="demo") as lines:
        messages = list(script.messages(firms, SEED, anchor))
        told = 0
        for count in lines.map(lambda batch: _post(client, batch), _parts(messages, BATCH)):
            if told // REPORTED < (told + count) // REPORTED:
                say(f"  {told + count:,} of {len(messages):,} messages")
            told += count
        assigned = lines.map(lambda request: client.call("PUT", *request), stage.portfolios(client, firms))
        say(f"  {told:,} messages, {sum(1 for _ in assigned)} key roles")
        answers = lines.map(lambda request: client.call("POST", *request), gauges.answered(client, SEED, firms))
        say(f"  {sum(1 for _ in answers)} answers to the NPS survey")
    stage.choose_owners(client, firms)
    gauges.measure(client)
    stage.watch(client)
    _settle(client, patience)


def _post(client: Client, messages: list[script.Message]) -> int:
    answer = client.call("POST", "/batch", {"messages": messages})
    if answer["rejected"]:
        fault = next(fault for fault in answer["faults"] if fault["status"] == "rejected")
        raise Rejected(f"The story was not accepted: {fault['code']}, {fault['detail']}")
    return len(messages)


def _parts(items: Iterable[Part], size: int) -> Iterator[list[Part]]:
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def _settle(client: Client, patience: float) -> None:
    """Wait until nothing is left to evaluate."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and not _is_settled(client):
        time.sleep(0.2)


def _is_settled(client: Client) -> bool:
    under_way: list[dict[str, Any]] = client.call("GET", "/reprocessings")["data"]
    if any(work["state"] in {"waiting", "running"} for work in under_way):
        return False
    return bool(client.call("GET", "/evaluation")["pending"] == 0)


def _forget(client: Client, say: Say) -> None:
    slug = client.call("GET", "/workspace")["slug"]
    client.call("DELETE", "/workspace", {"slug": slug})
    say(f"The workspace `{slug}` is gone, with its data and its keys.")
