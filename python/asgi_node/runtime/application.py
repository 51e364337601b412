"""One handler's application: loaded, started, stopped. Rust calls these functions; a callback gets the outcome."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from asgi_node.loading.interface import Interface, adapt, release
from asgi_node.loading.load import import_app

from . import documentation, logs, sinks, stdio
from .exit import flush
from .lifespan import Lifespan, Mode
from .runner import Runner
from .shared_loop import SharedLoop, close_generators, own_generators

if TYPE_CHECKING:
    from asgi_node._native import LogQueue

# Called once, on the loop's thread: with the result, or with the exception.
Done = Callable[[Any, BaseException | None], None]

# A task without a reference can be garbage-collected while it waits.
_under_way: set[asyncio.Task[Any]] = set()


def open_application(
    loop: SharedLoop,
    target: str,
    docroot: str,
    factory: bool,
    interface: Interface,
    wsgi_threads: int,
    lifespan: Mode,
    startup_timeout: float,
    cancel_on_disconnect: bool,
    log_queue: LogQueue | None,
    done: Done,
) -> None:
    """Import the application, wait for its start-up, pass its `Runner` to `done`. Times: seconds, 0 for no limit."""

    async def run() -> Runner:
        sinks.enter(log_queue)
        logs.open_up()
        context = contextvars.copy_context()
        try:
            return await start(context)
        except BaseException:
            sinks.leave()
            raise

    async def start(context: contextvars.Context) -> Runner:
        generators = context.run(own_generators)
        find = partial(import_app, target, None, None, docroot, factory, interface)
        imported = await loop.while_stopped(find, context)
        try:
            found = await loop.create_task(imported.app(), context=context)
            app = adapt(found, interface, wsgi_threads)
            life = Lifespan(app, loop, lifespan, context)
            await life.startup(startup_timeout)
        except BaseException:
            imported.leave()
            raise
        # Applications set up their routes until now.
        context.run(documentation.tell, found, log_queue)
        loop.enter()
        return Runner(app, loop, context.copy(), life, cancel_on_disconnect, generators, imported)

    _tell(loop, run(), done)


def close_application(loop: SharedLoop, runner: Runner, timeout: float, shutdown_timeout: float, done: Done) -> None:
    """Ask the requests under way to end, cancel them after `timeout`; then end the lifespan, and left-over tasks."""

    async def run() -> None:
        await runner.finish(timeout)
        try:
            await runner.lifespan.shutdown(shutdown_timeout)
        finally:
            release(runner.app)
            await close_generators(runner.generators)
            await loop.leave(runner.timeout)
            if runner.imported is not None:
                runner.imported.leave()
            runner.context.run(_take_leave)

    _tell(loop, run(), done)


def _take_leave() -> None:
    flush()
    # If other handlers are open, the line may belong to one of them.
    if sinks.is_last():
        stdio.finish()
    sinks.leave()


def _tell(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], done: Done) -> None:
    def ended(task: asyncio.Task[Any]) -> None:
        _under_way.discard(task)
        if task.cancelled():
            done(None, asyncio.CancelledError("the event loop was stopped"))
        elif (raised := task.exception()) is not None:
            done(None, raised)
        else:
            done(task.result(), None)

    task = loop.create_task(work)
    _under_way.add(task)
    task.add_done_callback(ended)
