"""Someone else's server, on loopback: records what arrives byte for byte and answers as well or as badly as told.

async with Receiver() as hook:
    hook.answer(500, headers={"retry-after": "7"})   # from now on
    hook.script(503, 200)                            # in turn; the last one stays
    hook.answer(drip())                              # or misbehave: see the functions below
    ...post to hook.url...
    await hook.wait_for(1)
    assert hook.requests[0].json() == {...}
"""

import asyncio
import gzip
import json
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

Write = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Received:
    """One request: header names are lower-case in `headers`; `raw_head` and `body` are the bytes as they came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    raw_head: bytes
    at: float = field(default_factory=time.monotonic)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What to reply: a plain answer after `delay` seconds, or whatever `write` does to the connection."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    write: Write | None = None
    read_body: bool = True  # False: answers while the body is still unread

    def encoded(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Whatever", *(f"{name}: {value}" for name, value in self.headers.items())]
        if "content-length" not in {name.lower() for name in self.headers} and self.status != 204:
            lines.append(f"content-length: {len(self.body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


class Receiver:
    """A server on a port the system chooses. `with_tls` takes a server-side context."""

    def __init__(self, *, host: str = "127.0.0.1", with_tls: ssl.SSLContext | None = None) -> None:
        self.host = host
        self.port = 0
        self.requests: list[Received] = []
        self.connections = 0
        self.closed = 0
        self._tls = with_tls
        self._script: list[Answer] = [Answer()]
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=self._tls, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where to post: plain http unless `with_tls`."""
        return self.url_for(self.host)

    def url_for(self, host: str, path: str = "/hook") -> str:
        """The same server under another name."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def answer(
        self,
        what: int | Answer = 200,
        *,
        body: bytes | str = b"ok",
        headers: Mapping[str, str] | None = None,
        delay: float = 0.0,
    ) -> None:
        """Answer every further request like this."""
        text = body.encode() if isinstance(body, str) else body
        self._script = [what if isinstance(what, Answer) else Answer(what, text, headers or {}, delay)]

    def script(self, *answers: int | Answer) -> None:
        """Answer the next requests in this order; the last answer stays."""
        self._script = [one if isinstance(one, Answer) else Answer(one) for one in answers]

    async def wait_for(self, count: int, *, within: float = 5.0) -> list[Received]:
        """The requests so far, once there are at least `count`; TimeoutError after `within` seconds."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def wait_closed(self, count: int = 1, *, within: float = 5.0) -> None:
        """Return once `count` connections have ended."""
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: self.closed >= count)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the other side left, or the test is over
        finally:
            self._tasks.discard(task)
            writer.transport.abort()
            self.closed += 1
            if not task.cancelling():
                async with self._changed:
                    self._changed.notify_all()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        request = await _parse(head, reader, with_body=answer.read_body)
        async with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        if answer.delay:
            await _unless_left(reader, asyncio.sleep(answer.delay))
        if answer.write is not None:
            await _unless_left(reader, answer.write(writer))
            return False
        writer.write(answer.encoded())
        await writer.drain()
        if not answer.read_body:
            await asyncio.sleep(3600)
        return True


async def _unless_left(reader: asyncio.StreamReader, doing: Coroutine[Any, Any, None]) -> None:
    """Do it, or stop when the other side hangs up."""
    work, left = asyncio.create_task(doing), asyncio.create_task(reader.read(1))
    try:
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        left.cancel()
        if not work.done():
            work.cancel()
        await asyncio.gather(left, return_exceptions=True)
    await work


async def _parse(head: bytes, reader: asyncio.StreamReader, *, with_body: bool) -> Received:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0"))) if with_body else b""
    return Received(method, path, headers, body, head)


# -- Ways to misbehave: each is an Answer for `answer` or `script` ------------------------------------------------


def redirect(to: str, status: int = 307) -> Answer:
    """Points elsewhere."""
    return Answer(status, b"", {"location": to, "refresh": f"0; url={to}"})


def drip(interval: float = 0.05, *, head: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n") -> Answer:
    """A head, then one byte of body at a time, for ever."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(interval)

    return Answer(write=write)


def silence() -> Answer:
    """Takes the request and never answers."""
    return Answer(write=lambda _writer: asyncio.sleep(3600))


def huge(total: int = 10 * 2**30, *, headers: str = "", counter: list[int] | None = None) -> Answer:
    """A body of `total` bytes; `counter[0]` follows how many were taken off our hands."""
    sent = counter if counter is not None else [0]

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {total}\r\n{headers}\r\n".encode())
        sent[:] = [0]
        block = b"x" * 65536
        while sent[0] < total:
            writer.write(block)
            await writer.drain()
            sent[0] += len(block)

    return Answer(write=write)


def gzip_bomb(size: int = 64 * 2**20) -> Answer:
    """A small body that says it unpacks to `size` bytes."""
    return Answer(200, gzip.compress(b"\0" * size), {"content-encoding": "gzip"})


def cut_short() -> Answer:
    """Promises a body, sends half of it and hangs up."""
    return raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b"x" * 500)


def raw(data: bytes, *, then_wait: float = 0.0) -> Answer:
    """Exactly these bytes, then hangs up."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(then_wait)
        writer.close()
        await writer.wait_closed()

    return Answer(write=write)


def flood(start: bytes, block: bytes) -> Answer:
    """`start`, then `block` for ever: endless headers, endless interim answers."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(block)
            await writer.drain()

    return Answer(write=write)


def hang_up() -> Answer:
    """Takes the request and resets the connection."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    return Answer(write=write)
