"""``sys.stdout`` and ``sys.stderr`` inside Node: whole lines, in order, nothing lost.

Node makes the descriptors of its output non-blocking where they are pipes or sockets, and Python's own streams give up
with ``BlockingIOError`` when one of those is full. Ours wait. They are `io.TextIOWrapper` all the same, with everything
that libraries look for: ``buffer``, ``fileno()``, ``isatty()``, ``encoding``, ``reconfigure()``.

A line is written when it is complete, not when 8 KiB have come together, as Python does it for pipes.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from . import sinks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

# The most bytes that a pipe takes as a whole (POSIX, PIPE_BUF): lines in one piece of this size are never torn apart by
# what JavaScript writes to the same pipe.
ATOMIC = select.PIPE_BUF

# A line for JavaScript that is longer is handed over in pieces.
LONGEST_LINE = 1 << 20

# Seconds that a full pipe is waited for before the deadline below is looked at again.
_PATIENCE = 0.05

# The time at which a write gives up: while the process ends, a reader that has stopped reading must not hold it.
_deadline: float | None = None


class Descriptor(io.RawIOBase):
    """Writes to a descriptor all that it is given, or to the function of the handler that it belongs to."""

    mode = "wb"

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self.name = name
        self._line = bytearray()
        # Whoever waits for a pipe waits alone: two lines at once would come out as halves.
        self._lock = threading.RLock()
        self.text: io.TextIOWrapper | None = None

    def fileno(self) -> int:
        """The descriptor that this writes to, unless a function takes the lines."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a person may be looking."""
        log_queue = sinks.current()
        return not (log_queue is not None and log_queue.takes_lines) and os.isatty(self._descriptor)

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Write all of it."""
        view = memoryview(data).cast("B")
        with self._lock:
            log_queue = sinks.current()
            if log_queue is not None and log_queue.takes_lines:
                self._take(view)
            else:
                self._write_out()
                self._put(view)
        return len(view)

    def _put(self, view: memoryview) -> None:
        """To the descriptor, cut behind lines where it does not fit into one piece."""
        while view:
            piece = view
            if len(view) > ATOMIC:
                end = bytes(view[:ATOMIC]).rfind(b"\n") + 1
                piece = view[: end or ATOMIC]
            try:
                view = view[os.write(self._descriptor, piece) :]
            except BlockingIOError:
                self._wait()

    def _wait(self) -> None:
        limit = _PATIENCE
        if _deadline is not None:
            limit = min(limit, _deadline - time.monotonic())
            if limit <= 0:
                raise BlockingIOError("the process ends, and nobody reads its output")
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll(limit * 1000)

    def _take(self, view: memoryview) -> None:
        """To a function, which gets complete lines."""
        self._line += view
        *lines, rest = self._line.split(b"\n")
        *begun, self._line = _pieces(rest)
        for line in lines:
            for piece in _pieces(line):
                self._say(piece)
        for piece in begun:
            self._say(piece)

    def _say(self, line: bytes | bytearray) -> None:
        encoding = self.text.encoding if self.text is not None else "utf-8"
        text = line.decode(encoding, "replace")
        log_queue = sinks.current()
        if log_queue is None or not log_queue.takes_lines or not log_queue.line(self._descriptor, text):
            self._put(memoryview(bytes(line) + b"\n"))

    def _write_out(self) -> None:
        """What was meant for a function that is no more."""
        if self._line:
            rest, self._line = bytes(self._line), bytearray()
            self._put(memoryview(rest))

    def finish(self) -> None:
        """No more is to come: a line that has not ended ends here."""
        with self._lock:
            if self._line:
                rest, self._line = self._line, bytearray()
                self._say(rest)


def _pieces(line: bytearray) -> Iterator[bytearray]:
    """A line in pieces that JavaScript can hold, not cut inside of a character of UTF-8."""
    start = 0
    while len(line) - start > LONGEST_LINE:
        end = start + LONGEST_LINE
        while line[end] & 0xC0 == 0x80 and end > start + LONGEST_LINE - 4:
            end -= 1
        yield line[start:end]
        start = end
    yield line[start:]


class Lines(io.BufferedWriter):
    """Hands on what it holds whenever a line is complete, also to those who write bytes."""

    def write(self, data: Buffer, /) -> int:
        """Take all of it."""
        written = super().write(data)
        if b"\n" in bytes(data):
            self.flush()
        return written


def _stream(original: Any, raw: Descriptor) -> io.TextIOWrapper:
    """A stream in place of one of Python's own, like it in all that PYTHONIOENCODING and the locale decide.

    PYTHONUNBUFFERED makes no difference, because ``print(text)`` would write the text and the end of its line apart.
    """
    stream = io.TextIOWrapper(
        Lines(raw), encoding=original.encoding, errors=original.errors, newline="\n", line_buffering=True
    )
    vars(stream)["mode"] = "w"
    raw.text = stream
    return stream


_installed: list[tuple[io.TextIOWrapper, Descriptor]] = []


def install() -> None:
    """Put our streams in the place of Python's. Called once, before anything of the application is imported."""
    # Node has its own closed in children, to which it gives them one by one; Python's children expect to find them.
    for descriptor in range(3):
        with contextlib.suppress(OSError):
            os.set_inheritable(descriptor, True)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        original = getattr(sys, name)
        # None where the descriptor is closed; something else where sitecustomize has had its own idea.
        if original is None or original is not getattr(sys, f"__{name}__"):
            continue
        raw = Descriptor(descriptor, f"<{name}>")
        stream = _stream(original, raw)
        _installed.append((stream, raw))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def flush(limit: float = 0.1) -> None:
    """Write out what is held for the end of its line; wait at most `limit` seconds for whoever reads. Never raises."""
    global _deadline  # noqa: PLW0603
    before, _deadline = _deadline, time.monotonic() + limit
    try:
        for stream in {id(stream): stream for stream in (sys.stdout, sys.stderr)}.values():
            _quietly(getattr(stream, "flush", None))
        finish()
    finally:
        _deadline = before


def finish() -> None:
    """A line that has not ended, and was meant for a function, ends here. Never raises."""
    for stream, raw in _installed:
        _quietly(stream.flush)
        _quietly(raw.finish)


def _quietly(action: Any) -> None:
    try:
        if action is not None:
            action()
    except Exception:
        pass
