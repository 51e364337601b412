"""One application with its event loop and lifespan, and the calls to it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from asgi_node import _protocol
from asgi_node._native import Host, Notifier
from asgi_node.errors import AppLoadError
from asgi_node.loading.interface import ASGI3App, Interface, adapt, release
from asgi_node.loading.load import Imported, awaited, import_app, is_awaited
from asgi_node.runtime.imports import PausableLoop, while_hidden
from asgi_node.runtime.runner import CLIENT_LEFT

from .call import AppCall
from .loop_thread import LoopThread, end_tasks
from .recorder import where
from .runner import GRACE, HostLifespan, HostRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from asgi_node.runtime.lifespan import Lifespan, Mode

_owner: contextvars.ContextVar[AppHost | None] = contextvars.ContextVar("asgi_node_host", default=None)
"""The host whose application a task belongs to."""


class AppHost:
    """One application on an event loop: a loop of its own (`start`, `close`, ``with``), or the caller's (`start_here`).

    The options are those of Node (README, "Options") in Python's spelling, with the same defaults:

    - `app`: the application, or ``'module:attribute'``
    - `docroot`: the folder that modules are looked for in; default: the current directory
    - `loop`: ``'auto'`` (uvloop where it is installed and works; the default), ``'asyncio'`` or ``'uvloop'``
    - `lifespan`: ``'auto'`` (optional for the application; the default), ``'on'`` or ``'off'``
    - `interface`: ``'auto'`` (the default), ``'asgi3'``, ``'asgi2'`` or ``'wsgi'``
    - `factory`: whether `app` is called, without arguments, to make the application; default False
    - `root_path`, `root_path_stripped`: where the application is mounted (ASGI HTTP 2.5, ``root_path``)
    - `high_water_mark`: bytes that may wait in each direction of a request; default 65,536, growing to 1 MiB for a
      side that keeps up
    - `max_queue`: messages of a WebSocket that wait for the application; default 32
    - `extensions`: ``{"pathsend": True}``, ``{"zerocopysend": True}``; default: neither is offered
    - `startup_timeout`, `shutdown_timeout`: seconds that the lifespan may take; default 60, 0 for no limit

    Raises ValueError for an unknown extension. Starting raises `AppLoadError`, or what the start-up itself raised.

        with AppHost(app) as host:
            call = host.submit(head("GET", "/"))
            print([event.kind for event in call.events(timeout=5)])
    """

    def __init__(
        self,
        app: Any,
        *,
        loop: str = "auto",
        lifespan: Mode = "auto",
        interface: Interface = "auto",
        factory: bool = False,
        docroot: str | None = None,
        root_path: str = "",
        root_path_stripped: bool = False,
        high_water_mark: int = _protocol.DEFAULT_HIGH_WATER_MARK,
        max_queue: int = _protocol.DEFAULT_MAX_QUEUE,
        extensions: Mapping[str, bool] | None = None,
        startup_timeout: float = 60.0,
        shutdown_timeout: float = 60.0,
    ) -> None:
        for name in extensions or {}:
            if name not in ("pathsend", "zerocopysend"):
                raise ValueError(f"unknown extension {name!r}: there are 'pathsend' and 'zerocopysend'")
        self.app = app
        self.loop_kind = loop
        self.mode: Mode = lifespan
        self.interface: Interface = interface
        self.factory = factory
        self.docroot = docroot or str(Path.cwd())
        self.serving: dict[str, Any] = {
            "root_path": root_path.rstrip("/"),
            "root_path_stripped": root_path_stripped,
            "high_water_mark": high_water_mark,
            "max_queue": max_queue,
            **(extensions or {}),
        }
        self.startup_timeout = startup_timeout
        self.shutdown_timeout = shutdown_timeout
        self.reports: list[str] = []
        """Warnings that belong to no call under way: late events, tasks that were left behind."""
        self.state: dict[str, Any] = {}
        self.thread: LoopThread | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._native = Host()
        self._runner: HostRunner | None = None
        self._imported: Imported | None = None
        self._calls: dict[int, AppCall] = {}

    # ---- its life

    def start(self) -> None:
        """Start a loop on a thread, and the application on it. Raises the exception of its start-up."""
        with self._starting() as thread:
            thread.run(self.start_here())

    async def start_aside(self) -> None:
        """`start`, for a caller on an event loop."""
        with self._starting() as thread:
            await asyncio.wrap_future(thread.submit(self.start_here()))

    @contextlib.contextmanager
    def _starting(self) -> Iterator[LoopThread]:
        self.thread = thread = LoopThread(self.loop_kind)
        thread.start()
        try:
            yield thread
        except BaseException:
            self.thread = None
            thread.stop()
            self._native.release()
            raise

    def close(self, grace: float = GRACE) -> None:
        """End the calls under way, after `grace` seconds by cancelling; then the lifespan, the loop and its thread."""
        with self._closing() as thread:
            if thread is not None:
                thread.run(self.close_here(grace))

    async def close_aside(self, grace: float = GRACE) -> None:
        """`close`, for a caller on an event loop."""
        with self._closing() as thread:
            if thread is not None:
                await asyncio.wrap_future(thread.submit(self.close_here(grace)))

    @contextlib.contextmanager
    def _closing(self) -> Iterator[LoopThread | None]:
        thread, self.thread = self.thread, None
        try:
            yield thread
        finally:
            if thread is not None:
                self.reports += thread.stop()

    def abandon(self) -> None:
        """`close` without waiting, for a finalizer. Nothing is reported."""
        thread, self.thread = self.thread, None
        if thread is not None:
            thread.abandon(self.close_here(0))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def start_here(self) -> None:
        """Start the application on the running loop. Raises the exception of its start-up."""
        self.loop = loop = asyncio.get_running_loop()
        entered = contextvars.copy_context()
        context = entered.copy()
        context.run(_owner.set, self)
        try:
            app = self.adapted(await self.load(context))
            life = HostLifespan(app, loop, self.mode, context)
            try:
                await life.startup(self.startup_timeout)
            except AppLoadError as failed:
                raised = await life.ended()
                raise raised or failed from None
        except BaseException:
            self._leave()
            raise
        runner = HostRunner(app, loop, context.copy(), life, False)
        runner.calls, runner.late, runner.entered = self._calls, self.reports.append, entered
        self.state = runner.state
        drain = self._native.drain
        drain.bind(loop)
        loop.add_reader(drain.fileno(), drain)
        self._native.serve(runner, **self.serving)
        self._runner = runner

    async def close_here(self, grace: float = GRACE) -> None:
        """End the calls under way, after `grace` seconds by cancelling; then the lifespan. Raises its exception."""
        runner, self._runner, loop = self._runner, None, self.loop
        if runner is None or loop is None:
            return
        self._native.refuse()
        # This call is queued behind all requests that were accepted: when it runs, they have started.
        started = loop.create_future()
        self._native.call_soon(lambda: started.set_result(None))
        await started
        running = list(runner.running)
        if running:
            for channel in runner.running.values():
                channel.begin_shutdown()
            _, stuck = await asyncio.wait(running, timeout=grace)
            for task in stuck:
                self.reports.append(f"a request was still under way when its client was closed: {where(task)}")
        try:
            await runner.finish(0)
            await self._shut_down(runner.lifespan)
            await self._end_tasks()
        finally:
            release(runner.app)
            self._leave()
            loop.remove_reader(self._native.drain.fileno())
            self._native.release()

    def _leave(self) -> None:
        imported, self._imported = self._imported, None
        if imported is not None:
            imported.leave()

    async def _end_tasks(self) -> None:
        """Cancel and report the tasks that the application has left behind. Needs `Task.get_context` (Python 3.12)."""
        if sys.version_info >= (3, 12):
            own = {task for task in asyncio.all_tasks() if task.get_context().get(_owner) is self}
            self.reports += await end_tasks(own - {asyncio.current_task()})

    async def _shut_down(self, life: Lifespan) -> None:
        try:
            await life.shutdown(self.shutdown_timeout)
        except AppLoadError as failed:
            raise getattr(life, "raised", None) or failed from None

    async def load(self, context: contextvars.Context) -> Any:
        """The application, imported or made as if no loop ran on this thread, as in other servers."""
        loop = asyncio.get_running_loop()
        if isinstance(self.app, str):
            find = partial(import_app, self.app, None, None, self.docroot, self.factory, self.interface)
            self._imported = imported = await self._call(find, context)
            return await loop.create_task(imported.app(), context=context)
        if not self.factory:
            return self.app
        made = await self._call(self.app, context)
        return await loop.create_task(awaited(made), context=context) if is_awaited(made) else made

    @staticmethod
    def _call(work: Callable[[], Any], context: contextvars.Context) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        if isinstance(loop, PausableLoop):
            return loop.while_stopped(work, context)
        return while_hidden(loop, work, context)

    def adapted(self, app: Any) -> ASGI3App:
        """The application as an ASGI 3 one."""
        return adapt(app, self.interface)

    # ---- requests

    def submit(
        self,
        head: bytes,
        body: bytes = b"",
        *,
        body_follows: bool = False,
        expects_continue: bool = False,
        is_websocket: bool = False,
        notifier: Notifier | None = None,
    ) -> AppCall:
        """Send a request to the application; returns at once.

        `head` is made by `head()`. `body` is the whole body, or with `body_follows` its first piece.
        `expects_continue` holds further pieces back until an event ``continue`` (RFC 9110, 10.1.1). With
        `is_websocket` the request is a handshake. Raises RuntimeError if the host is closed.
        """
        call = AppCall(b" ".join(head.split(b"\0", 2)[:2]).decode("utf-8", "replace"), self, notifier)
        self._calls[call.native.id] = call
        try:
            self._native.submit(
                call.native,
                head,
                body,
                body_follows=body_follows,
                expects_continue=expects_continue,
                is_websocket=is_websocket,
            )
        except BaseException:
            self._calls.pop(call.native.id, None)
            raise
        return call

    def start_submitted(self) -> None:
        """Start submitted requests now, not in the next iteration. Does nothing if the application has another loop."""
        if asyncio.get_running_loop() is self.loop:
            self._native.drain()

    def end(self, call: AppCall, grace: float = GRACE, report: bool = True) -> None:
        """The client has left. The application has `grace` seconds to end, then it is cancelled and reported."""
        if self.loop is None or call.native.wait_for_end(grace):
            return
        self.give_up(call, grace, report)
        call.native.wait_for_end(grace)

    def give_up(self, call: AppCall, grace: float, report: bool) -> None:
        """Cancel an application that is still running although its client has left."""
        task, loop = call.task, self.loop
        if task is None or loop is None:
            return
        if report:
            self.reports.append(
                f"{call.name}: the application went on for {grace:g} s after its client had left, and was cancelled. "
                + self.where(call)
            )
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(task.cancel, CLIENT_LEFT)

    def where(self, call: AppCall) -> str:
        """Where the application is, in words."""
        if self.thread is not None and not self.thread.is_responsive() and (place := self.thread.where()):
            return f"It blocks the event loop: {place}"
        if call.task is None:
            return "It has not been started: the event loop is busy"
        if call.task.done():
            return "It has returned"
        return f"It waits at {where(call.task)}"
