"""A real server on loopback, for what only bytes on a socket can show."""

import asyncio
import contextlib
import socket

import pytest
import sqlalchemy as sa
import uvicorn

from app.api import server
from app.main import create_app


class Impatient(server.Patient):
    """Waits for heads as the real one does, only less long."""

    head_seconds = 0.6


class Live:
    """Speaks raw HTTP to the server and reads what comes back."""

    def __init__(self, port):
        self.port = port

    async def connect(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def send(self, *pieces, pause=0.0, seconds=5.0):
        """Send pieces and return (all bytes received until the server closed or fell silent, whether it closed)."""
        reader, writer = await self.connect()
        received = bytearray()
        closed = asyncio.Event()

        async def read():
            with contextlib.suppress(OSError):
                while chunk := await reader.read(65536):
                    received.extend(chunk)
            closed.set()

        listening = asyncio.create_task(read())
        with contextlib.suppress(OSError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                if pause:
                    await asyncio.sleep(pause)
                if closed.is_set():
                    break
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await closed.wait()
        listening.cancel()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return bytes(received), closed.is_set()


@pytest.fixture(scope="session")
async def live_app(settings):
    """The application as served by `live`, with a short patience for bodies."""
    hasty = settings.model_copy(update={"body_timeout_seconds": 0.6})
    return create_app(hasty)


@pytest.fixture(scope="session")
async def live(live_app):
    """A running server."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        serving = uvicorn.Server(server.config(live_app, http=Impatient, lifespan="on"))
        serving.capture_signals = contextlib.nullcontext
        task = asyncio.create_task(serving.serve(sockets=[taken]))
        while not serving.started:
            await asyncio.sleep(0.01)
        yield Live(taken.getsockname()[1])
        serving.should_exit = True
        await task


TABLES = ("accounts", "users", "events", "message_receipts", "members", "webhook_endpoints")


@pytest.fixture
def rows(database, workspace):
    """How many rows this test's workspace has, in all tables a hostile input could reach."""
    query = " union all ".join(f"select count(*) from {table}" for table in TABLES)

    async def count():
        async with database.transaction(workspace) as db:
            return sum((await db.execute(sa.text(query))).scalars())

    return count
