"""One application with its event loop and lifespan, and the calls that are made of it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from asgi_node import _protocol
from asgi_node._native import Call, Host, Notifier
from asgi_node.errors import AppLoadError
from asgi_node.loading.interface import ASGI3App, Interface, adapt, release
from asgi_node.loading.load import awaited, enter, import_app, is_awaited
from asgi_node.runtime.imports import PausableLoop, while_hidden
from asgi_node.runtime.lifespan import Lifespan, Mode, lines_of
from asgi_node.runtime.runner import CLIENT_LEFT, Runner

from .loop_thread import LoopThread, end_tasks
from .recorder import DEBUG, Witness, where

if TYPE_CHECKING:
    from asgi_node._native import Channel, HostEvent
    from asgi_node.loading.interface import Scope

ALL_EXTENSIONS = (
    _protocol.EXTENSION_TRAILERS
    | _protocol.EXTENSION_EARLY_HINT
    | _protocol.EXTENSION_PATHSEND
    | _protocol.EXTENSION_ZEROCOPYSEND
)

# Seconds that an application has to end by itself when its client has left, or its host closes.
GRACE = 1.0

Address = tuple[str, int | None]
Headers = Iterable[tuple[bytes, bytes]]


class AppTimeout(TimeoutError):  # noqa: N818 (as TimeoutError itself)
    """The application did not do in time what was waited for; the message says where it waits itself."""


def head(
    method: str,
    target: str | bytes,
    headers: Headers = (),
    *,
    scheme: str = "http",
    http_version: str = "1.1",
    client: Address | None = ("testclient", 50000),
    server: Address | None = ("testserver", 80),
    root_path: str = "",
    extensions: int = ALL_EXTENSIONS,
) -> bytes:
    """The flat head of a request, as `Host.submit` takes it.

    `target` is what stands in the request line (``/path?query``, escaped), `headers` are as on the wire, in order.
    `extensions` says which of the ``EXTENSION_…`` bits of `asgi_node._protocol` the connection offers. Raises
    ValueError for what no HTTP client can send: line ends or NUL in a header, or in the method or target.
    """
    fields = [
        method.encode(),
        target.encode() if isinstance(target, str) else target,
        http_version.encode(),
        scheme.encode(),
        *_address(client),
        *_address(server),
        root_path.encode(),
        str(extensions).encode(),
    ]
    for name, value in headers:
        fields += (name, value)
    flat = b"\0".join(fields)
    if b"\n" in flat or b"\r" in flat or flat.count(b"\0") != len(fields) - 1:
        raise ValueError("a request's method, target and headers hold no line end and no NUL (RFC 9110, 5.5)")
    return flat


def _address(address: Address | None) -> tuple[bytes, bytes]:
    host, port = address or ("", None)
    return host.encode(), b"" if port is None else str(port).encode()


class AppCall:
    """One request to an application, seen by whoever sent it."""

    def __init__(self, name: str, host: AppHost, notifier: Notifier | None) -> None:
        self.name = name
        self.native = Call(notifier)
        self.host = host
        self.task: asyncio.Task[Any] | None = None
        self.witness: Witness | None = None
        self.left = False
        self.context = contextvars.copy_context()
        """What the caller's context variables are: the application sees what has changed since its start."""

    @property
    def raised(self) -> BaseException | None:
        """What the application raised: the object itself. Set once it has ended."""
        return self.witness.raised if self.witness else None

    @property
    def violations(self) -> list[str]:
        """What the application did wrong, in words: events that were refused, calls that were not awaited."""
        return self.witness.refused + self.witness.forgotten if self.witness else []

    @property
    def trailers(self) -> list[tuple[bytes, bytes]]:
        """The trailers that the application sent, whether the client asked for them or not."""
        return self.witness.trailers if self.witness else []

    @property
    def debug(self) -> dict[str, Any] | None:
        """What the application sent as ``http.response.debug``."""
        return self.witness.debug if self.witness else None

    def next_events(self, timeout: float | None = None, waiting_for: str = "answered") -> list[HostEvent]:
        """Wait for events and take them; none when the application has ended without more. Raises `AppTimeout`."""
        if not self.native.wait_for_news(timeout):
            raise self.timed_out(timeout, waiting_for)
        return self.native.take_events()

    def events(self, timeout: float | None = None) -> Iterator[HostEvent]:
        """All events up to the last one, each taken when the next is asked for. `timeout` is for each wait."""
        while True:
            batch = self.next_events(timeout)
            for event in batch:
                yield event
                self.native.taken(event.weight)
                if event.last:
                    return
            if not batch and self.native.ended:
                return

    def wait_for_end(self, timeout: float | None = None) -> None:
        """Wait until the application has returned. Raises `AppTimeout`."""
        if not self.native.ended and not self.native.wait_for_end(timeout):
            raise self.timed_out(timeout, "returned, although its response is complete")

    def leave(self) -> None:
        """The client goes away: the application is told."""
        self.left = True
        self.native.disconnect()

    def timed_out(self, timeout: float | None, waiting_for: str) -> AppTimeout:
        """The error that says where the application is."""
        place = self.host.where(self)
        return AppTimeout(f"{self.name}: the application has not {waiting_for} within {timeout:g} s. {place}")


class HostRunner(Runner):
    """Runs the application for calls, with a `Witness` beside it."""

    calls: dict[int, AppCall]
    late: Callable[[str], object]
    entered: contextvars.Context

    def context_of(self, channel: Channel) -> contextvars.Context:
        """A copy of the start-up's context, with what the caller has set since: as if its test had called."""
        context = super().context_of(channel)
        caller, entered = self.calls[channel.id].context, self.entered
        changed = [var for var in caller if var not in entered or entered[var] is not caller[var]]
        for var in changed:
            if not var.name.startswith("asgi_node"):
                context.run(var.set, caller[var])
        return context

    async def run(self, scope: Scope, channel: Channel) -> None:
        call = self.calls.pop(channel.id)
        call.task = asyncio.current_task()
        call.witness = witness = Witness(channel, self.late)
        if scope["type"] == "http":
            scope["extensions"][DEBUG] = {}
        try:
            await super().run(scope, witness)  # type: ignore[arg-type]  # it has the methods of a channel
        finally:
            call.native.end()


class HostLifespan(Lifespan):
    """A lifespan that keeps what the application raised.

    ``auto`` goes on without it only when the application raised, or returned, before it asked for ``lifespan.startup``:
    one that had asked knows the protocol, and has failed.
    """

    raised: BaseException | None = None
    asked = False

    async def ended(self) -> BaseException | None:
        """What the application raised, once it has had a moment to."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=GRACE)
        return self.raised

    async def _receive(self) -> dict[str, Any]:
        self.asked = True
        return await super()._receive()

    def _ended(self, raised: BaseException | None) -> None:
        if isinstance(raised, Exception):
            self.raised = raised
            if self.asked and not self._started.done():
                text = f"lifespan start-up raised {raised!r}"
                self._fail(self._started, "LIFESPAN_STARTUP_FAILED", text, lines_of(raised))
        super()._ended(raised)


_owner: contextvars.ContextVar[AppHost | None] = contextvars.ContextVar("asgi_node_host", default=None)
"""Whose application a task belongs to."""


class AppHost:
    """One application on an event loop: of its own (`start`, `close`, ``with``), or the caller's (`start_here`).

    `app` is the application, or ``'module:attribute'``, looked for in `docroot` (the current directory). `loop` is
    ``'auto'`` (uvloop where it is installed and works), ``'asyncio'``, ``'uvloop'``. `lifespan` is ``'auto'``, ``'on'``
    or ``'off'``. `extensions` turns ``"pathsend"`` and ``"zerocopysend"`` on. Times are in seconds; 0 is no limit. The
    other options are Node's (README, "Options").
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
                raise ValueError(f"there is no extension {name!r} to turn on: there are 'pathsend' and 'zerocopysend'")
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
        """What nobody else was told: late events, tasks that were left behind."""
        self.state: dict[str, Any] = {}
        self.thread: LoopThread | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._native = Host()
        self._runner: HostRunner | None = None
        self._calls: dict[int, AppCall] = {}

    # ---- its life

    def start(self) -> None:
        """Start a loop on a thread, and the application on it. Raises what its start-up raised."""
        self.thread = thread = LoopThread(self.loop_kind)
        thread.start()
        try:
            thread.run(self.start_here())
        except BaseException:
            self.thread = None
            thread.stop()
            self._native.release()
            raise

    def close(self, grace: float = GRACE) -> None:
        """End what is under way, after `grace` seconds by cancelling; then the lifespan, the loop and its thread."""
        thread, self.thread = self.thread, None
        if thread is None:
            return
        try:
            thread.run(self.close_here(grace))
        finally:
            self.reports += thread.stop()

    async def start_aside(self) -> None:
        """`start`, for a caller on an event loop."""
        self.thread = thread = LoopThread(self.loop_kind)
        thread.start()
        try:
            await asyncio.wrap_future(thread.submit(self.start_here()))
        except BaseException:
            self.thread = None
            thread.stop()
            self._native.release()
            raise

    async def close_aside(self, grace: float = GRACE) -> None:
        """`close`, for a caller on an event loop."""
        thread, self.thread = self.thread, None
        if thread is None:
            return
        try:
            await asyncio.wrap_future(thread.submit(self.close_here(grace)))
        finally:
            self.reports += thread.stop()

    def abandon(self) -> None:
        """`close`, for whoever cannot wait, such as a finalizer: nothing is reported."""
        thread, self.thread = self.thread, None
        if thread is not None:
            thread.abandon(self.close_here(0))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def start_here(self) -> None:
        """Start the application on the running loop. Raises what its start-up raised."""
        self.loop = loop = asyncio.get_running_loop()
        entered = contextvars.copy_context()
        context = entered.copy()
        context.run(_owner.set, self)
        app = self.adapted(await self.load(context))
        life = HostLifespan(app, loop, self.mode, context)
        try:
            await life.startup(self.startup_timeout)
        except AppLoadError as failed:
            raised = await life.ended()
            raise raised or failed from None
        runner = HostRunner(app, loop, context.copy(), life, False)
        runner.calls, runner.late, runner.entered = self._calls, self.reports.append, entered
        self.state = runner.state
        drain = self._native.drain
        drain.bind(loop)
        loop.add_reader(drain.fileno(), drain)
        self._native.serve(runner, **self.serving)
        self._runner = runner

    async def close_here(self, grace: float = GRACE) -> None:
        """End what is under way, after `grace` seconds by cancelling; then the lifespan. Raises what its end raised."""
        runner, self._runner, loop = self._runner, None, self.loop
        if runner is None or loop is None:
            return
        self._native.refuse()
        # Behind all requests that were accepted: they have started then.
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
            loop.remove_reader(self._native.drain.fileno())
            self._native.release()

    async def _end_tasks(self) -> None:
        """Cancel and report the tasks that the application has left behind; known where tasks tell (Python 3.12)."""
        if sys.version_info >= (3, 12):
            own = {task for task in asyncio.all_tasks() if task.get_context().get(_owner) is self}
            self.reports += await end_tasks(own - {asyncio.current_task()})

    async def _shut_down(self, life: Lifespan) -> None:
        try:
            await life.shutdown(self.shutdown_timeout)
        except AppLoadError as failed:
            raise getattr(life, "raised", None) or failed from None

    async def load(self, context: contextvars.Context) -> Any:
        """The application, imported or made as if no loop ran on this thread, as other servers do that."""
        loop = asyncio.get_running_loop()
        if isinstance(self.app, str):
            context.run(enter, self.docroot)
            find = partial(import_app, self.app, None, None, self.docroot, self.factory, self.interface)
            imported = await self._call(find, context)
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
        """The application as one of ASGI 3."""
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
        """Send a request into the application."""
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
        """Start what was submitted now, and not in a later turn: for a caller that is on the application's own loop."""
        if asyncio.get_running_loop() is self.loop:
            self._native.drain()

    def end(self, call: AppCall, grace: float = GRACE, report: bool = True) -> None:
        """The client has left: the application has `grace` seconds to notice, then it is cancelled, and reported."""
        if self.loop is None or call.native.wait_for_end(grace):
            return
        self.give_up(call, grace, report)
        call.native.wait_for_end(grace)

    def give_up(self, call: AppCall, grace: float, report: bool) -> None:
        """Cancel what goes on although its client has left."""
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
