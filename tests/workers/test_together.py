"""Calls that come together share one run, and each gets its own answer."""

import asyncio

import pytest

from app.workers.together import Together


class Runs:
    """Doubles numbers; remembers who came together. A negative number gets an exception of its own."""

    def __init__(self):
        self.groups = []
        self.fail = False

    async def __call__(self, items):
        self.groups.append(list(items))
        await asyncio.sleep(0.01)
        if self.fail:
            raise ZeroDivisionError
        return [ValueError(item) if item < 0 else 2 * item for item in items]


async def test_what_arrives_meanwhile_goes_together():
    runs = Runs()
    together = Together(runs)
    first = asyncio.gather(*(together("a", number) for number in range(3)))
    await asyncio.sleep(0.005)
    second = asyncio.gather(*(together("a", number) for number in range(3, 6)), together("b", 9))
    assert (await first, await second) == ([0, 2, 4], [6, 8, 10, 18])
    assert sorted(runs.groups) == [[0, 1, 2], [3, 4, 5], [9]]
    assert await together("a", 1) == 2


async def test_an_answer_may_be_an_exception_for_one_alone():
    together = Together(Runs())
    found = await asyncio.gather(together("a", 1), together("a", -1), return_exceptions=True)
    assert found[0] == 2
    assert isinstance(found[1], ValueError)


async def test_what_the_run_raises_is_raised_to_all():
    runs = Runs()
    runs.fail = True
    together = Together(runs)
    found = await asyncio.gather(together("a", 1), together("a", 2), return_exceptions=True)
    assert [type(one) for one in found] == [ZeroDivisionError] * 2
    runs.fail = False
    assert await together("a", 1) == 2


async def test_who_gives_up_waiting_stops_nobody_else():
    together = Together(Runs())
    impatient = asyncio.create_task(together("a", 1))
    patient = asyncio.create_task(together("a", 2))
    await asyncio.sleep(0.005)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert await patient == 4
