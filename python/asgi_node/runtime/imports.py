"""Importing an application on a loop's thread as if no event loop ran there.

Other servers import it before their loop runs. So applications call ``asyncio.run()`` and ``async_to_sync`` while they
are imported, and Django's ORM: all of these refuse where a loop runs. What they make then has to belong to the thread
that serves them, such as a connection of sqlite3. A loop that serves others already is stopped for that long
(`PausableLoop`); one that belongs to the caller, such as a test's, is hidden (`while_hidden`).
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context

Result = TypeVar("Result")


class PausableLoop(asyncio.AbstractEventLoop):
    """Mixed into a loop's class, before it: a loop that is stopped for work that must not find it running.

    Whoever runs it calls `work_while_stopped` each time before.
    """

    _waiting: deque[Callable[[], None]]
    working = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting = deque()

    def while_stopped(self, work: Callable[[], Result], context: Context) -> asyncio.Future[Result]:
        """Call `work` on this thread when the loop has stopped. For the loop's thread, while the loop runs."""
        future: asyncio.Future[Result] = self.create_future()
        self._waiting.append(lambda: context.run(_settle, work, future))
        # Work may run the loop for a while by `run_until_complete`, which a stop would end.
        if not self.working:
            self.stop()
        return future

    @property
    def has_work(self) -> bool:
        """Whether something waits; if not, somebody else has stopped the loop."""
        return bool(self._waiting)

    def work_while_stopped(self) -> None:
        """Do what waits."""
        self.working = True
        try:
            while self._waiting:
                self._waiting.popleft()()
                # `asyncio.run` leaves none, or one that it has closed.
                asyncio.set_event_loop(self)
        finally:
            self.working = False

    def close(self) -> None:
        """Close it, unless an application that is imported asks for that: it takes the loop for one of its own."""
        if not self.working:
            super().close()


def while_hidden(
    loop: asyncio.AbstractEventLoop, work: Callable[[], Result], context: Context
) -> asyncio.Future[Result]:
    """Call `work` soon, from a callback of the running loop, where asyncio does not find that a loop runs.

    A loop that is hidden cannot be run once more: ``asyncio.get_event_loop().run_until_complete()`` still raises.
    """
    future: asyncio.Future[Result] = loop.create_future()

    def call() -> None:
        current = _current_loop()
        # Not in a task: Python 3.14 lets no other one be entered from within.
        asyncio._set_running_loop(None)
        try:
            _settle(work, future)
        finally:
            asyncio._set_running_loop(loop)
            asyncio.set_event_loop(current)

    loop.call_soon(call, context=context)
    return future


def _settle(work: Callable[[], Result], future: asyncio.Future[Result]) -> None:
    # AnyIO's plugin for pytest says in the context that a library's loop runs.
    library = getattr(sys.modules.get("sniffio"), "current_async_library_cvar", None)
    name = library.get() if library is not None else None
    if library is not None and name is not None:
        library.set(None)
    try:
        result = work()
    except BaseException as raised:  # whoever waits for it raises it
        future.set_exception(raised)
    else:
        future.set_result(result)
    finally:
        if library is not None and name is not None:
            library.set(name)


def _current_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that this thread has set as its own, without making one where there is none."""
    # Where Python warns of policies (3.14), it has a function for itself.
    policy = getattr(asyncio.events, "_get_event_loop_policy", asyncio.get_event_loop_policy)()
    return getattr(getattr(policy, "_local", None), "_loop", None)
