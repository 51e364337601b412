"""One call of a WSGI application: connects the thread that it runs on with the event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import io
from typing import TYPE_CHECKING, Any

from asgi_node._native import ClientDisconnected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping

# How much is read ahead of the application.
_BUFFER = 65536


class WSGICall:
    """The events of one request, for an application that blocks. Ends when the response is no longer wanted."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        self.scope = scope
        self.failure: BaseException | None = None
        """Why the response cannot go on: the exception of `send`, or the client's disconnect."""
        self._loop = loop
        self._receive = receive
        self._send = send
        self._receiving: asyncio.Task[Any] | None = None

    # --- on the loop ---

    async def send(self, event: Any) -> None:
        """Pass an event on. Never raises: a2wsgi's queue must be emptied, or its thread would wait for room."""
        if self.failure is None:
            try:
                await self._send(event)
            except Exception as raised:
                self.failure = raised

    async def receive(self) -> Any:
        """The next event, for the thread that waits for it."""
        if self.failure is None:
            self._receiving = asyncio.current_task()
            try:
                return await self._receive()
            except asyncio.CancelledError:
                if self.failure is None:
                    raise
            finally:
                self._receiving = None
        raise self.failure

    def give_up(self) -> None:
        """The response is no longer wanted: end the call."""
        if self.failure is None:
            self.failure = ClientDisconnected("the request was given up")
        if self._receiving is not None:
            self._receiving.cancel()

    # --- on the thread ---

    def check(self) -> None:
        """Raise the exception that ended the response, if there is one."""
        if self.failure is not None:
            raise self.failure

    def body(self) -> io.BufferedReader:
        """The request body, as ``wsgi.input``."""
        return io.BufferedReader(_Body(self), _BUFFER)

    def event(self) -> Any:
        """Wait for the next event of `receive`."""
        self.check()
        try:
            return asyncio.run_coroutine_threadsafe(self.receive(), self._loop).result()
        except concurrent.futures.CancelledError:
            raise ClientDisconnected("the request was given up") from None

    def chunks(
        self, app: Callable[..., Any], environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterator[bytes]:
        """Run `app` and yield the chunks of its response; `start_response` is called just before the first of them."""
        response = _Response(self, start_response)
        iterable = app(environ, response.start)
        try:
            for chunk in iterable:
                # An empty chunk says that the application is not ready yet.
                if _checked(chunk):
                    response.begin()
                    yield chunk
            response.begin()
        finally:
            close = getattr(iterable, "close", None)
            if close is not None:
                close()


class _Response:
    """The response of a WSGI application up to its first byte."""

    def __init__(self, call: WSGICall, start_response: Callable[..., Any]) -> None:
        self._call = call
        self._start_response = start_response
        self._head: tuple[str, list[tuple[str, str]]] | None = None
        self._write: Callable[[bytes], None] | None = None

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        """PEP 3333's ``start_response``: with `exc_info` it replaces an unsent head, or raises if it was sent."""
        if exc_info and self._write is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._head is not None and not exc_info:
            raise RuntimeError("start_response was called twice, the second time without exc_info (PEP 3333)")
        # a2wsgi wants the space before a reason phrase, which may be empty.
        self._head = (status if " " in status else f"{status} ", list(headers))
        return self.write

    def begin(self) -> Callable[[bytes], None]:
        """Send the head, unless it is sent; raise the exception that has ended the response."""
        self._call.check()
        if self._write is None:
            if self._head is None:
                raise RuntimeError("the WSGI application gave a response without calling start_response (PEP 3333)")
            self._write = self._start_response(*self._head)
        return self._write

    def write(self, chunk: bytes) -> None:
        """PEP 3333's ``write``, for applications that are older than PEP 3333."""
        if _checked(chunk):
            self.begin()(chunk)


def _checked(chunk: bytes) -> bytes:
    """`chunk`, checked before the head is sent, so that a mistake is still answered with 500."""
    if not isinstance(chunk, bytes):
        raise TypeError(f"a chunk of a WSGI application's response is {type(chunk).__name__}, not bytes (PEP 3333)")
    return chunk


class _Body(io.RawIOBase):
    """A request body as a blocking file."""

    def __init__(self, call: WSGICall) -> None:
        super().__init__()
        self._call = call
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some bytes, 0 at the end. Raises `ClientDisconnected` if the client leaves before its body's end."""
        while not self._rest and not self._ended:
            event = self._call.event()
            if event["type"] == "http.disconnect":
                raise ClientDisconnected("the client has disconnected before the end of its request body")
            self._ended = not event.get("more_body", False)
            self._rest = memoryview(event.get("body", b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
