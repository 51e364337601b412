"""The event loop that all applications of one kind share: its choice, and its thread from start to end."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

from asgi_node.errors import LONGEST_MESSAGE, AppLoadError, printable, shortened

from . import fork
from .imports import PausableLoop
from .logs import logger
from .shared_loop import SharedLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_node._native import Drain

Loop = TypeVar("Loop", bound=PausableLoop)


def choose(wanted: str, deepbind: bool) -> tuple[str, str]:
    """Choose the loop, ``asyncio`` or ``uvloop``, and say why.

    ``auto`` takes uvloop only if it is bound to its own libuv. Without RTLD_DEEPBIND its symbols come from the libuv
    inside Node, which is another version.
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
                "install it again, or use loop 'asyncio'",
                traceback.format_exc(),
            ) from broken
        return "uvloop", "option loop"
    if not installed:
        return "asyncio", "uvloop is not installed"
    if not deepbind:
        return "asyncio", "without RTLD_DEEPBIND uvloop would run on the libuv inside Node"
    return "uvloop", "uvloop is installed"


def new_loop(kind: str) -> PausableLoop:
    """A loop of this kind, or asyncio's if uvloop does not work."""
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
        except Exception as broken:  # for another Python, or half installed: asyncio's loop can still serve
            logger.error("uvloop does not work, asyncio's loop runs instead: %s: %s", type(broken).__name__, broken)
    return _mixed(mixin, asyncio.SelectorEventLoop)()


# If the loop ends this many times in a row before it has done anything, it cannot go on.
_IN_VAIN = 1000


class _Ends:
    """Logs what has ended the loop, but less often than an application can end it."""

    _MOST = 10
    _SECONDS = 1.0

    def __init__(self) -> None:
        self._since = float("-inf")
        self._said = 0
        self._unsaid = 0

    def say(self, text: str, raised: BaseException | None = None) -> None:
        """Log it, unless there were too many in this second."""
        now = time.monotonic()
        if now - self._since >= self._SECONDS:
            if self._unsaid:
                logger.error("the event loop was ended %d times more since", self._unsaid)
            self._since, self._said, self._unsaid = now, 0, 0
        if self._said < self._MOST:
            self._said += 1
            logger.error(text, exc_info=raised)
        else:
            self._unsaid += 1


# What `run` gives for a loop that was told to end.
FINISHED = ""


def run(drain: Drain, kind: str, begin: Callable[[], object] | None = None) -> str:
    """Serves what comes through ``drain`` until the process ends, or `SharedLoop.finish` is called.

    Runs on a thread of its own, or on the main thread of a worker. ``begin`` is called before the loop runs first.

    All applications share the loop. It goes on if an application stops it, if a callback calls ``sys.exit``, or if an
    exception is thrown into this thread from outside. A loop that fails at once, again and again (for example because
    its selector has been closed), cannot go on. Then this returns why.
    """
    # New threads inherit this flag. Python treats a thread that it has not made as a daemon. But applications run
    # here, elsewhere on the main thread, so threads that they start without the flag are waited for at the end.
    vars(threading.current_thread())["_daemonic"] = False
    loop = _new_loop(kind, SharedLoop)  # type: ignore[type-abstract]
    asyncio.set_event_loop(loop)
    drain.bind(loop)
    loop.add_reader(drain.fileno(), drain)
    fork.watch(loop)
    if begin is not None:
        begin()
    ends = _Ends()
    in_vain = 0
    before: tuple[str, BaseException | None] | None = None

    def turned() -> None:
        # Logged here and not at once: a loop that cannot go on logs only its last error.
        nonlocal in_vain, before
        in_vain = 0
        if before is not None:
            ends.say(*before)
            before = None

    while True:
        in_vain += 1
        raised: BaseException | None = None
        text = "an application stopped the event loop that all requests share: it goes on"
        try:
            loop.work_while_stopped()
            loop.begin()
            loop.call_soon(turned)
            loop.run_forever()
            if loop.is_finished:
                return FINISHED
            if loop.has_work:
                continue
        except BaseException as caught:  # for example SystemExit or KeyboardInterrupt of a callback or a task
            if fork.child:
                fork.leave(caught)
            raised, text = caught, "an application tried to end the process from its event loop, which goes on"
        if in_vain >= _IN_VAIN:
            logger.error("the event loop cannot continue; all its requests fail", exc_info=raised)
            return _reason(raised)
        before = before or (text, raised)


def _reason(raised: BaseException | None) -> str:
    if raised is None:
        return "it stops as soon as it is started"
    try:
        return printable(shortened(f"{type(raised).__name__}: {raised}", LONGEST_MESSAGE))
    except BaseException:  # an exception's methods are the application's code
        return type(raised).__name__
