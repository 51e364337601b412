"""An event loop on a thread of its own, which ends when it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from asgi_node.runtime.logs import logger
from asgi_node.runtime.loop import choose, new_loop

from .recorder import where, where_thread

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from concurrent.futures import Future

    from asgi_node.runtime.imports import PausableLoop

Result = TypeVar("Result")

# The same stack size as the threads that run Python inside Node.
STACK = 16 << 20

# Seconds within which a loop answers, unless it is blocked.
RESPONSE_TIME = 0.1

# Seconds that tasks have to end: first by themselves, then after they were cancelled.
LAST_MOMENT = 0.05
CANCEL_GRACE = 5.0

_stack_size = threading.Lock()


class LoopThread:
    """The thread. It is a daemon: a test run that is interrupted does not wait for it."""

    def __init__(self, kind: str) -> None:
        # Outside Node there is no other libuv that uvloop could be bound to.
        self._kind, _ = choose(kind, True)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asgi-node-loop", daemon=True)
        self._reports: list[str] = []
        self._ending: asyncio.Task[None] | None = None
        self.loop: PausableLoop
        self._stopping: asyncio.Event

    def start(self) -> None:
        """Wait until the loop runs."""
        with _stack_size:
            before = threading.stack_size(STACK)
            try:
                self._thread.start()
            finally:
                threading.stack_size(before)
        self._ready.wait()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of a coroutine that runs on the loop; the calling thread waits for it."""
        return self.submit(work).result()

    def submit(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def stop(self) -> list[str]:
        """End the loop and its thread. Returns reports of the tasks that were left behind."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self.loop.call_soon_threadsafe(self._stopping.set)
        if self._thread is not threading.current_thread():
            self._thread.join()
        return self._reports

    def abandon(self, last: Coroutine[Any, Any, object]) -> None:
        """Run this coroutine, then end the loop. Does not wait; can be called on any thread."""

        async def end() -> None:
            with contextlib.suppress(Exception):  # the result is not wanted
                await last
            self._stopping.set()

        def begin() -> None:
            self._ending = self.loop.create_task(end())

        try:
            self.loop.call_soon_threadsafe(begin)
        except RuntimeError:  # it has ended
            last.close()

    def is_responsive(self) -> bool:
        """Whether the loop answers at once: then it is not blocked."""
        answered = threading.Event()
        try:
            self.loop.call_soon_threadsafe(answered.set)
        except RuntimeError:
            return True
        return answered.wait(RESPONSE_TIME)

    def where(self) -> str:
        """Where the thread is, as text; empty if it is in the loop itself."""
        return where_thread(self._thread.ident)

    def _run(self) -> None:
        self.loop = loop = new_loop(self._kind)
        asyncio.set_event_loop(loop)
        self._stopping = asyncio.Event()
        life = loop.create_task(self._live(), name="asgi-node-loop")
        while not life.done():
            # As inside Node, the loop goes on when an application stops it, or when its callback exits.
            try:
                loop.work_while_stopped()
                loop.run_until_complete(life)
            except RuntimeError:
                if not life.done() and not loop.has_work:
                    logger.error("an application stopped the event loop: it goes on")
            except (SystemExit, KeyboardInterrupt) as raised:
                logger.error(
                    "an application tried to end the process from its event loop, which goes on", exc_info=raised
                )
        try:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    async def _live(self) -> None:
        self._ready.set()
        await self._stopping.wait()
        self._reports += await end_tasks(asyncio.all_tasks() - {asyncio.current_task()})


async def end_tasks(tasks: Iterable[asyncio.Task[Any] | None]) -> list[str]:
    """Give tasks a last moment, then cancel them. Returns reports of the tasks that did not end by themselves."""
    left = {task for task in tasks if task is not None and not task.done()}
    if left:
        _, left = await asyncio.wait(left, timeout=LAST_MOMENT)
    reports = [f"the task {task.get_name()!r} was never ended: it waits at {where(task)}" for task in left]
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=CANCEL_GRACE)
    return reports
