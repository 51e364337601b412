"""Children of asyncio programs, in a loop that runs on a thread of its own, as inside Node."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from asgi_node.runtime import subprocesses

PIPE = asyncio.subprocess.PIPE
RunInLoop = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]


def sigchld_is_caught() -> bool:
    """Whether this process has a handler for SIGCHLD, as the kernel sees it (libuv's does not show in `signal`)."""
    status = Path("/proc/self/status").read_text()
    mask = next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1]
    return bool(int(mask, 16) >> (signal.SIGCHLD - 1) & 1)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def join_watchers() -> None:
    """Wait for the threads that wait for children."""
    for thread in threading.enumerate():
        if thread.name.startswith(("asgi-node-waitpid", "asyncio-waitpid", "waitpid")):
            thread.join(10)


def run_in_thread(loop: asyncio.AbstractEventLoop, main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run `main()` in `loop` on a new thread, as the loop thread of the addon does, and close the loop."""
    outcome: list[Any] = []  # of one: a result or an exception

    def target() -> None:
        asyncio.set_event_loop(loop)
        try:
            outcome.append(loop.run_until_complete(asyncio.wait_for(main(), 60)))
        except BaseException as error:
            outcome.append(error)
        finally:
            # asyncio's own watcher is a thread for each child, whose news the loop has to hear before it is closed.
            join_watchers()
            loop.run_until_complete(asyncio.sleep(0.02))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


@pytest.fixture(params=["uvloop-pidfd", "uvloop-thread", "asyncio"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RunInLoop:
    """Run a coroutine function in each kind of loop, and check that nothing of it is left behind."""
    if request.param == "asyncio":
        make: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop
    else:
        pytest.importorskip("uvloop")
        make = subprocesses.uvloop_class()
        run_in_thread(make(), lambda: asyncio.sleep(0))  # libuv keeps a pipe for signals from its first loop on
    if request.param == "uvloop-thread":

        def refuse(pid: int, flags: int = 0) -> int:
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(os, "pidfd_open", refuse)

    def runner(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        gc.collect()  # what other tests have left would be closed in between
        caught, open_before, threads = sigchld_is_caught(), descriptors(), threading.active_count()
        result = run_in_thread(make(), main)
        assert sigchld_is_caught() == caught
        assert descriptors() == open_before
        join_watchers()
        assert threading.active_count() == threads
        with pytest.raises(ChildProcessError):  # no child is left, neither running nor a zombie
            os.waitpid(-1, os.WNOHANG)
        return result

    runner.__name__ = str(request.param)
    return runner


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the signal mask from /proc")
def test_the_check_sees_what_uvloop_does_by_itself() -> None:
    """The reason for all this: uvloop's own way takes SIGCHLD for itself (in a process of its own: it stays so)."""
    pytest.importorskip("uvloop")
    code = """
import asyncio, os, sys, threading, uvloop
sys.path.insert(0, sys.argv[1])
from test_subprocesses import run_in_thread, sigchld_is_caught
async def main():
    await asyncio.create_subprocess_exec("sleep", "1")
    print(sigchld_is_caught(), flush=True)
    os._exit(0)
print(sigchld_is_caught(), flush=True)
run_in_thread(uvloop.Loop(), main)
"""
    here = str(Path(__file__).parent)
    path = os.pathsep.join(entry for entry in sys.path if entry)
    shown = subprocess.check_output(
        [sys.executable, "-c", code, here], text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert shown.split() == ["False", "True"]


def test_two_hundred_children_at_once(run: RunInLoop) -> None:
    async def child(number: int) -> tuple[int, bytes, bytes]:
        script = f"cat; echo out-{number}; echo err-{number} >&2; exit {number % 256}"
        process = await asyncio.create_subprocess_exec("sh", "-c", script, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        out, err = await process.communicate(b"in-%d\n" % number)
        assert process.returncode is not None
        return process.returncode, out, err

    async def main() -> list[tuple[int, bytes, bytes]]:
        return await asyncio.gather(*(child(number) for number in range(200)))

    for number, outcome in enumerate(run(main)):
        assert outcome == (number % 256, b"in-%d\nout-%d\n" % (number, number), b"err-%d\n" % number)


def test_large_output_is_complete_and_exit_comes_after_it(run: RunInLoop) -> None:
    size = 8 * 1024 * 1024

    async def main() -> tuple[str, int | None]:
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, limit=4096)
        out, err = await process.communicate(bytes(range(256)) * (size // 256))
        assert not err
        return hashlib.sha256(out).hexdigest(), process.returncode

    assert run(main) == (hashlib.sha256(bytes(range(256)) * (size // 256)).hexdigest(), 0)


def test_line_by_line_with_a_limit(run: RunInLoop) -> None:
    async def main() -> list[bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print('a'); print('b' * 5000)", stdout=PIPE, limit=1024
        )
        assert process.stdout is not None
        lines = [await process.stdout.readline()]
        with pytest.raises(ValueError, match="chunk"):
            await process.stdout.readline()
        await process.communicate()
        return lines

    assert run(main) == [b"a\n"]


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_death_by_signal(run: RunInLoop, name: str) -> None:
    number = signal.Signals[name]

    async def main() -> int:
        process = await asyncio.create_subprocess_exec("sleep", "60")
        if name == "SIGKILL":
            process.kill()
        else:
            process.send_signal(number)
        code = await process.wait()
        assert code == process.returncode == await process.wait()
        if process.returncode is not None:
            with pytest.raises(ProcessLookupError):
                process.kill()
        return code

    assert run(main) == -number


def test_shell_and_the_options_of_popen(run: RunInLoop, tmp_path: Path) -> None:
    async def main() -> tuple[bytes, bytes]:
        shell = await asyncio.create_subprocess_shell(
            "pwd; echo $COLOUR | tr a-z A-Z; echo oops >&2",
            stdout=PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
            env={**os.environ, "COLOUR": "red"},
            preexec_fn=lambda: os.umask(0o077),
        )
        out, _ = await shell.communicate()
        leader = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import os; print(os.getsid(0) == os.getpid())",
            stdout=PIPE,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        return out, (await leader.communicate())[0]

    assert run(main) == (f"{tmp_path}\nRED\noops\n".encode(), b"True\n")


def test_a_child_that_closes_its_input(run: RunInLoop) -> None:
    async def main() -> int | None:
        process = await asyncio.create_subprocess_exec("sh", "-c", "exec <&-; exit 3", stdin=PIPE)
        await process.communicate(b"x" * 1_000_000)
        return process.returncode

    assert run(main) == 3


def test_a_program_that_does_not_exist(run: RunInLoop) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            await asyncio.create_subprocess_exec("/no-such-program", stdin=PIPE, stdout=PIPE)
        process = await asyncio.create_subprocess_shell("/no-such-program", stderr=PIPE)
        await process.communicate()
        assert process.returncode == 127

    run(main)


@pytest.mark.parametrize(
    "options",
    [{"text": True}, {"universal_newlines": True}, {"encoding": "utf-8"}, {"errors": "strict"}, {"bufsize": 1}],
)
def test_text_mode_is_refused(run: RunInLoop, options: dict[str, Any]) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
            await asyncio.create_subprocess_exec("true", **options)
        with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
            await asyncio.create_subprocess_shell("true", **options)

    run(main)


def test_cancelled_wait_loses_nothing(run: RunInLoop) -> None:
    async def main() -> int:
        process = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.3; exit 7")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), 0.05)
        return await process.wait()

    assert run(main) == 7


def test_a_spawn_that_is_cancelled_leaves_no_child(run: RunInLoop) -> None:
    async def main() -> None:
        for turns in range(6):
            task = asyncio.ensure_future(asyncio.create_subprocess_exec("sleep", "60", stdout=PIPE))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            try:
                process = await task
            except asyncio.CancelledError:
                continue
            process.kill()
            await process.communicate()

    run(main)


def test_a_child_that_somebody_else_reaps(run: RunInLoop) -> None:
    """What is unknown is not made up, and nobody waits for ever: 255 and a warning, as asyncio has it."""

    async def main() -> int:
        process = await asyncio.create_subprocess_exec("true")
        try:
            os.waitpid(process.pid, 0)
        except ChildProcessError:
            return 255  # asyncio's own thread was faster, or the child was reaped before it
        return await process.wait()

    assert run(main) == 255


def test_exit_while_the_loop_is_busy_with_signals_sent(run: RunInLoop) -> None:
    """`send_signal` polls, and may reap the child before the watcher does: the code must not be lost."""

    async def main() -> int:
        process = await asyncio.create_subprocess_exec("sh", "-c", "exit 9")
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            process.terminate()
        return await process.wait()

    if "uvloop" in run.__name__:
        assert run(main) == 9
