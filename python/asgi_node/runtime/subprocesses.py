"""Children of asyncio programs, without touching SIGCHLD.

libuv learns from SIGCHLD that a child has ended. Inside Node there is Node's libuv, and uvloop brings a second copy.
Each installs its own process-wide handler while it has children (and restores the default one afterwards). The later
one wins, and the other never hears of its children again. Chaining the two would depend on their order and on every
later ``sigaction``. So Python does not use the signal. The event loop class made here starts children with
``subprocess.Popen``, as asyncio does. It watches each through a pidfd, which becomes readable when that child has
ended. If there is no pidfd (macOS, old kernels, some sandboxes), a thread waits for the child. asyncio's own loop
needs no change: off the main thread it uses a pidfd or a thread, never the signal.

Only our own children are ever reaped (``waitpid`` with their pid), so Node's are left to Node.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import threading
from asyncio.base_subprocess import BaseSubprocessTransport
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uvloop import Loop as UvloopLoop

logger = logging.getLogger("asyncio")

ProtocolFactory = Callable[[], asyncio.SubprocessProtocol]

# The options that asyncio (and uvloop) refuse: the streams give bytes, so text mode is up to the caller.
_REFUSED: dict[str, Any] = {"universal_newlines": False, "bufsize": 0, "encoding": None, "errors": None, "text": None}

_UNKNOWN_EXIT = 255
"""The exit code that asyncio reports if other code has reaped the child."""


class _ChildInput(asyncio.WriteTransport):
    """The pipe to a child's stdin: data that is written after the child has gone is dropped.

    asyncio's own pipes do the same, so `communicate()` returns and the exit code is known. uvloop's raise RuntimeError.
    """

    def __init__(self, pipe: asyncio.WriteTransport) -> None:
        super().__init__()
        self._pipe = pipe

    def write(self, data: Any) -> None:
        if not self._pipe.is_closing():
            self._pipe.write(data)

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        if not self._pipe.is_closing():
            self._pipe.write_eof()

    def can_write_eof(self) -> bool:
        return self._pipe.can_write_eof()

    def abort(self) -> None:
        self._pipe.abort()

    def close(self) -> None:
        self._pipe.close()

    def is_closing(self) -> bool:
        return self._pipe.is_closing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._pipe.set_write_buffer_limits(high, low)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._pipe.get_write_buffer_limits()

    def get_write_buffer_size(self) -> int:
        return self._pipe.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._pipe.get_extra_info(name, default)


class _ChildTransport(BaseSubprocessTransport):
    """asyncio's transport for a child, over any event loop."""

    _loop: asyncio.AbstractEventLoop
    _proc: subprocess.Popen[bytes]

    def get_pipe_transport(self, fd: int) -> Any:
        pipe: Any = super().get_pipe_transport(fd)
        return _ChildInput(pipe) if fd == 0 and pipe is not None else pipe

    def _start(
        self,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        **kwargs: Any,
    ) -> None:
        self._proc = subprocess.Popen(
            args, shell=shell, stdin=stdin, stdout=stdout, stderr=stderr, bufsize=bufsize, **kwargs
        )
        _watch(self._loop, self._proc, self._process_exited)


def _watch(loop: asyncio.AbstractEventLoop, child: subprocess.Popen[bytes], exited: Callable[[int], None]) -> None:
    """Call `exited` with the exit code on the loop's thread, once, when `child` has ended.

    The child is reaped on the loop's thread even if another thread does the waiting. Until then its pid cannot be
    reused, so a ``kill()`` on the loop's thread never hits another process.
    """
    try:
        pidfd = os.pidfd_open(child.pid)
    except (AttributeError, OSError):
        threading.Thread(
            target=_wait_in_thread, args=(loop, child, exited), name=f"asgi-node-waitpid-{child.pid}", daemon=True
        ).start()
        return

    def readable() -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        exited(_reap(child))

    loop.add_reader(pidfd, readable)


def _wait_in_thread(
    loop: asyncio.AbstractEventLoop, child: subprocess.Popen[bytes], exited: Callable[[int], None]
) -> None:
    with contextlib.suppress(ChildProcessError):  # already reaped, for example by Popen.poll()
        # WNOWAIT leaves the child a zombie, for the loop's thread to reap.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        loop.call_soon_threadsafe(lambda: exited(_reap(child)))
    except RuntimeError:
        # The loop was closed before its child ended: the code is not wanted, but no zombie must stay.
        _reap(child)


def _reap(child: subprocess.Popen[bytes]) -> int:
    """The exit code of a child that has ended; negative for a signal."""
    # send_signal() and close() poll, and the first poll reaps the child: then Popen has the code.
    if child.returncode is None:
        try:
            _, status = os.waitpid(child.pid, 0)
        except ChildProcessError:
            logger.warning("child process pid %d: somebody else has read its exit status", child.pid)
            child.returncode = _UNKNOWN_EXIT
        else:
            child.returncode = os.waitstatus_to_exitcode(status)
    code: int = child.returncode
    return code


async def _spawn(
    loop: asyncio.AbstractEventLoop,
    protocol_factory: ProtocolFactory,
    args: str | bytes | tuple[Any, ...],
    shell: bool,
    kwargs: dict[str, Any],
) -> tuple[asyncio.SubprocessTransport, asyncio.SubprocessProtocol]:
    for name, allowed in _REFUSED.items():
        value = kwargs.pop(name, allowed)
        if value != allowed and not (name == "text" and value is False):
            raise ValueError(f"{name} must be {allowed!r}")
    stdin, stdout, stderr = (kwargs.pop(name, subprocess.PIPE) for name in ("stdin", "stdout", "stderr"))
    protocol = protocol_factory()
    connected: asyncio.Future[None] = loop.create_future()
    transport = _ChildTransport(loop, protocol, args, shell, stdin, stdout, stderr, 0, connected, **kwargs)
    try:
        await connected
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException:
        # Cancelled, or a pipe could not be connected: leave neither a running child nor a zombie.
        transport.close()
        await transport._wait()
        raise
    return transport, protocol


def uvloop_class() -> type[UvloopLoop]:
    """uvloop's event loop class, with children that are watched without SIGCHLD.

    Raises ImportError if uvloop is not installed. Each call makes a new class.
    """
    import uvloop

    class Loop(uvloop.Loop):
        """uvloop, with asyncio's own way of starting children; see `asgi_node.runtime.subprocesses`."""

        async def subprocess_exec(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
            if kwargs.pop("shell", False):
                raise ValueError("shell must be False")
            return await _spawn(self, protocol_factory, args, False, kwargs)

        async def subprocess_shell(self, protocol_factory: Any, cmd: Any, **kwargs: Any) -> Any:
            if not isinstance(cmd, bytes | str):
                raise ValueError("cmd must be a string")
            if not kwargs.pop("shell", True):
                raise ValueError("shell must be True")
            return await _spawn(self, protocol_factory, cmd, True, kwargs)

    return Loop
