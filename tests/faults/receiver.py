"""Someone else's webhook server: writes down every letter before it answers, and answers badly now and then.

    python -m tests.faults.receiver FD LOG SEED

5 % of arrivals get a 500 and 2 % a reset connection, drawn from the letter's id and how often it has come, so that the
same seed treats the same letter alike whatever order letters come in. The log has one JSON line per arrival.
"""

import asyncio
import base64
import json
import random
import socket
import sys
import time
from collections import Counter
from pathlib import Path

REFUSED, DROPPED = 0.05, 0.02
SLOWEST = 0.06
REPLY = {200: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 500: b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\nno"}


class Receiver:
    def __init__(self, log, seed):
        self.log = log
        self.seed = seed
        self.times = Counter()

    async def serve(self, reader, writer):
        try:
            while await self.one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the sender was killed
        finally:
            writer.transport.abort()

    async def one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        path, name = first.split(" ")[1], headers["webhook-id"]
        self.times[path, name] += 1
        chance = random.Random(f"{self.seed} {path} {name} {self.times[path, name]}")
        await asyncio.sleep(chance.uniform(0, SLOWEST))
        draw = chance.random()
        outcome = 500 if draw < REFUSED else 0 if draw < REFUSED + DROPPED else 200
        self.write(path, headers, body, outcome)
        if outcome == 0:
            return False
        writer.write(REPLY[outcome])
        await writer.drain()
        return True

    def write(self, path, headers, body, outcome):
        line = {
            "at": time.time(),
            "path": path,
            "outcome": outcome,
            "headers": {name: value for name, value in headers.items() if name.startswith("webhook-")},
            "body": base64.b64encode(body).decode(),
        }
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()


async def main(descriptor, path, seed):
    with Path(path).open("a", encoding="utf-8") as log:
        server = await asyncio.start_server(Receiver(log, seed).serve, sock=socket.socket(fileno=int(descriptor)))
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
