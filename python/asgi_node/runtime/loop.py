"""The asyncio loop that all applications of one kind share, and its thread's life."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

from asgi_node.errors import AppLoadError

from . import fork
from .imports import PausableLoop
from .logs import logger
from .shared_loop import SharedLoop

if TYPE_CHECKING:
    from asgi_node._native import Drain

Loop = TypeVar("Loop", bound=PausableLoop)


def choose(wanted: str, deepbind: bool) -> tuple[str, str]:
    """Which loop, ``asyncio`` or ``uvloop``, and why.

    ``auto`` takes uvloop only where it is bound to its own libuv: without RTLD_DEEPBIND its symbols come from the
    libuv inside Node, another version.
    """
    if wanted == "asyncio":
        return "asyncio", "option loop"
    installed = importlib.util.find_spec("uvloop") is not None
    if wanted == "uvloop":
        if not installed:
            raise AppLoadError(
                "LOOP_NOT_AVAILABLE",
                "loop 'uvloop' was asked for, but uvloop is not installed: `pip install uvloop`, or use loop 'auto'",
            )
        try:
            importlib.import_module("uvloop")
        except Exception as broken:
            raise AppLoadError(
                "LOOP_NOT_AVAILABLE",
                f"loop 'uvloop' was asked for, but uvloop cannot be imported ({type(broken).__name__}: {broken}): "
                "install it anew, or use loop 'asyncio'",
                traceback.format_exc(),
            ) from broken
        return "uvloop", "option loop"
    if not installed:
        return "asyncio", "uvloop is not installed"
    if not deepbind:
        return "asyncio", "without RTLD_DEEPBIND uvloop would run on the libuv inside Node"
    return "uvloop", "uvloop is installed"


def new_loop(kind: str) -> PausableLoop:
    """A loop of this kind, or asyncio's where uvloop does not work."""
    return _new_loop(kind, PausableLoop)  # type: ignore[type-abstract]  # it is mixed into a concrete one


def _mixed(mixin: type[Loop], own: Any) -> type[Loop]:
    class Mixed(mixin, own):  # type: ignore[misc, valid-type]  # a class that is chosen at run time
        """The one that was chosen."""

    return Mixed


def _new_loop(kind: str, mixin: type[Loop]) -> Loop:
    if kind == "uvloop":
        from .subprocesses import uvloop_class

        try:
            return _mixed(mixin, uvloop_class())()
        except Exception as broken:  # of another Python or half installed: no reason to serve nobody
            logger.error("uvloop does not work, asyncio's loop runs instead: %s: %s", type(broken).__name__, broken)
    return _mixed(mixin, asyncio.SelectorEventLoop)()


def run(drain: Drain, kind: str) -> None:
    """Serves what comes through ``drain`` until the process ends. Runs on a thread of its own.

    The loop is everybody's: an application that stops it, or whose callback calls ``sys.exit``, does not end it, and
    neither does an exception that is thrown into this thread from outside.
    """
    # Threads inherit this. Python takes one that it has not made for a daemon; but here is where applications run, as
    # elsewhere on the main thread, and what they start without a word is waited for at the end.
    vars(threading.current_thread())["_daemonic"] = False
    loop = _new_loop(kind, SharedLoop)  # type: ignore[type-abstract]
    asyncio.set_event_loop(loop)
    drain.bind(loop)
    loop.add_reader(drain.fileno(), drain)
    fork.watch(loop)
    while True:
        try:
            loop.work_while_stopped()
            loop.begin()
            loop.run_forever()
            if not loop.has_work:
                logger.error("an application stopped the event loop that all requests share: it goes on")
        except BaseException as raised:  # SystemExit and KeyboardInterrupt of callbacks and tasks, for two
            if fork.child:
                fork.leave(raised)
            logger.error("an application tried to end the process from its event loop, which goes on", exc_info=raised)
