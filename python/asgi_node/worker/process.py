"""The life of a worker. Its event loop runs on Python's main thread, as under other servers."""

from __future__ import annotations

import faulthandler
import os
import resource
import sys
from typing import NoReturn

from asgi_node._native import Worker
from asgi_node.errors import AppLoadError
from asgi_node.runtime import exit as ending
from asgi_node.runtime import logs, loop, sinks, stdio

# The exit code of a worker whose event loop could not go on: EX_SOFTWARE.
_BROKEN = 70


def main() -> NoReturn:
    """Serve Node's requests until Node closes the worker, or has gone."""
    worker = Worker()
    _let_go_of_stdin()
    sys.argv = worker.argv
    if worker.address_space is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (worker.address_space, hard))
    if not faulthandler.is_enabled():
        # For a crash in native code: Node shows the last lines on stderr of a worker that has died.
        faulthandler.enable(2)
    sinks.worker = os.getpid()
    stdio.install()
    logs.install()
    code = _serve(worker)
    ending.run(worker.exit_timeout)
    worker.finish()
    # The interpreter is not finalised, because Rust threads may wait for it.
    os._exit(code)


def _let_go_of_stdin() -> None:
    """Replace standard input by an empty one. The socket has another descriptor now."""
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    if empty != 0:
        os.close(empty)


def _serve(worker: Worker) -> int:
    try:
        # Outside Node there is no second libuv that uvloop could bind to.
        kind, _ = loop.choose(worker.loop, True)
    except AppLoadError as failed:
        worker.refuse(failed.code, failed.message, failed.traceback or "")
        return 1
    reason = loop.run(worker.drain, kind, worker.start)
    if reason == loop.FINISHED:
        return 0
    worker.fail(reason)
    return _BROKEN
