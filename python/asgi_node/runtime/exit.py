"""What Python does before the process ends, which it cannot stop: the interpreter is never finalised."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading

from . import stdio
from .logs import logger


def run(patience: float) -> None:
    """Do what Python does at its end: wait for threads, call what was given to ``atexit``, the last first, and flush.

    `patience` is what there is of it, in seconds: half of that is for threads. Without any the end is not an orderly
    one: threads are not waited for, and whoever ends the process does not wait for long either.
    """
    if patience > 0:
        _wait_for_threads(patience / 2)
    atexit._run_exitfuncs()
    stdio.flush()


def _wait_for_threads(patience: float) -> None:
    """Join threads that are no daemons, and those of `concurrent.futures`, as Python does, but not for ever."""
    waiter = threading.Thread(target=threading._shutdown, name="asgi-node-exit", daemon=True)  # type: ignore[attr-defined]
    try:
        waiter.start()
    except RuntimeError:  # there can be no thread more
        return
    waiter.join(patience)
    if waiter.is_alive():
        names = [thread.name for thread in threading.enumerate() if _is_waited_for(thread)]
        text = "threads are still busy after %g s, half of exitTimeout: they are left behind: %s"
        logger.warning(text, patience, ", ".join(names))


def _is_waited_for(thread: threading.Thread) -> bool:
    # Not the main one, nor those that Python has not made, as the loop's.
    is_ours = thread is threading.main_thread() or isinstance(thread, threading._DummyThread)
    return not (thread.daemon or is_ours)


def flush() -> None:
    """Hand over what stdout and stderr hold; an application may have put anything there."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
