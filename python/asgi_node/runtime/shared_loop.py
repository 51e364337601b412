"""An event loop that several applications share: none of them can end it for the others."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import sys
import threading
from asyncio import base_events
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from .imports import PausableLoop

logger = logging.getLogger("asgi_node")

Generators = WeakSet[AsyncGenerator[Any, Any]]

# The name of the task that lasts as long as the loop.
ROOT = "asgi-node"

# The asynchronous generators that the application in this context has started. They are closed when the application
# ends, as `shutdown_asyncgens` closes all generators of a loop that ends.
_generators: ContextVar[Generators | None] = ContextVar("asgi_node.generators", default=None)


class SharedLoop(PausableLoop):
    """Mixed into the loop's class, before it."""

    _executor: concurrent.futures.Executor | None = None
    _root: asyncio.Task[None] | None = None
    _applications = 0
    is_finished = False

    def finish(self) -> None:
        """End for good: the process of this loop has done its part."""
        self.is_finished = True
        self.stop()

    def close(self) -> None:
        """Refuse: it would end all applications. During its import, an application may take the loop for its own."""
        if self.working:
            return
        raise RuntimeError("this event loop serves all requests of the process: it cannot be closed")

    def call_exception_handler(self, context: Any) -> None:
        """Log all exceptions but a task's ``sys.exit``: it leaves the loop, and the code that runs the loop logs it."""
        ends = isinstance(context.get("exception"), SystemExit | KeyboardInterrupt)
        if not (ends and isinstance(context.get("future"), asyncio.Task)):
            super().call_exception_handler(context)

    def set_default_executor(self, executor: Any) -> None:
        """Remember the executor: neither asyncio nor uvloop gives it back."""
        super().set_default_executor(executor)
        self._executor = executor

    async def shutdown_asyncgens(self) -> None:
        """Close the generators of the calling application, not those of others."""
        await close_generators(_generators.get())

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's name
        """Wait for the work that the threads have begun; later work gets new threads."""
        await self._renew_executor(timeout)

    def enter(self) -> None:
        """Count one more application on this loop."""
        self._applications += 1

    async def leave(self, limit: float) -> None:
        """Count one application fewer; the last one waits `limit` seconds for work that is left in threads."""
        self._applications -= 1
        if self._applications == 0:
            await self._renew_executor(limit)

    async def _renew_executor(self, limit: float | None) -> None:
        executor = self._executor
        self.set_default_executor(_threads())
        if executor is None:
            return
        if limit == 0:
            executor.shutdown(wait=False)
            return
        over: asyncio.Future[None] = self.create_future()

        def ended() -> None:
            if not over.done():
                over.set_result(None)

        def shut_down() -> None:
            executor.shutdown(wait=True)
            self.call_soon_threadsafe(ended)

        try:
            threading.Thread(target=shut_down, name="asgi-node-executor", daemon=True).start()
        except RuntimeError as refused:  # the process or its container may have reached its limit of threads
            executor.shutdown(wait=False)
            logger.warning("threads of the loop's executor are not waited for: %s", refused)
            return
        try:
            await asyncio.wait_for(over, limit)
        except TimeoutError:
            logger.warning("threads of the loop's executor are still busy after %g s: they are left behind", limit)

    def begin(self) -> None:
        """Prepare for `run_forever`. It sets its own hooks for asynchronous generators; ours are added after them."""
        if self._executor is None:
            self.set_default_executor(_threads())
        if self._root is None or self._root.done():
            self._root = self.create_task(_forever(), name=ROOT)
            # The mark of `run_until_complete`. AnyIO finds the root task by it: its worker threads live as long as that
            # task. Without the mark each request would be the root, and every call of a `def` endpoint start a thread.
            mark = getattr(base_events, "_run_until_complete_cb", None)
            if mark is not None:
                self._root.add_done_callback(mark)
        self.call_soon(_note_generators)


async def _forever() -> None:
    await asyncio.get_running_loop().create_future()


def _threads() -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(thread_name_prefix="asyncio")


def _note_generators() -> None:
    first: Callable[[AsyncGenerator[Any, Any]], object] | None = sys.get_asyncgen_hooks().firstiter

    def note(generator: AsyncGenerator[Any, Any]) -> None:
        own = _generators.get()
        if own is not None:
            own.add(generator)
        if first is not None:
            first(generator)

    sys.set_asyncgen_hooks(firstiter=note)


def own_generators() -> Generators:
    """Start to record the generators of the current context."""
    generators: Generators = WeakSet()
    _generators.set(generators)
    return generators


async def close_generators(generators: Generators | None) -> None:
    """Run the ``finally`` blocks of generators that were not read to their end."""
    if not generators:
        return
    left = list(generators)
    generators.clear()
    outcomes = await asyncio.gather(*(generator.aclose() for generator in left), return_exceptions=True)
    for generator, outcome in zip(left, outcomes, strict=True):
        # A generator that is still running is closed by the code that runs it.
        if isinstance(outcome, BaseException) and "already running" not in str(outcome):
            logger.error("Exception while closing an asynchronous generator: %r", generator, exc_info=outcome)
