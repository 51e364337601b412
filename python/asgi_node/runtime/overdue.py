"""Ends requests that nobody waits for any more and whose application goes on.

A request whose time is over (``requestTimeout``) has its answer: its application was told by a disconnect, its place is
another's at once, and its task is cancelled when it does not end by itself. One whose client has left may go on for as
long as a request may take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from .logs import logger

if TYPE_CHECKING:
    import asyncio

    from asgi_node._native import Channel

# The message of the cancellation of a task whose time is over.
TIME_OVER = "the time of this request is over (option requestTimeout)"

# The most seconds that an application has to end by itself when the time of its request is over.
GRACE = 5.0

# Seconds that a cancelled task has to end.
CANCEL_GRACE = 5.0

# Seconds between two looks, at most and at least: each goes through all requests that are under way.
_LONGEST_PAUSE, _SHORTEST_PAUSE = 1.0, 0.05


class _Orphan:
    """A request that nobody waits for, and since when it is where it is."""

    __slots__ = ("since", "stage")

    def __init__(self, now: float) -> None:
        self.since = now
        self.stage = "left"

    def enter(self, stage: str, now: float) -> None:
        self.stage, self.since = stage, now


class Overdue:
    """Looks after the requests of one application that nobody waits for, for as long as there are any."""

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
