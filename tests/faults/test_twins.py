"""Each message told one to five times at once, by many clients, to two processes, in several dialects: once stored."""

import asyncio
import random
from collections import Counter

import httpx
import pytest

from tests.faults import campaign, script
from tests.faults.oracle import foretell
from tests.faults.tongues import TONGUES, has_tracked_form
from tests.faults.world import World

pytestmark = pytest.mark.faults

CONNECTIONS = 8
MOST_TWINS = 5
SIZES = (1, 7, 40, 100)
# Under one id, a later twin in another dialect is another body to us: it is told so, and changes nothing.
FINE = {"accepted", "duplicate", "conflict"}
FINE_STATUSES = {200, 202, 429, 503}


def twins(told, chance):
    """Requests to send: every message one to five times, in tongues and an order drawn by `chance`."""
    copies = []
    for (workspace, _), message in told.messages.items():
        for _ in range(chance.randint(1, MOST_TWINS)):
            spoken = chance.choices(list(TONGUES), (12, 7, 1))[0] if has_tracked_form(message) else "api"
            copies.append((workspace, spoken, message))
    chance.shuffle(copies)
    lines = {}
    for workspace, spoken, message in copies:
        lines.setdefault((workspace, spoken), []).append(message)
    requests = []
    for (workspace, spoken), line in lines.items():
        while line:
            size = min(chance.choice(SIZES), TONGUES[spoken].most)
            requests.append((workspace, spoken, line[:size]))
            del line[:size]
    chance.shuffle(requests)
    return len(copies), requests


class Crowd:
    """Many clients at once; they come again when told to, and note every answer."""

    def __init__(self, world, stage, requests):
        self._world, self._stage, self._requests = world, stage, iter(requests)
        self.statuses, self.verdicts = Counter(), Counter()

    async def send(self):
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(self._one())

    async def _one(self):
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(base_url=self._world.api, trust_env=False, timeout=30, limits=limits) as client:
            for workspace, spoken, messages in self._requests:
                results = await self._tell(client, TONGUES[spoken], self._stage.keys[workspace], messages)
                if workspace not in self._stage.inboxes:  # whose answer cannot know a twin yet
                    self.verdicts.update(results)

    async def _tell(self, client, tongue, key, messages):
        headers = {"authorization": tongue.authorization(key)}
        while True:
            answer = await client.post(tongue.path, json=tongue.body(messages), headers=headers)
            self.statuses[answer.status_code] += 1
            if answer.status_code not in (429, 503):
                break
            await asyncio.sleep(float(answer.headers["retry-after"]))
        return answer.json().get("results", ())


def test_twins_at_once_in_any_order_and_dialect_count_once(capsys):
    told = script.write(campaign.SEED + 7, events=1500, accounts=150)
    copies, requests = twins(told, random.Random(campaign.SEED))
    with campaign.place() as folder, World(folder / "world", seed=campaign.SEED) as world:
        stage = asyncio.run(campaign.prepare(world))
        world.start("api", "worker-1")
        asyncio.run(stage.configure(world))
        world.start("api-2")  # on the same socket: twins meet in PostgreSQL, not only in one process's queue
        crowd = Crowd(world, stage, requests)
        asyncio.run(crowd.send())
        assert set(crowd.statuses) <= FINE_STATUSES, f"{crowd.statuses}\n{world.last_words()}"
        asyncio.run(campaign.rest(world))
        report = asyncio.run(stage.check(world, foretell(told.messages)))
    with capsys.disabled():
        print(f"\nseed {campaign.SEED}: {len(told.messages)} messages told {copies} times: {dict(crowd.verdicts)}")
    assert report.faultless, str(report)
    at_once = [message_id for workspace, message_id in told.messages if workspace not in stage.inboxes]
    assert crowd.verdicts["accepted"] <= len(at_once)
    assert set(crowd.verdicts) == FINE


def test_a_seed_is_one_crowd_and_every_dialect_is_heard():
    told = script.write(3, events=300, accounts=30)
    one, same = (twins(told, random.Random(5)) for _ in range(2))
    assert one == same
    assert {spoken for _, spoken, _ in one[1]} == set(TONGUES)
