"""Python's work before the process ends. The interpreter is never finalised, so Python does not do it itself."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading

from . import stdio
from .logs import logger


def run(patience: float) -> None:
    """Do what Python does at its end: wait for threads, call the ``atexit`` functions, the last first, and flush.

    `patience` is the time for it, in seconds; half of it is for threads. If it is 0, the end is not an orderly one:
    threads are not waited for, and the thread that ends the process does not wait for long either.
    """
    if patience > 0:
        _wait_for_threads(patience / 2)
    atexit._run_exitfuncs()
    stdio.flush()


def _end_workers() -> None:
    """End AnyIO's worker threads. It does so itself when the task that runs the loop ends, and ours never does."""
    for thread in _awaited():
        stop = getattr(thread, "stop", None)
        if type(thread).__module__.startswith("anyio.") and callable(stop):
            with contextlib.suppress(Exception):
                stop()


def _wait_for_threads(patience: float) -> None:
    """Wait for the threads that Python waits for at its end, but not for ever."""
    _end_workers()
    waiter = threading.Thread(target=_join_threads, name="asgi-node-exit", daemon=True)
    try:
        waiter.start()
    except RuntimeError:  # no more threads can be started
        return
    waiter.join(patience)
    if waiter.is_alive():
        names = ", ".join(thread.name for thread in _awaited())
        text = "threads are still busy after %g s, half of exitTimeout: they are left behind: %s"
        logger.warning(text, patience, names)


def _join_threads() -> None:
    """Join non-daemon threads, and those of `concurrent.futures`, in Python's order.

    Not by `threading._shutdown`: up to Python 3.12 it waits for the main thread if another thread calls it.
    """
    for call in reversed(threading._threading_atexits):  # type: ignore[attr-defined]
        call()
    while threads := _awaited():
        for thread in threads:
            thread.join()


def _awaited() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if _is_waited_for(thread)]


def _is_waited_for(thread: threading.Thread) -> bool:
    # Not the main thread, nor threads that Python has not made, such as the loop's.
    is_ours = thread is threading.main_thread() or isinstance(thread, threading._DummyThread)
    return not (thread.daemon or is_ours)


def flush() -> None:
    """Flush stdout and stderr; an application may have replaced them with anything."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
