"""Runs the application once per HTTP request."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from ._native import ClientDisconnected
from .loading import enter

if TYPE_CHECKING:
    from ._native import HttpExchange

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[Any]]

logger = logging.getLogger("asgi_node")


def starter(
    app: Application, loop: asyncio.AbstractEventLoop, docroot: str
) -> Callable[[Scope, HttpExchange], None]:
    """Gives the function that starts ``app`` for a request: each in its own copy of the context of now."""
    base = contextvars.copy_context()
    base.run(enter, docroot)
    # A task that nobody holds can be collected while it waits.
    running: set[asyncio.Task[None]] = set()
    warned = False

    async def run(scope: Scope, exchange: HttpExchange) -> None:
        nonlocal warned
        try:
            result = await app(scope, exchange.receive, exchange.send)
        except BaseException as raised:  # SystemExit and KeyboardInterrupt would end the loop for all
            _report(scope, exchange, raised)
        else:
            exchange.finish()
            if result is not None and not warned:
                warned = True
                logger.warning("the application returned %.80r: ASGI applications return None", result)

    if sys.version_info >= (3, 12):

        def start(scope: Scope, exchange: HttpExchange) -> None:
            # Eager: an application that does not wait has answered when this returns.
            task = asyncio.Task(run(scope, exchange), loop=loop, context=base.copy(), eager_start=True)
            if not task.done():
                running.add(task)
                task.add_done_callback(running.discard)

    else:

        def start(scope: Scope, exchange: HttpExchange) -> None:
            task = asyncio.Task(run(scope, exchange), loop=loop, context=base.copy())
            running.add(task)
            task.add_done_callback(running.discard)

    return start


def _report(scope: Scope, exchange: HttpExchange, raised: BaseException) -> None:
    """Ends the request with what the application raised."""
    if _is_disconnect(raised):
        exchange.finish()
        return
    # Our own frame tells the reader nothing.
    own = raised.__traceback__
    lines = traceback.format_exception(type(raised), raised, own.tb_next if own else None)
    message = "".join(traceback.format_exception_only(type(raised), raised)).strip()
    if not exchange.finish(message, "".join(lines)):
        # The client has its whole response, or has gone: nobody but the log can be told.
        logger.error("Exception in ASGI application: %s %s\n%s", scope["method"], scope["path"], "".join(lines).rstrip())


def _is_disconnect(raised: BaseException) -> bool:
    """Whether it is only our answer to a ``send`` after the client has gone (ASGI HTTP 2.4)."""
    if isinstance(raised, BaseExceptionGroup):
        return raised.split(ClientDisconnected)[1] is None
    return isinstance(raised, ClientDisconnected)
