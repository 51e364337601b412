"""Ends a process that was forked from the serving one, before it would go on with the event loop.

The child has a copy of everything, but only the thread that forked: it has to do its own work, and then to end.
multiprocessing's children do so by themselves. A child that an application has made by ``os.fork`` may return, raise
or await.
"""

from __future__ import annotations

import os
import threading
import traceback
from typing import TYPE_CHECKING, NoReturn

from asgi_node import _native

from .exit import flush

if TYPE_CHECKING:
    import asyncio

# Read when an exception has reached our code.
child = False

_loops: dict[int, asyncio.AbstractEventLoop] = {}


def watch(loop: asyncio.AbstractEventLoop) -> None:
    """Note which loop this thread runs. Forks are watched from the first call on."""
    if not _loops:
        os.register_at_fork(
            before=_native.forking, after_in_parent=_native.forked_parent, after_in_child=_after_in_child
        )
    _loops[threading.get_ident()] = loop


def leave(raised: BaseException | None = None) -> NoReturn:
    """End this process as Python would after `raised`."""
    code = 0
    if isinstance(raised, SystemExit):
        code = raised.code if isinstance(raised.code, int) else int(raised.code is not None)
    elif raised is not None:
        traceback.print_exception(raised)
        code = 1
    flush()
    os._exit(code & 0xFF)


def _after_in_child() -> None:
    global child  # noqa: PLW0603 - read on every exception of an application: a plain name is the quickest
    child = True
    _native.forked_child()
    loop = _loops.get(threading.get_ident())
    if loop is not None:
        # The selector is shared with the parent: the child must end at its first use of it.
        loop.call_soon(leave)
