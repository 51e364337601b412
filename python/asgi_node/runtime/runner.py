"""Runs the application once per HTTP request, and once per WebSocket."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from asgi_node._native import ClientDisconnected
from asgi_node.errors import LONGEST_MESSAGE, LONGEST_TRACEBACK, printable, shortened
from asgi_node.tracebacks import last_lines_of, lines_of

from . import fork
from .logs import log_failure, logger, was_logged
from .overdue import CANCEL_GRACE, TIME_OVER, Overdue

if TYPE_CHECKING:
    import contextvars

    from asgi_node._native import Channel
    from asgi_node.loading.interface import ASGI3App, Scope
    from asgi_node.loading.load import Imported

    from .lifespan import Lifespan
    from .shared_loop import Generators


_Run = Coroutine[Any, Any, None]

# The message of the cancellation of a task whose client has left.
CLIENT_LEFT = "the client has disconnected"

# The message of the cancellation of a task that is still under way when its handler has closed.
CLOSING = "the handler is closing"

# Seconds that a stream of events has to notice that its handler is closing.
NOTICE = 1.0

if sys.version_info >= (3, 12):

    def _task(coroutine: _Run, loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> asyncio.Task[None]:
        # Eager: an application that does not wait has answered when its task has been made.
        return asyncio.Task(coroutine, loop=loop, context=context, eager_start=True)

else:

    def _task(coroutine: _Run, loop: asyncio.AbstractEventLoop, context: contextvars.Context) -> asyncio.Task[None]:
        return asyncio.Task(coroutine, loop=loop, context=context)


class Runner:
    """Starts one application for each request or WebSocket, in a copy of the context that its start-up ended with."""

    def __init__(
        self,
        app: ASGI3App,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        lifespan: Lifespan,
        cancel_on_disconnect: bool,
        generators: Generators | None = None,
        imported: Imported | None = None,
    ) -> None:
        self.app = app
        self.loop = loop
        self.context = context
        self.lifespan = lifespan
        self.generators = generators
        self.imported = imported
        self.cancel_on_disconnect = cancel_on_disconnect
        # A task that nobody holds can be collected while it waits.
        self.running: dict[asyncio.Task[None], Channel] = {}
        self.overdue = Overdue(loop, self.running)
        self.warned = False
        self.timeout = math.inf
        """Seconds that requests under way may take at shutdown: the shortest that was asked for."""
        # The loop's time at which `finish` stops waiting. It only moves earlier.
        self._deadline = math.inf
        self._timer: asyncio.TimerHandle | None = None
        # While `finish` waits: done when nothing is under way any more, or at the deadline.
        self._over: asyncio.Future[None] | None = None

    @property
    def state(self) -> dict[str, Any]:
        """What start-up left in the lifespan's state; every request gets a shallow copy."""
        return self.lifespan.state

    def start(self, scope: Scope, channel: Channel) -> None:
        """Make the task of a request. Called by the bridge, on the loop's thread."""
        task = _task(self.run(scope, channel), self.loop, self.context_of(channel))
        if task.done():
            return
        self.running[task] = channel
        task.add_done_callback(self.ended)
        if self.cancel_on_disconnect:
            channel.on_disconnect(partial(task.cancel, CLIENT_LEFT))

    def context_of(self, channel: Channel) -> contextvars.Context:  # noqa: ARG002 (the host in Python looks at it)
        """The context that a request runs in: a copy of the one that start-up ended with."""
        return self.context.copy()

    def ended(self, task: asyncio.Task[None]) -> None:
        """Let go of a request's task."""
        del self.running[task]
        if not self.running:
            self._stop_waiting()

    async def finish(self, limit: float) -> None:
        """Wait for what is under way, at most `limit` seconds or until an earlier deadline; then cancel the rest."""
        for channel in self.running.values():
            # An event stream, or a call that waits for the client to leave, receives a disconnect: it is time to end.
            channel.begin_shutdown()
        self.shorten_timeout(limit)
        if self.running:
            self._over = self.loop.create_future()
            self._set_timer()
            end_streams = self.loop.call_later(NOTICE, self.end_streams)
            await self._over
            end_streams.cancel()
        for task in list(self.running):
            task.cancel(CLOSING)
        if self.running:
            _, stuck = await asyncio.wait(self.running, timeout=CANCEL_GRACE)
            if stuck:
                logger.error("%d requests went on after they were cancelled: they are left behind", len(stuck))

    def watch_overdue(self, limit: float) -> None:
        """Nobody waits for one of these requests any more. `limit`: the seconds that a request may take, 0 for any."""
        self.overdue.watch(limit)

    def fail(self, reason: str) -> None:
        """Fail what is under way: the loop will not come to it any more."""
        for channel in list(self.running.values()):
            channel.fail(reason)

    def end_streams(self) -> None:
        """Cancel event streams that have not received the disconnect of the shutdown: they would go on for ever."""
        for task, channel in self.running.items():
            if channel.is_unnotified_event_stream:
                task.cancel(CLOSING)

    def shorten_timeout(self, timeout: float) -> None:
        """Let requests under way take at most `timeout` more seconds. A later deadline than the present one is ignored.

        It may come before `finish`, and while `finish` waits.
        """
        self.timeout = min(timeout, self.timeout)
        self._deadline = min(self.loop.time() + timeout, self._deadline)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._over is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(self._deadline, self._stop_waiting)

    def _stop_waiting(self) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(None)

    async def run(self, scope: Scope, channel: Channel) -> None:
        """The life of a request; it ends the channel whatever happens."""
        # Remembered for the log: the scope is the application's to change.
        method, path = scope.get("method", "WebSocket"), scope["path"]
        try:
            result = await self.app(scope, channel.receive, channel.send)
        except BaseException as raised:  # SystemExit and KeyboardInterrupt would end the loop for all
            if fork.child:
                fork.leave(raised)
            lines = _end(channel, raised)
            if lines:
                # The client has its whole response, or has gone: only the log is left.
                log_failure(method, path, channel.number, raised, lines)
        else:
            channel.finish()
            if result is not None and not self.warned:
                self.warned = True
                # Only its type: `repr` of the value would run the application's code.
                kind = type(result).__name__
                text = "the application returned a value of type %s, which is ignored: %s %s"
                logger.warning(text, kind, method, path)


def _end(channel: Channel, raised: BaseException) -> str:
    """End the request with what the application raised. Returns the lines that are left to be logged here."""
    try:
        if _is_disconnect(raised, channel):
            channel.finish()
            return ""
        # Without our own frame, which is the same in every traceback.
        own = raised.__traceback__
        lines = _text(lines_of(raised, own.tb_next if own else None), LONGEST_TRACEBACK)
        message = _text(last_lines_of(raised), LONGEST_MESSAGE)
    except BaseException as second:  # an exception's methods are the application's code, and may raise anything
        message = lines = f"{type(raised).__name__} (showing it raised {type(second).__name__})"
    logged = was_logged(raised)
    return "" if channel.finish(message, lines, logged) or logged else lines


def _text(lines: list[str], most: int) -> str:
    # Each by itself first: what an exception shows may be hundreds of megabytes, once or several times.
    text = "".join(shortened(line, most) for line in lines).strip()
    return printable(shortened(text, most))


def _is_disconnect(raised: BaseException, channel: Channel) -> bool:
    """Whether the exception only says that the client has gone.

    We raise that by ``send`` (ASGI HTTP 2.4) and to cancel the task. Frameworks have exceptions of their own for it,
    such as Starlette's ``ClientDisconnect`` and ``WebSocketDisconnect``.
    """
    if isinstance(raised, asyncio.CancelledError):
        return raised.args in ((CLIENT_LEFT,), (CLOSING,), (TIME_OVER,))
    if isinstance(raised, BaseExceptionGroup):
        return all(_is_disconnect(each, channel) for each in raised.exceptions)
    name = type(raised).__name__
    return isinstance(raised, ClientDisconnected) or (channel.client_left and name.endswith("Disconnect"))
