"""The asyncio loop that all applications of one kind share, and its thread's life."""

from __future__ import annotations

import asyncio
import importlib.util
import traceback
from typing import TYPE_CHECKING

from .errors import AppLoadError
from .logs import logger

if TYPE_CHECKING:
    from ._native import Drain


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


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    """A loop of this kind, or asyncio's where uvloop does not work."""
    if kind == "uvloop":
        from .subprocesses import uvloop_class

        try:
            return uvloop_class()()
        except Exception as broken:  # of another Python or half installed: no reason to serve nobody
            logger.error("uvloop does not work, asyncio's loop runs instead: %s: %s", type(broken).__name__, broken)
    return asyncio.new_event_loop()


def run(drain: Drain, kind: str) -> None:
    """Serves what comes through ``drain`` until the process ends. Runs on a thread of its own.

    The loop is everybody's: an application that stops it, or whose callback calls ``sys.exit``, does not end it.
    """
    loop = new_loop(kind)
    asyncio.set_event_loop(loop)
    drain.bind(loop)
    loop.add_reader(drain.fileno(), drain)
    while True:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as raised:  # what asyncio lets through from callbacks and tasks
            lines = "".join(traceback.format_exception(raised)).rstrip()
            logger.error("an application tried to end the process from its event loop, which goes on\n%s", lines)
        else:
            logger.error("an application stopped the event loop that all requests share: it goes on")
