"""Runs WSGI applications (PEP 3333) as ASGI 3 applications, on the threads of a2wsgi.

a2wsgi has the pool, the environ and the way back to the loop. This module adds what a2wsgi lacks. It stops when the
client has gone or the handler closes; a2wsgi's thread would wait for ever for room in a queue that is never read.
It reads bodies as files are read, and takes the path from its bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from asgi_node.errors import AppLoadError

from .wsgi_call import WSGICall

if TYPE_CHECKING:
    from collections.abc import Awaitable, MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Any]]
    Send = Callable[[Any], Awaitable[None]]

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

THREADS = 10
"""How many requests a WSGI application works on at once by default (`wsgiThreads`); others wait."""

# The key of the call in the scope that a2wsgi passes on.
_CALL = "asgi_node.loading.wsgi_call"


class WSGI:
    """A WSGI application that can be called as an ASGI 3 one.

    Its environ holds ``asgi.scope``. A WebSocket is closed before it is accepted: the client gets 403.
    """

    def __init__(self, app: WSGIApp, threads: int = THREADS) -> None:
        self._app = app
        self._middleware = _middleware()(self._run, workers=threads)

    def close(self) -> None:
        """Let its threads end: at once if they are idle, else when their calls return."""
        self._middleware.executor.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket", "lifespan"):
            raise RuntimeError(f"a WSGI application cannot serve {scope['type']!r}")
        if scope["type"] != "http":
            await self._middleware(scope, receive, send)
            return
        call = WSGICall(asyncio.get_running_loop(), scope, receive, send)
        # The query and the path are set in _run, from their bytes: a2wsgi treats them as text.
        passed = {**scope, "query_string": b"", "headers": _headers(scope["headers"]), _CALL: call}
        running = asyncio.ensure_future(self._middleware(passed, call.receive, call.send))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            # A thread cannot be cancelled. Its next chunk or read raises; until then it counts as busy.
            call.give_up()
            while not running.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([running])
            if not running.cancelled():
                running.exception()
            raise
        if call.failure is not None:
            raise call.failure

    def _run(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        """The application that a2wsgi gets; it is called on one of a2wsgi's threads."""
        call: WSGICall = environ["asgi.scope"][_CALL]
        environ.update(_environ(call.scope))
        environ["wsgi.input"] = call.body()
        return call.chunks(self._app, environ, start_response)


def _environ(scope: Scope) -> dict[str, Any]:
    """Values that a2wsgi's environ lacks, or has in a form that PEP 3333 and applications do not expect."""
    root = scope.get("root_path", "").encode().decode("latin-1")
    raw = scope.get("raw_path")
    path = (unquote_to_bytes(raw) if raw else scope["path"].encode()).decode("latin-1")
    mounted = root != "" and (path == root or path.startswith(f"{root}/"))
    return {
        "SCRIPT_NAME": root if mounted else "",
        "PATH_INFO": path[len(root) :] if mounted else path,
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "asgi.scope": scope,
        "wsgi.errors": sys.stderr,
        # The input ends where the body ends, also if its length was not announced.
        "wsgi.input_terminated": True,
    }


def _headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers, without those that could be mistaken for others, and with one cookie header (RFC 6265, 5.4)."""
    # HTTP_X_USER is X-User, which a proxy may have set; a client must not be able to set it by X_User.
    kept = [(name, value) for name, value in headers if b"_" not in name]
    cookies = [value for name, value in kept if name == b"cookie"]
    if len(cookies) > 1:
        kept = [(name, value) for name, value in kept if name != b"cookie"]
        kept.append((b"cookie", b"; ".join(cookies)))
    return kept


def _middleware() -> Any:
    install = f"`{sys.executable} -m pip install a2wsgi`"
    if importlib.util.find_spec("a2wsgi") is None:
        raise AppLoadError(
            "WSGI_NOT_AVAILABLE",
            f"this is a WSGI application, which is served by a2wsgi, and a2wsgi is not installed in {sys.prefix}: "
            f"{install} (it is in the extra asgi-node[wsgi])",
        )
    try:
        from a2wsgi import WSGIMiddleware
    except Exception as broken:
        raise AppLoadError(
            "WSGI_NOT_AVAILABLE",
            f"a2wsgi, which serves WSGI applications, cannot be imported ({type(broken).__name__}: {broken}): install "
            f"it again, {install}",
            traceback.format_exc(),
        ) from broken
    return WSGIMiddleware
