"""Lets a caller on an asyncio loop wait for the events of its calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asgi_node._native import Notifier

from .runner import GRACE

if TYPE_CHECKING:
    from asgi_node._native import HostEvent

    from .app_host import AppHost
    from .call import AppCall


class Listener:
    """Receives news of calls on one event loop, the one that runs when it is created. Call `close` on that loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._notifier = Notifier()
        self._news: dict[int, asyncio.Event] = {}
        self.loop.add_reader(self._notifier.fileno(), self.deliver)

    def submit(self, host: AppHost, head: bytes, body: bytes = b"", **options: bool) -> AppCall:
        """As `AppHost.submit`, with news for this loop. Call `forget` when the call has ended."""
        call = host.submit(head, body, notifier=self._notifier, **options)
        self._news[call.native.id] = asyncio.Event()
        return call

    def forget(self, call: AppCall) -> None:
        """Stop receiving the news of this call."""
        self._news.pop(call.native.id, None)

    async def next_events(
        self, call: AppCall, limit: float | None = None, waiting_for: str = "answered"
    ) -> list[HostEvent]:
        """`AppCall.next_events`."""
        native = call.native
        if not await self._wait(call, limit, lambda: native.wait_for_news(0)):
            raise self._timed_out(call, limit, waiting_for)
        return native.take_events()

    async def wait_for_end(self, call: AppCall, limit: float | None = None) -> None:
        """`AppCall.wait_for_end`."""
        if not await self._wait(call, limit, lambda: call.native.ended):
            raise self._timed_out(call, limit, "returned, although its response is complete")

    async def end(self, host: AppHost, call: AppCall, grace: float = GRACE, report: bool = True) -> None:
        """`AppHost.end`."""
        if not await self._wait(call, grace, lambda: call.native.ended):
            host.give_up(call, grace, report)
            await self._wait(call, grace, lambda: call.native.ended)

    def close(self) -> None:
        """Hear no more."""
        if not self.loop.is_closed():
            self.loop.remove_reader(self._notifier.fileno())

    def deliver(self) -> None:
        """Wake waiting callers now. Otherwise the loop does it in its next iteration."""
        for number in self._notifier.take():
            news = self._news.get(number)
            if news is not None:
                news.set()

    async def _wait(self, call: AppCall, limit: float | None, until: Any) -> bool:
        if until():
            return True
        news = self._news[call.native.id]
        try:
            async with asyncio.timeout(limit):
                while not until():
                    await news.wait()
                    news.clear()
        except TimeoutError:
            return bool(until())
        return True

    @staticmethod
    def _timed_out(call: AppCall, limit: float | None, waiting_for: str) -> TimeoutError:
        return call.timed_out(limit, waiting_for)
