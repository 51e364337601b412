"""Runs the application once per HTTP request, and once per WebSocket."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ._native import ClientDisconnected
from .logs import log_failure, logger

if TYPE_CHECKING:
    import contextvars

    from ._native import HttpExchange, WebSocketExchange
    from .lifespan import Lifespan

    Exchange = HttpExchange | WebSocketExchange

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[Any]]

# With it a task is cancelled that nobody waits for any more.
CLIENT_LEFT = "the client has disconnected"

# With it a task is cancelled that is still under way when its handler has closed.
CLOSING = "the handler is closing"

# Seconds that a cancelled task has to end.
CANCEL_GRACE = 5.0

# Eager: an application that does not wait has answered when its task has been made.
EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


class Runner:
    """Starts one application for each request or WebSocket, in a copy of the context that its start-up ended with."""

    def __init__(
        self,
        app: Application,
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context,
        lifespan: Lifespan,
        cancel_on_disconnect: bool,
    ) -> None:
        self.app = app
        self.loop = loop
        self.context = context
        self.lifespan = lifespan
        self.cancel_on_disconnect = cancel_on_disconnect
        # A task that nobody holds can be collected while it waits.
        self.running: dict[asyncio.Task[None], Exchange] = {}
        self.warned = False

    @property
    def state(self) -> dict[str, Any]:
        """What start-up left in the lifespan's state; every request gets a shallow copy."""
        return self.lifespan.state

    def start(self, scope: Scope, exchange: Exchange) -> None:
        """Make the task of a request. Called by the bridge, on the loop's thread."""
        task = asyncio.Task(self.run(scope, exchange), loop=self.loop, context=self.context.copy(), **EAGER)
        if task.done():
            return
        self.running[task] = exchange
        task.add_done_callback(self.ended)
        if self.cancel_on_disconnect:
            exchange.on_disconnect(partial(task.cancel, CLIENT_LEFT))

    def ended(self, task: asyncio.Task[None]) -> None:
        """Let go of a request's task."""
        del self.running[task]

    async def finish(self, limit: float) -> None:
        """Wait for what is under way, at most `limit` seconds; then cancel the rest."""
        for exchange in self.running.values():
            # An event stream, or whoever waits for the client to leave, is told that it is time to end.
            exchange.retire()
        if self.running:
            await asyncio.wait(self.running, timeout=limit)
        for task in list(self.running):
            task.cancel(CLOSING)
        if self.running:
            _, stuck = await asyncio.wait(self.running, timeout=CANCEL_GRACE)
            if stuck:
                logger.error("%d requests went on after they were cancelled: they are left behind", len(stuck))

    async def run(self, scope: Scope, exchange: Exchange) -> None:
        """The life of a request; it ends the exchange whatever happens."""
        # Remembered for the log: the scope is the application's to change.
        method, path = scope.get("method", "WebSocket"), scope["path"]
        try:
            result = await self.app(scope, exchange.receive, exchange.send)
        except BaseException as raised:  # SystemExit and KeyboardInterrupt would end the loop for all
            lines = _end(exchange, raised)
            if lines:
                # The client has its whole response, or has gone: nobody but the log can be told.
                log_failure(method, path, exchange.number, lines)
        else:
            exchange.finish()
            if result is not None and not self.warned:
                self.warned = True
                # Its type only: how a value of the application's shows itself is the application's code.
                kind = type(result).__name__
                text = "the application returned a value of type %s, which is ignored: %s %s"
                logger.warning(text, kind, method, path)


def _end(exchange: Exchange, raised: BaseException) -> str:
    """Ends the request with what the application raised; gives what is left to be logged."""
    try:
        if _is_disconnect(raised):
            exchange.finish()
            return ""
        # Our own frame tells the reader nothing.
        own = raised.__traceback__
        lines = _text(traceback.format_exception(type(raised), raised, own.tb_next if own else None))
        message = _text(traceback.format_exception_only(type(raised), raised))
    except BaseException as second:  # an exception's methods are the application's code, and may raise anything
        message = lines = f"{type(raised).__name__} (showing it raised {type(second).__name__})"
    return "" if exchange.finish(message, lines) else lines


def _text(lines: list[str]) -> str:
    """What UTF-8 can carry of these lines: a message may hold lone surrogates."""
    return "".join(lines).strip().encode("utf-8", "backslashreplace").decode()


def _is_disconnect(raised: BaseException) -> bool:
    """Whether it is only what we raise when the client has gone: by ``send`` (ASGI HTTP 2.4), or to cancel the task."""
    if isinstance(raised, asyncio.CancelledError):
        return raised.args in ((CLIENT_LEFT,), (CLOSING,))
    if isinstance(raised, BaseExceptionGroup):
        return raised.split(ClientDisconnected)[1] is None
    return isinstance(raised, ClientDisconnected)
