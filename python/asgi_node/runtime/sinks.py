"""Which handler's host hears what is said: log records and lines belong to the handler that they came from."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_node._native import Journal

_current: ContextVar[Journal | None] = ContextVar("asgi_node journal", default=None)

# Of handlers that are open, the oldest first.
_open: list[Journal] = []


def enter(journal: Journal | None) -> None:
    """In this context, and in those that are copied from it, everything belongs to this handler."""
    if journal is not None:
        _open.append(journal)
        _current.set(journal)


def leave() -> None:
    """The handler of this context listens no more."""
    own = _current.get()
    if own in _open:
        _open.remove(own)


def is_last() -> bool:
    """Whether nobody but the handler of this context listens."""
    return _open == [_current.get()]


def levels() -> list[int]:
    """From which level on each handler wants records."""
    return [journal.level for journal in _open]


def current() -> Journal | None:
    """The handler of this context, or the oldest, for threads that have none; `None` when nobody listens."""
    own = _current.get()
    if own is not None and own in _open:
        return own
    return _open[0] if _open else None


def hand_over(give: Callable[[Journal], bool]) -> bool:
    """Give something to whoever is to hear of it; false when nobody listens."""
    while (journal := current()) is not None:
        if give(journal):
            return True
        # It has been closed.
        if journal in _open:
            _open.remove(journal)
    return False


# A child of a fork has no JavaScript to hand anything to, only the descriptors.
os.register_at_fork(after_in_child=_open.clear)
