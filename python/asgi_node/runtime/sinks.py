"""Finds the handler that gets a log record or a line of output: the one whose application it came from."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_node._native import LogQueue

_current: ContextVar[LogQueue | None] = ContextVar("asgi_node log_queue", default=None)

# The number of this process where it is a worker: its records carry it, so that Node can tell workers apart.
worker: int | None = None

# The log queues of open handlers, the oldest first.
_open: list[LogQueue] = []


def enter(log_queue: LogQueue | None) -> None:
    """From now on everything in this context, and in copies of it, belongs to this handler."""
    if log_queue is not None:
        _open.append(log_queue)
        _current.set(log_queue)


def leave() -> None:
    """Remove the handler of this context."""
    own = _current.get()
    if own in _open:
        _open.remove(own)


def is_last() -> bool:
    """Whether the handler of this context is the only one that is open."""
    return _open == [_current.get()]


def levels() -> list[int]:
    """The lowest level of records that each handler wants."""
    return [log_queue.level for log_queue in _open]


def current() -> LogQueue | None:
    """The handler of this context, or the oldest for threads that have none. `None` when no handler is open."""
    own = _current.get()
    if own is not None and own in _open:
        return own
    return _open[0] if _open else None


def hand_over(give: Callable[[LogQueue], bool]) -> bool:
    """Give something to the handler of this context; false if no handler is open."""
    while (log_queue := current()) is not None:
        if give(log_queue):
            return True
        # The handler has been closed.
        if log_queue in _open:
            _open.remove(log_queue)
    return False


# A forked child has no JavaScript, only the descriptors.
os.register_at_fork(after_in_child=_open.clear)
