"""Runs coroutines on the event loop of another thread, for a caller that may block: Starlette's word is portal."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from asgi_node.host import AppTimeout

from .reports import collected, warn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from asgi_node.host import LoopThread

Result = TypeVar("Result")

_EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


_IDLE = 10
"""How many times in a row a loop may be found idle between two iterations before we take it as ended."""


class LoopBlocked(AppTimeout):
    """The event loop does not run; the message says where its thread is."""


class Portal:
    """One caller of an event loop. It runs one coroutine at a time, and the calling thread waits for it."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self._news: SimpleQueue[_Run[Any] | _Call] = SimpleQueue()

    def run(self, work: Coroutine[Any, Any, Result], limit: float | None = None) -> Result:
        """The result of a coroutine that runs on the loop's thread, in a copy of the caller's context.

        Its warnings are issued here, where the caller's own line is on the stack. Raises `LoopBlocked` if the loop has
        done nothing for `limit` seconds and is not free now. `limit` does not bound how long the coroutine may wait.
        """
        run = _Run(work, self._news)
        try:
            # The loop copies this thread's context for it.
            self._thread.loop.call_soon_threadsafe(run.begin, self._thread.loop)
        except RuntimeError:  # the loop has ended
            work.close()
            raise
        try:
            self._wait(run, limit)
        except BaseException:
            with suppress(RuntimeError):
                self._thread.loop.call_soon_threadsafe(run.cancel)
            raise
        for report in run.warnings:
            warn(report)
        return run.result()

    def iterate(self, source: Iterator[bytes]) -> AsyncIterator[bytes]:
        """An iterator of the calling thread, for a coroutine: that thread takes each step while it is in `run`."""
        return _Borrowed(source, self._news)

    def _wait(self, run: _Run[Any], limit: float | None) -> None:
        idle = 0
        while True:
            try:
                news = self._news.get(timeout=limit)
            except Empty:
                responsive = self._thread.is_responsive()
                place = "" if responsive else self._thread.where()
                # A thread that is in the loop itself only waits for a processor, on a busy machine.
                idle = 0 if responsive else idle + 1
                if place == "" and idle < _IDLE:
                    continue
                raise LoopBlocked(f"It blocks the event loop: {place or 'it does not run'}") from None
            if news is run:
                return
            if isinstance(news, _Call):
                news.answer()
            # Otherwise it is the end of an abandoned run.


class _Run(Generic[Result]):
    """One coroutine, and its outcome."""

    def __init__(self, work: Coroutine[Any, Any, Result], news: SimpleQueue[Any]) -> None:
        self._work = work
        self._news = news
        self._task: asyncio.Task[None] | None = None
        self._value: Result
        self._raised: BaseException | None = None
        self.warnings: list[str] = []

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        # Eagerly if Python can: usually that completes it, without another iteration of the loop.
        self._task = asyncio.Task(self._perform(), loop=loop, **_EAGER)

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _perform(self) -> None:
        collected.set(self.warnings)
        try:
            self._value = await self._work
        except BaseException as raised:  # SystemExit would end the loop, and StopIteration cannot leave a coroutine
            self._raised = raised
        self._news.put(self)

    def result(self) -> Result:
        if self._raised is not None:
            raise self._raised
        return self._value


class _Borrowed:
    """An iterator that the calling thread steps."""

    def __init__(self, source: Iterator[bytes], news: SimpleQueue[Any]) -> None:
        self._source = source
        self._news = news

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        call = _Call(self._source)
        self._news.put(call)
        chunk = await call.step
        if chunk is None:
            raise StopAsyncIteration
        return chunk


class _Call:
    """One step for the calling thread to take."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()
        self.step: asyncio.Future[bytes | None] = self._loop.create_future()

    def answer(self) -> None:
        """Take it, on the calling thread."""
        if self.step.cancelled():
            return
        try:
            chunk = next(self._source, None)
        except Exception as raised:
            self._loop.call_soon_threadsafe(self._fail, raised)
        else:
            self._loop.call_soon_threadsafe(self._succeed, chunk)

    def _succeed(self, chunk: bytes | None) -> None:
        if not self.step.done():
            self.step.set_result(chunk)

    def _fail(self, raised: Exception) -> None:
        if not self.step.done():
            self.step.set_exception(raised)
