"""Imports an application on a loop's thread as if no event loop ran there.

Other servers import it before their loop runs. So applications call ``asyncio.run()``, ``async_to_sync`` or Django's
ORM while they are imported: all of these refuse to work if a loop runs. The objects that they make then, such as a
connection of sqlite3, have to belong to the thread that serves them. A loop that already serves other applications is
stopped for that time (`PausableLoop`); a loop of the caller, such as a test's, is hidden (`while_hidden`).
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
    """Mixed into a loop's class, before it: the loop can be stopped for work that must not find it running.

    The code that runs the loop calls `work_while_stopped` each time before.
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
        # The work may run the loop for a while by `run_until_complete`; a stop would end that.
        if not self.working:
            self.stop()
        return future

    @property
    def has_work(self) -> bool:
        """Whether work waits; if not, other code has stopped the loop."""
        return bool(self._waiting)

    def work_while_stopped(self) -> None:
        """Do what waits."""
        self.working = True
        try:
            while self._waiting:
                self._waiting.popleft()()
                # `asyncio.run` leaves no loop, or a closed one.
                asyncio.set_event_loop(self)
        finally:
            self.working = False

    def close(self) -> None:
        """Close it, unless an application asks for it during its import: it takes the loop for its own."""
        if not self.working:
            super().close()


def while_hidden(
    loop: asyncio.AbstractEventLoop, work: Callable[[], Result], context: Context
) -> asyncio.Future[Result]:
    """Call `work` soon, from a callback of the running loop, while asyncio does not see that a loop runs.

    A hidden loop cannot be run again: ``asyncio.get_event_loop().run_until_complete()`` still raises.
    """
    future: asyncio.Future[Result] = loop.create_future()

    def call() -> None:
        current = _current_loop()
        # Not in a task: Python 3.14 does not allow another task to be entered from within one.
        asyncio._set_running_loop(None)
        try:
            _settle(work, future)
        finally:
            asyncio._set_running_loop(loop)
            asyncio.set_event_loop(current)

    loop.call_soon(call, context=context)
    return future


def _settle(work: Callable[[], Result], future: asyncio.Future[Result]) -> None:
    # AnyIO's plugin for pytest sets the name of the running library in the context.
    library = getattr(sys.modules.get("sniffio"), "current_async_library_cvar", None)
    name = library.get() if library is not None else None
    if library is not None and name is not None:
        library.set(None)
    try:
        result = work()
    except BaseException as raised:  # the waiting caller raises it
        future.set_exception(raised)
    else:
        future.set_result(result)
    finally:
        if library is not None and name is not None:
            library.set(name)


def _current_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that this thread has set as its own; does not make one."""
    # Python 3.14 warns of policies, but has a private function for this.
    policy = getattr(asyncio.events, "_get_event_loop_policy", asyncio.get_event_loop_policy)()
    return getattr(getattr(policy, "_local", None), "_loop", None)
