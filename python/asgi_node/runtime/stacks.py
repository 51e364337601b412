"""Where a thread is, asked from another one."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

_OWN = str(Path(__file__).parents[1])


def stack_of(ident: int) -> str | None:
    """The stack of a thread as a traceback shows it, outermost call first; `None` when it runs no Python.

    What is ours at the outer end, and the event loop below it, is left out: it is the same for every application.
    """
    frame = sys._current_frames().get(ident)
    if frame is None:
        return None
    stack = traceback.extract_stack(frame)
    first = next((index for index, entry in enumerate(stack) if not _is_outer(entry.filename)), 0)
    return "".join(traceback.format_list(stack[first:])).rstrip()


def _is_outer(filename: str) -> bool:
    return filename.startswith(_OWN) or Path(filename).parent.name == "asyncio"
