"""A good client: sends the script at its pace, and sends again, with the same ids, whatever was not acknowledged."""

import asyncio
import threading
import time
from collections import Counter

import httpx

from tests.faults import tongues
from tests.faults.tongues import TONGUES

SENDERS = 4
PATIENCE_SECONDS = 120.0
MOST_BROKEN = 50
UNSAID = "unsaid"
TAKEN = {"accepted", "duplicate", UNSAID}


class Sender(threading.Thread):
    """Runs beside the nemesis. Afterwards it knows what was acknowledged and what the API said meanwhile."""

    def __init__(self, url, stage, script, *, seconds):
        super().__init__(name="sender", daemon=True)
        self.statuses = Counter()  # of all answers; 0: none came
        self.told = Counter()  # messages by the path they were sent to
        self.acknowledged = set()  # (workspace, message id)
        self.repeated = 0  # messages sent again after they had been acknowledged
        self.taken_twice = set()  # accepted although acknowledged before
        self.refused = []  # verdicts a good client should never see
        self.slowest = 0.0
        self.trouble = None
        self._url, self._stage, self._script, self._seconds = url, stage, script, seconds
        self._queue = iter(script.batches)

    def run(self):
        try:
            asyncio.run(self._send_all())
        except Exception as error:  # noqa: BLE001 - shown by whoever joins us
            self.trouble = error

    def finish(self):
        """Wait until all is acknowledged; raises what went wrong."""
        self.join(self._seconds + PATIENCE_SECONDS)
        if self.trouble is not None:
            raise self.trouble
        assert not self.is_alive(), "the sender never came to an end"

    async def _send_all(self):
        self._began = time.monotonic()
        async with (
            httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=10.0) as client,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(SENDERS):
                group.create_task(self._work(client))

    async def _work(self, client):
        for batch in self._queue:
            await asyncio.sleep(max(0.0, self._began + batch.due * self._seconds - time.monotonic()))
            await self._deliver(client, batch)

    async def _deliver(self, client, batch):
        """Each message in its tongue; a batch may so become two requests."""
        for name, tongue in TONGUES.items():
            part = [message for message in batch.messages if tongues.of(message) == name]
            if part:
                await self._tell(client, batch.workspace, tongue, part)

    async def _tell(self, client, workspace, tongue, messages):
        names = [(workspace, message["messageId"]) for message in messages]
        began, before = time.monotonic(), self.acknowledged.intersection(names)
        self.repeated += len(before)
        self.told[tongue.path] += len(messages)
        while True:
            answer = await self._try(client, tongue, messages, self._stage.keys[workspace])
            if answer is not None:
                break
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise TimeoutError(f"a batch was not acknowledged in {PATIENCE_SECONDS} s: {self.statuses}")
            await asyncio.sleep(0.1)
        self.slowest = max(self.slowest, time.monotonic() - began)
        # Segment's dialect has one answer for all: its messages are taken, and the database is the witness.
        verdicts = dict(zip(names, answer.get("results", [UNSAID] * len(names)), strict=True))
        self.acknowledged |= {name for name, verdict in verdicts.items() if verdict in TAKEN}
        self.refused += [(name, verdict) for name, verdict in verdicts.items() if verdict not in TAKEN]
        if workspace not in self._stage.inboxes:  # where what came before is not looked at until later
            self.taken_twice |= {name for name in before if verdicts[name] == "accepted"}

    async def _try(self, client, tongue, messages, key):
        headers = {"authorization": tongue.authorization(key)}
        try:
            response = await client.post(tongue.path, json=tongue.body(messages), headers=headers)
        except httpx.HTTPError:
            self.statuses[0] += 1
            return None
        self.statuses[response.status_code] += 1
        if response.status_code == tongue.status:
            return response.json()
        if response.status_code < 500 or (response.status_code != 503 and self.statuses[500] > MOST_BROKEN):
            raise RuntimeError(f"no good client would go on: {response.status_code} {response.text}")
        return None
