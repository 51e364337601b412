"""What Python does before the process ends, which it cannot stop: the interpreter is never finalised."""

from __future__ import annotations

import atexit
import contextlib
import sys

from . import stdio


def run() -> None:
    """Call what was given to ``atexit``, the last first, and flush what ``print`` has left in buffers.

    Whoever ends the process waits for this, but not for long. Threads are not joined.
    """
    atexit._run_exitfuncs()
    stdio.flush()


def flush() -> None:
    """Hand over what stdout and stderr hold; an application may have put anything there."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
