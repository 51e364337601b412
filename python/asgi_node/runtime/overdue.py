"""Ends requests that the host no longer waits for, but whose application is still running.

A request whose time is over (``requestTimeout``) has been answered. Its application has received a disconnect, its
place is free for another request, and its task is cancelled if it does not end by itself. A request whose client has
left may go on for as long as a request may take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from asgi_node._protocol import LIMIT_CANCEL_GRACE

from .logs import logger

if TYPE_CHECKING:
    import asyncio

    from asgi_node._native import Channel

# The message with which a task is cancelled when its time is over.
TIME_OVER = "the time of this request is over (option requestTimeout)"

# The most seconds that an application has to end by itself after the time of its request is over.
GRACE = 5.0

# Seconds that a cancelled task has to end.
CANCEL_GRACE = LIMIT_CANCEL_GRACE / 1000

# The longest and the shortest pause between two looks, in seconds; each look goes through all requests under way.
_LONGEST_PAUSE, _SHORTEST_PAUSE = 1.0, 0.05


class _Orphan:
    """A request that the host no longer waits for, its state and the time of its last change."""

    __slots__ = ("since", "stage")

    def __init__(self, now: float) -> None:
        self.since = now
        self.stage = "left"

    def enter(self, stage: str, now: float) -> None:
        self.stage, self.since = stage, now


class Overdue:
    """Watches such requests of one application, for as long as there are any."""

    def __init__(self, loop: asyncio.AbstractEventLoop, running: dict[asyncio.Task[None], Channel]) -> None:
        self.loop = loop
        self.running = running
        self._orphans: WeakKeyDictionary[asyncio.Task[None], _Orphan] = WeakKeyDictionary()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, limit: float) -> None:
        """There is one. `limit` is the number of seconds that a request may take, 0 for any."""
        if self._timer is None:
            self._look(limit)

    def _look(self, limit: float) -> None:
        now = self.loop.time()
        grace = min(limit, GRACE) or GRACE
        stuck, any_left = 0, False
        for task, channel in list(self.running.items()):
            if not channel.is_unwanted:
                continue
            orphan = self._orphans.get(task) or self._orphans.setdefault(task, _Orphan(now))
            for_seconds = now - orphan.since
            if orphan.stage == "left":
                if channel.is_abandoned:
                    orphan.enter("abandoned", now)
                elif 0 < limit <= for_seconds:
                    channel.abandon()
                    orphan.enter("abandoned", now)
            elif orphan.stage == "abandoned" and for_seconds >= grace:
                task.cancel(TIME_OVER)
                orphan.enter("cancelled", now)
            elif orphan.stage == "cancelled" and for_seconds >= CANCEL_GRACE:
                stuck += 1
                orphan.enter("stuck", now)
            any_left |= orphan.stage != "stuck"
        if stuck:
            text = "%d requests went on after their time was over and a cancellation: health() has them as abandoned"
            logger.warning(text, stuck)
        pause = min(_LONGEST_PAUSE, max(grace / 4, _SHORTEST_PAUSE))
        self._timer = self.loop.call_later(pause, self._look, limit) if any_left else None
