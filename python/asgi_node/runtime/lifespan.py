"""The lifespan of an application (ASGI Lifespan 2.0): one call, from before the first request to after the last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from asgi_node import tracebacks
from asgi_node.errors import AppErrorCode, AppLoadError

from .logs import logger

if TYPE_CHECKING:
    import contextvars

    from asgi_node.loading.interface import ASGI3App

Mode = Literal["auto", "on", "off"]


class LifespanError(AppLoadError):
    """The application failed in its start-up or its shutdown."""


class Lifespan:
    """The lifespan of one handler's application.

    ``auto`` goes on without lifespan if the application raises, or returns, before it has answered
    ``lifespan.startup``: it does not know the protocol. ``on`` takes that for a failure, ``off`` never asks. An
    application that sends ``lifespan.startup.failed`` has failed with ``auto`` and with ``on``.
    """

    def __init__(
        self, app: ASGI3App, loop: asyncio.AbstractEventLoop, mode: Mode, context: contextvars.Context
    ) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._loop = loop
        self._mode = mode
        self._context = context
        self._task: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] = loop.create_future()
        self._stopped: asyncio.Future[None] = loop.create_future()
        self._outcomes: dict[str, tuple[asyncio.Future[None], AppErrorCode | None]] = {
            "lifespan.startup.complete": (self._started, None),
            "lifespan.startup.failed": (self._started, "LIFESPAN_STARTUP_FAILED"),
            "lifespan.shutdown.complete": (self._stopped, None),
            "lifespan.shutdown.failed": (self._stopped, "LIFESPAN_SHUTDOWN_FAILED"),
        }
        self._asked_to_stop = asyncio.Event()
        self._events = ["lifespan.startup", "lifespan.shutdown"]

    async def startup(self, limit: float) -> None:
        """Return when the application is ready for requests. Raises `LifespanError`."""
        if self._mode == "off":
            return
        # In the context itself, not in a copy: requests begin with the variables that start-up sets there.
        self._task = self._loop.create_task(self._run(), name="asgi-node lifespan", context=self._context)
        try:
            await asyncio.wait_for(asyncio.shield(self._started), limit or None)
        except TimeoutError:
            self._task.cancel()
            text = f"lifespan start-up took longer than {limit:g} s (option startupTimeout)"
            raise LifespanError("LIFESPAN_STARTUP_FAILED", text) from None

    async def shutdown(self, limit: float) -> None:
        """Tell the application that no request follows; return when it has cleaned up. Raises `LifespanError`."""
        if self._task is None or self._task.done():
            return
        self._asked_to_stop.set()
        try:
            await asyncio.wait_for(asyncio.shield(self._stopped), limit or None)
        except TimeoutError:
            text = f"lifespan shutdown took longer than {limit:g} s (option shutdownTimeout)"
            raise LifespanError("LIFESPAN_SHUTDOWN_FAILED", text) from None
        finally:
            self._task.cancel()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except BaseException as raised:  # SystemExit would end the loop for all applications
            self._ended(raised)
        else:
            self._ended(None)

    def _ended(self, raised: BaseException | None) -> None:
        """The application has returned or raised, before or after the events that it had to send."""
        if not self._started.done():
            if self._mode == "auto":
                self._started.set_result(None)
            else:
                what = f"raised {raised!r}" if raised else "returned"
                text = f"the application {what} before it answered lifespan.startup (option lifespan is 'on')"
                self._fail(self._started, "LIFESPAN_STARTUP_FAILED", text, lines_of(raised))
        elif raised is not None and not isinstance(raised, asyncio.CancelledError):
            if _has_failed(self._started) or _has_failed(self._stopped):
                # Frameworks raise again what they have reported in an event; the waiting side already has it.
                pass
            elif self._asked_to_stop.is_set() and not self._stopped.done():
                text = f"lifespan shutdown raised {raised!r}"
                self._fail(self._stopped, "LIFESPAN_SHUTDOWN_FAILED", text, lines_of(raised))
            else:
                # It is up and serves; only its own shutdown will not run.
                logger.error("Exception in the lifespan of the ASGI application", exc_info=raised)
        if not self._stopped.done():
            self._stopped.set_result(None)

    @staticmethod
    def _fail(future: asyncio.Future[None], code: AppErrorCode, text: str, lines: str | None) -> None:
        future.set_exception(LifespanError(code, text, lines))
        # The waiting caller gets it. If the caller has gone, asyncio must not warn of it.
        future.exception()

    async def _receive(self) -> dict[str, Any]:
        if len(self._events) < 2:
            await self._asked_to_stop.wait()
        if not self._events:
            await self._loop.create_future()
        return {"type": self._events.pop(0)}

    async def _send(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        future, code = self._outcomes.get(kind, (None, None))
        if future is None:
            raise RuntimeError(f"{kind!r} is not a lifespan event")
        if future.done() or (future is self._stopped and not self._asked_to_stop.is_set()):
            raise RuntimeError(f"{kind!r} was sent at the wrong time")
        if code is None:
            future.set_result(None)
        else:
            text, lines = _failure_text(str(event.get("message", "")))
            self._fail(future, code, text or f"the application sent {kind} without a message", lines)


def _has_failed(future: asyncio.Future[None]) -> bool:
    return future.done() and future.exception() is not None


def lines_of(raised: BaseException | None) -> str | None:
    """The traceback of the exception, if there is one."""
    return "".join(tracebacks.lines_of(raised, raised.__traceback__)).rstrip() if raised is not None else None


def _failure_text(message: str) -> tuple[str, str | None]:
    """A framework's message for a failure. Starlette's is the whole traceback, of which we take the last line."""
    message = message.rstrip()
    if not message.startswith("Traceback (most recent call last):"):
        return message, None
    return message.rpartition("\n")[2], message
