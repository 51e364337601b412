"""``sys.stdout`` and ``sys.stderr`` inside Node: whole lines, in order, nothing lost.

Node makes the descriptors of its output non-blocking if they are pipes or sockets. When one of those is full, Python's
own streams raise ``BlockingIOError``; ours wait. They are still `io.TextIOWrapper`, with everything that libraries look
for: ``buffer``, ``fileno()``, ``isatty()``, ``encoding``, ``reconfigure()``.

A line is written when it is complete. For pipes, Python itself would wait until it has 8 KiB.
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

# The most bytes that a pipe takes as a whole (POSIX, PIPE_BUF): JavaScript's writes to the same pipe never come between
# the lines of one piece of this size.
ATOMIC = select.PIPE_BUF

# A longer line is handed to JavaScript in pieces.
LONGEST_LINE = 1 << 20

# Seconds to wait for a full pipe before the deadline below is checked again.
_PATIENCE = 0.05

# The time at which a write gives up: a reader that has stopped reading must not delay the end of the process.
_deadline: float | None = None


class Descriptor(io.RawIOBase):
    """Writes everything to a descriptor, or to the function of the handler that the output belongs to."""

    mode = "wb"

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self.name = name
        self._line = bytearray()
        # Only one writer waits for a pipe at a time: otherwise the lines of two writers could be mixed.
        self._lock = threading.RLock()
        self.text: io.TextIOWrapper | None = None

    def fileno(self) -> int:
        """The descriptor that it writes to if no function takes the lines."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether the output is a terminal."""
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
        """Write to the descriptor; split after a line if the data does not fit into one piece."""
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
        """Write to a function, which gets complete lines."""
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
        """Write out an unfinished line whose function is gone."""
        if self._line:
            rest, self._line = bytes(self._line), bytearray()
            self._put(memoryview(rest))

    def finish(self) -> None:
        """No more output comes: end an unfinished line."""
        with self._lock:
            if self._line:
                rest, self._line = self._line, bytearray()
                self._say(rest)


def _pieces(line: bytearray) -> Iterator[bytearray]:
    """A line in pieces that JavaScript can hold; never split within a UTF-8 character."""
    start = 0
    while len(line) - start > LONGEST_LINE:
        end = start + LONGEST_LINE
        while line[end] & 0xC0 == 0x80 and end > start + LONGEST_LINE - 4:
            end -= 1
        yield line[start:end]
        start = end
    yield line[start:]


class Lines(io.BufferedWriter):
    """A buffer that is flushed whenever a line is complete, also for code that writes bytes."""

    def write(self, data: Buffer, /) -> int:
        """Take all of it."""
        written = super().write(data)
        if b"\n" in bytes(data):
            self.flush()
        return written


def _stream(original: Any, raw: Descriptor) -> io.TextIOWrapper:
    """A stream that replaces one of Python's own, with the same settings from PYTHONIOENCODING and the locale.

    PYTHONUNBUFFERED is ignored: with it ``print(text)`` would write the text and the line end separately.
    """
    stream = io.TextIOWrapper(
        Lines(raw), encoding=original.encoding, errors=original.errors, newline="\n", line_buffering=True
    )
    vars(stream)["mode"] = "w"
    raw.text = stream
    return stream


_installed: list[tuple[io.TextIOWrapper, Descriptor]] = []


def install() -> None:
    """Replace Python's streams with ours. Called once, before anything of the application is imported."""
    # Node marks these descriptors close-on-exec, and passes them to its children explicitly. Python's children expect
    # to inherit them.
    for descriptor in range(3):
        with contextlib.suppress(OSError):
            os.set_inheritable(descriptor, True)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        original = getattr(sys, name)
        # None if the descriptor is closed; another object if sitecustomize has replaced it.
        if original is None or original is not getattr(sys, f"__{name}__"):
            continue
        raw = Descriptor(descriptor, f"<{name}>")
        stream = _stream(original, raw)
        _installed.append((stream, raw))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def flush(limit: float = 0.1) -> None:
    """Write out unfinished lines; wait at most `limit` seconds for a slow reader. Never raises."""
    global _deadline  # noqa: PLW0603
    before, _deadline = _deadline, time.monotonic() + limit
    try:
        for stream in {id(stream): stream for stream in (sys.stdout, sys.stderr)}.values():
            _quietly(getattr(stream, "flush", None))
        finish()
    finally:
        _deadline = before


def finish() -> None:
    """End an unfinished line that was meant for a function. Never raises."""
    for stream, raw in _installed:
        _quietly(stream.flush)
        _quietly(raw.finish)


def _quietly(action: Any) -> None:
    try:
        if action is not None:
            action()
    except Exception:
        pass
