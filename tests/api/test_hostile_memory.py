"""All that is hostile, again and again, to a real `steward serve`: it keeps serving, and its memory does not grow."""

import asyncio
from pathlib import Path

import httpx

from tests.api.hostile import ACCOUNTS, DIALECTS, SPOKEN
from tests.api.hostile_native import NATIVE
from tests.api.test_hostile_wire import WIRE
from tests.faults import campaign
from tests.faults.world import World

WARM, ROUNDS = 2, 2
MOST_GROWTH = 50 * 2**20
AT_ONCE = 8
LARGE = 8 * 2**20
# All that an honest HTTP client agrees to send.
CASES = [case for case in (*NATIVE, *SPOKEN) if all(value == value.strip() for value in case.headers.values())]
# What is answered only after ten seconds is tried elsewhere; here it would only take time.
BYTES = [sent for (_, name), sent in WIRE.items() if 408 not in sent[1] and sent[0]]


def test_hostile_inputs_over_and_over_leave_the_memory_as_it_was(capsys):
    with campaign.place() as folder, World(folder / "world") as world:
        stage = asyncio.run(campaign.prepare(world, count=1))
        world.start("api")
        grown = asyncio.run(attack(world, stage.keys[0]))
    with capsys.disabled():
        print(f"\n{ROUNDS} x {len(CASES) + len(BYTES)} hostile requests after {WARM}: {grown / 2**20:+.1f} MB")
    assert grown < MOST_GROWTH


async def attack(world, key):
    """The growth in bytes from after the warm rounds to the end."""
    pid, before = world.pids["api"], 0
    async with httpx.AsyncClient(base_url=world.api, trust_env=False, timeout=60) as client:
        for number in range(WARM + ROUNDS):
            if number == WARM:
                before = await at_rest(pid)
            await every(client, key)
            await all_bytes(world, key)
            answer = await client.get("/api/v1/me", headers={"authorization": f"Bearer {key}"})
            assert answer.status_code == 200
    return await at_rest(pid) - before


async def every(client, key):
    """All cases once, a few at a time; none may break anything."""
    waiting = iter(CASES)
    shown = {path: dialect.authorization(key) for dialect in DIALECTS for path in dialect.paths.values()}

    async def some():
        for case in waiting:
            headers = {"authorization": shown.get(case.path, shown[ACCOUNTS]), **case.headers}
            try:
                answer = await client.request(case.method, case.path, content=case.body, headers=headers)
            except httpx.TransportError:
                if len(case.body or b"") < LARGE:  # which we do not read to the end, only to be polite
                    raise
            else:
                assert answer.status_code < 500, f"{case}: {answer.text[:300]}"

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def all_bytes(world, key):
    """All that goes to sockets once, a few at a time."""
    waiting = iter(BYTES)

    async def some():
        for sent in waiting:
            await throw(world, key, *sent)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def throw(world, key, pieces, wanted):
    """Bytes on a socket of their own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(world.api).port)
    try:
        for piece in pieces:
            writer.write(piece.replace(b"KEY", key.encode()))
        await writer.drain()
        answer = await reader.read(65536)
        assert not answer.startswith(b"HTTP/1.1 5"), answer[:300]
    except OSError:
        if None not in wanted and min(wanted) < 400:
            raise  # who is refused may find the line cut before they have read why
    finally:
        writer.transport.abort()


async def at_rest(pid):
    """The least of a few seconds: what is still being hung up on is not kept."""
    found = []
    for _ in range(20):
        found.append(memory(pid))
        await asyncio.sleep(0.1)
    return min(found)


def memory(pid):
    """Resident bytes."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
