"""`asgi_node.runtime.runner`: how long requests may go on when their application closes."""

from __future__ import annotations

import asyncio
import contextvars
import time
from typing import Any

import pytest

from asgi_node.runtime.lifespan import Lifespan
from asgi_node.runtime.runner import Runner


class Exchange:
    """What the runner asks of an exchange."""

    is_deaf_stream = False
    number = 1

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def receive(self) -> None:
        await self.ended.wait()

    async def send(self, event: Any) -> None: ...

    def finish(self, *_: Any) -> bool:
        return True

    def begin_shutdown(self) -> None: ...


async def waiting(scope: Any, receive: Any, send: Any) -> None:
    await receive()


def finished_after(timeout: float, *, before: list[float] = [], within: list[float] = []) -> float:  # noqa: B006
    """Seconds until `finish(timeout)` has returned; `before` and `within` are the timeouts that it is given beside."""

    async def measure() -> float:
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        runner = Runner(waiting, loop, context, Lifespan(waiting, loop, "off", context), False)
        runner.start({"type": "http", "path": "/"}, Exchange())  # type: ignore[arg-type]
        await asyncio.sleep(0)
        started = time.monotonic()
        for shorter in before:
            runner.shorten_timeout(shorter)
        finish = asyncio.ensure_future(runner.finish(timeout))
        await asyncio.sleep(0)
        for shorter in within:
            runner.shorten_timeout(shorter)
        await finish
        assert not runner.running
        return time.monotonic() - started

    return asyncio.run(measure())


@pytest.mark.parametrize("when", ["before", "within"])
def test_a_shorter_timeout_counts_whenever_it_comes(when: str) -> None:
    assert finished_after(30, **{when: [0.0]}) < 10


def test_a_longer_timeout_changes_nothing() -> None:
    assert finished_after(0.05, before=[30.0], within=[30.0]) < 10
