"""The stack of a thread, read from another thread."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

_OWN = str(Path(__file__).parents[1])


def stack_of(ident: int) -> str | None:
    """The stack of a thread as in a traceback, outermost call first; `None` if it runs no Python.

    Our own frames at the outer end, and those of the event loop below them, are left out: every application has them.
    """
    frame = sys._current_frames().get(ident)
    if frame is None:
        return None
    stack = traceback.extract_stack(frame)
    first = next((index for index, entry in enumerate(stack) if not _is_outer(entry.filename)), 0)
    return "".join(traceback.format_list(stack[first:])).rstrip()


def _is_outer(filename: str) -> bool:
    return filename.startswith(_OWN) or Path(filename).parent.name == "asyncio"
