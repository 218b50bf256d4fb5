"""Calls that arrive while one like them is under way become one: a transaction shared costs each a part of it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_TOGETHER: Final = 100


class Together(Generic[Item, Result]):
    """`run` gets the items that came together and answers each in order: a result, or the exception meant for it.

    What `run` raises is raised to all of them. Items are only put together with others of the same key.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]) -> None:
        self._run = run
        self._waiting: dict[Hashable, deque[tuple[Item, asyncio.Future[Result]]]] = {}
        self._runners: dict[Hashable, asyncio.Task[None]] = {}

    async def __call__(self, key: Hashable, item: Item) -> Result:
        """The answer for `item`, once its group is through. Giving up waiting does not stop the group."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append((item, answer))
        if key not in self._runners:
            self._runners[key] = asyncio.create_task(self._run_all(key))
        return await answer

    async def _run_all(self, key: Hashable) -> None:
        waiting = self._waiting[key]
        try:
            while waiting:
                group = [waiting.popleft() for _ in range(min(len(waiting), MOST_TOGETHER))]
                await self._run_group(group)
        finally:
            del self._runners[key], self._waiting[key]
            for _, answer in waiting:
                answer.cancel()

    async def _run_group(self, group: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        found: Sequence[Result | Exception]
        try:
            found = await self._run([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - it is raised to everyone who waits
            found = [error] * len(group)
        except BaseException:
            for _, answer in group:
                answer.cancel()
            raise
        for (_, answer), one in zip(group, found, strict=True):
            if answer.done():
                continue
            if isinstance(one, Exception):
                answer.set_exception(one)
            else:
                answer.set_result(one)
