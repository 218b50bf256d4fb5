"""A bad road between an SDK and us: refuses, drops and forgets a share of the requests, dealt from a seed.

Half of the misfortunes strike before the request reaches Steward, half after Steward has stored it and answered: those
are the ones that make a client send again what was already kept.
"""

import asyncio
import contextlib
import random
import threading
from collections import Counter

FINE = "forwarded"
# What happens to each 40 requests, in an order drawn from the seed: every kind strikes, whatever the seed.
DECK = {
    "500 instead": 2,
    "503 instead": 1,
    "429 instead": 1,
    "dropped before": 2,
    "500 after": 2,
    "dropped after": 2,
    FINE: 30,
}
ANSWERS = {
    "500": b"HTTP/1.1 500 Oh\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\noops",
    "503": b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
    "429": b"HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}",
}


class Proxy(threading.Thread):
    """Listens on a port of its own, in a thread of its own; `with Proxy(port, seed) as road: … road.url`."""

    def __init__(self, port, seed):
        super().__init__(name="proxy", daemon=True)
        self.done = Counter()  # misfortunes by name
        self.answers = Counter()  # what Steward itself answered
        self._port, self._chance, self._deck = port, random.Random(f"road {seed}"), []
        self._ready, self._loop, self._over = threading.Event(), None, None

    def __enter__(self):
        self.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._over.set)
        self.join(10)

    def run(self):
        asyncio.run(self._listen())

    async def _listen(self):
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20, backlog=512)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._over.wait()
        server.close()

    def _deal(self):
        if not self._deck:
            self._deck = [name for name, times in DECK.items() for _ in range(times)]
            self._chance.shuffle(self._deck)
        return self._deck.pop()

    async def _serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.transport.abort()

    async def _one(self, reader, writer):
        """Pass one request on, or do not; whether the connection goes on."""
        request = await _message(reader)
        what = self._deal()
        self.done[what] += 1
        name, _, when = what.partition(" ")
        answer = None
        if when in {"", "after"}:
            answer = await self._forward(request)
        if name == "dropped":
            return False
        writer.write(ANSWERS.get(name, answer))
        await writer.drain()
        return True

    async def _forward(self, request):
        """Steward's answer, over a connection of its own, so that what happens to one request happens to no other."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        try:
            writer.write(request)
            answer = await _message(reader)
        finally:
            writer.transport.abort()
        self.answers[int(answer.split(b" ", 2)[1])] += 1
        return answer


async def _message(reader):
    """One whole request or answer, as bytes."""
    head = await reader.readuntil(b"\r\n\r\n")
    sizes = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(sizes[0]) if sizes else 0)
