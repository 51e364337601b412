"""Exceptions as text. Python's own formatting may import modules of an application, and may raise."""

from __future__ import annotations

import contextlib
import re
import sys
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

# Python inside Node starts without `site` and runs it later, so this hint is wrong there.
_NO_SITE = re.compile(r"\. Site initialization is disabled, did you forget [^?\n]*\?")


def lines_of(raised: BaseException, frames: TracebackType | None) -> list[str]:
    """The traceback of an exception, from `frames` on."""
    return polished(formatted(raised, frames).format())


def last_lines_of(raised: BaseException) -> list[str]:
    """The exception with Python's own hint (``Did you mean ...?``) and its notes, without a traceback."""
    return polished(formatted(raised, raised.__traceback__).format_exception_only())


def formatted(raised: BaseException, frames: TracebackType | None) -> traceback.TracebackException:
    """Whatever `traceback` makes of it."""
    try:
        with _without_names(raised, _is_imported_by_formatting):
            return traceback.TracebackException(type(raised), raised, frames, compact=True)
    except Exception:
        # Only a hint is lost. Python 3.15 searches each folder of sys.path for it.
        with _without_names(raised, lambda _: True):
            return traceback.TracebackException(type(raised), raised, frames, compact=True)


def polished(lines: Iterator[str]) -> list[str]:
    """Remove the hint that is wrong inside Node."""
    return [_NO_SITE.sub("", line) for line in lines] if sys.flags.no_site else list(lines)


def _is_imported_by_formatting(error: ImportError) -> bool:
    """Whether a search for similar names would import a module, and so run the application's code again.

    For ``No module named 'a.b'`` Python 3.15 imports ``a``, for ``cannot import name 'b' from 'a'`` every Python does.
    """
    name = error.name or ""
    if isinstance(error, ModuleNotFoundError):
        name = name.rpartition(".")[0]
    return name != "" and name not in sys.modules


@contextlib.contextmanager
def _without_names(raised: BaseException, hidden: Any) -> Iterator[None]:
    """Remove the names from import errors in the chain for a while: without a name Python does not search."""
    names: list[tuple[ImportError, str | None]] = []
    for error in _chain(raised):
        if isinstance(error, ImportError) and hidden(error):
            names.append((error, error.name))
            error.name = None
    try:
        yield
    finally:
        for error, name in names:
            error.name = name


def _chain(raised: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    left = [raised]
    while left:
        error = left.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        left += [other for other in (error.__cause__, error.__context__) if other is not None]
        if isinstance(error, BaseExceptionGroup):
            left += error.exceptions
