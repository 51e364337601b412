"""One request of an httpx client and its response."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING, Any

from asgi_node.host import AppCall, AppTimeout, head

from ._httpx import httpx, module_of
from .reports import NoResponse, judge, report_warnings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from asgi_node._native import HostEvent
    from asgi_node.host import AppHost, Listener

    StreamOf = Callable[["Exchange", HostEvent], Any]

CHUNK = 65_536
"""How many bytes of a file are read at once."""

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Upgrade(Exception):  # noqa: N818 (it carries a session, it is not an error)
    """Carries a WebSocket request out of httpx, which knows only responses."""

    def __init__(self, request: httpx.Request) -> None:
        self.request = request


def head_of(request: httpx.Request, client: tuple[str, int]) -> bytes:
    """The flat head of an httpx request."""
    url = request.url
    port = url.port if url.port is not None else _PORTS.get(url.scheme)
    if port is None:
        raise module_of(request).UnsupportedProtocol(
            f"an application is asked by http, https, ws or wss, not by {url.scheme!r}", request=request
        )
    try:
        return head(
            request.method,
            url.raw_path,
            request.headers.raw,
            scheme="https" if url.scheme in ("https", "wss") else "http",
            client=client,
            server=(url.host, port),
        )
    except ValueError as reason:
        raise module_of(request).LocalProtocolError(str(reason), request=request) from None


def is_upgrade(request: httpx.Request) -> bool:
    """Whether the request asks for a WebSocket."""
    return request.url.scheme in ("ws", "wss")


def limit_of(request: httpx.Request) -> float | None:
    """How many seconds each wait may take: the client's read timeout."""
    timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
    return timeouts.get("read")


class Exchange:
    """A request that was submitted, on the event loop of its listener."""

    def __init__(
        self,
        host: AppHost,
        call: AppCall,
        request: httpx.Request,
        raises: bool,
        listener: Listener,
        registry: set[Exchange],
        source: AsyncIterator[bytes] | None,
    ) -> None:
        self.host = host
        self.call = call
        self.request = request
        self.module = module_of(request)
        self.limit = limit_of(request)
        self.raises = raises
        self.done = False
        # Whether the body may be pushed: not before `100 Continue`, and not while the window is full.
        self.may_push = "expect" not in request.headers
        self._room = asyncio.Event()
        self.uploading = source is not None
        self._upload = asyncio.ensure_future(self._push(source)) if source is not None else None
        self._listener = listener
        self._registry = registry
        registry.add(self)
        self._events: deque[HostEvent] = deque()
        self._hints: list[tuple[bytes, bytes]] = []
        self._response: httpx.Response | None = None

    def next_event(self) -> HostEvent | None:
        """The next of the events that were taken, except those that only control the body."""
        while self._events:
            event = self._events.popleft()
            if event.kind in ("resume", "continue"):
                self.resumed()
            elif event.kind == "early_hint":
                self._hints += event.headers
            else:
                self.uploading &= not event.last
                return event
        return None

    def resumed(self) -> None:
        """The application wants more body."""
        self.may_push = True
        self._room.set()

    def add(self, events: list[HostEvent]) -> None:
        """What was taken."""
        if not events and self.call.native.ended:
            raise NoResponse(f"{self.call.name}: the application has returned, and no response is to come")
        self._events.extend(events)

    def waiting_for(self) -> str:
        """What the application has not done yet: a text for the message of a timeout."""
        return "taken more of the request's body" if self.uploading else "answered"

    def response(self, event: HostEvent, stream: Any) -> httpx.Response:
        """The response that begins with this event."""
        extensions: dict[str, Any] = {"http_version": b"HTTP/1.1"}
        if self._hints:
            extensions["early_hints"] = self._hints
        if self.call.announces_trailers:
            # Those that have come so far: whoever streams the response may look before its end.
            extensions["http.response.trailers"] = self.call.trailers
        response: httpx.Response = self.module.Response(
            event.status, headers=event.headers, stream=stream, extensions=extensions, request=self.request
        )
        self._tell_debug(response)
        self._response = response
        return response

    def end_of(self, event: HostEvent) -> None:
        """Keep the trailers."""
        trailers = self.call.trailers or (event.headers if event.kind == "body" else [])
        if trailers and self._response is not None:
            self._response.extensions["http.response.trailers"] = trailers

    def failed(self, event: HostEvent) -> httpx.Response:
        """The result if the application has ended without a response: an exception, or 500."""
        judge(self.call, self.raises)
        if self.raises:
            raise NoResponse(f"{self.call.name}: {event.text}")
        if event.started:
            text = f"{self.call.name}: the connection is cut, because the application failed within its response"
            raise self.module.RemoteProtocolError(f"{text}: {event.text}", request=self.request)
        # As Node answers; the error is only logged.
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        response: httpx.Response = self.module.Response(
            500, headers=headers, content=b"Internal Server Error", request=self.request
        )
        return response

    def cut(self, reason: EOFError) -> httpx.RemoteProtocolError:
        """The client's exception for a response that cannot be completed."""
        text = f"{self.call.name}: the connection is cut: {reason}"
        cut: httpx.RemoteProtocolError = self.module.RemoteProtocolError(text, request=self.request)
        return cut

    def settle(self) -> None:
        """The application has ended: raise or warn of its mistakes."""
        judge(self.call, self.raises)
        report_warnings(self.host)

    async def begin(self, stream_of: StreamOf) -> httpx.Response:
        """The response, as soon as it has begun; `stream_of` makes the stream of its body."""
        try:
            event = await self.next()
            if event.kind == "failed":
                await self._ended()
                return self.failed(event)
            return self.response(event, stream_of(self, event))
        except BaseException:
            await self.abandon()
            raise

    async def body(self, event: HostEvent) -> AsyncIterator[bytes]:
        """The body, piece by piece; the application may send more as pieces are taken."""
        while True:
            if event.kind == "file":
                try:
                    for chunk in file_chunks(event):
                        yield chunk
                except EOFError as reason:
                    await self.abandon()
                    raise self.cut(reason) from None
            elif event.data:
                yield event.data
            self.call.native.taken(event.weight)
            if event.last:
                break
            try:
                event = await self.next()
            except BaseException:
                await self.abandon()
                raise
            if event.kind == "failed":
                await self._ended()
                self.failed(event)
        self.end_of(event)
        await self._ended()
        self.settle()

    async def next(self) -> HostEvent:
        """The next event."""
        while (event := self.next_event()) is None:
            try:
                self.add(await self._beside_upload())
            except AppTimeout as late:
                raise self.module.ReadTimeout(str(late), request=self.request) from None
        return event

    async def _beside_upload(self) -> list[HostEvent]:
        """The next events; raises the error of sending the body if that comes first."""
        upload = self._upload
        if upload is not None and upload.done():
            upload.result()
            self._upload = upload = None
        waiting = self._listener.next_events(self.call, self.limit, self.waiting_for())
        if upload is None:
            return await waiting
        task = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait({task, upload}, return_when=asyncio.FIRST_COMPLETED)
            if upload.done() and not task.done():
                upload.result()
            return await task
        finally:
            task.cancel()

    async def _push(self, source: AsyncIterator[bytes]) -> None:
        async for chunk in source:
            while not self.may_push:
                self._room.clear()
                await self._room.wait()
            if chunk:
                self.may_push = self.call.native.push(chunk, False)
        self.call.native.push(b"", True)
        self.uploading = False

    async def _stop_upload(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.cancel()
            await asyncio.wait([upload])
            if not upload.cancelled():
                upload.exception()

    def _close(self) -> None:
        self.done = True
        self._registry.discard(self)

    async def _ended(self) -> None:
        """Wait for the application to return."""
        self._close()
        await self._stop_upload()
        try:
            await self._listener.wait_for_end(self.call, self.limit)
        except AppTimeout as late:
            self.call.leave()
            await self._listener.end(self.host, self.call, 0, report=False)
            raise self.module.ReadTimeout(str(late), request=self.request) from None
        finally:
            self._listener.forget(self.call)

    async def aclose(self) -> None:
        """Leave before the end: the application receives a disconnect and has a moment to end."""
        if not self.done:
            await self.abandon(report=True)
            self.settle()

    async def abandon(self, report: bool = False) -> None:
        """Leave, whatever the application does then. It is not reported, because the test has already failed."""
        if not self.done:
            self._close()
            self.call.leave()
            await self._stop_upload()
            await self._listener.end(self.host, self.call, report=report)
            self._listener.forget(self.call)

    def _tell_debug(self, response: Any) -> None:
        """Starlette's TemplateResponse reports the template that it rendered, and the template's context."""
        debug = self.call.debug
        if debug is not None:
            response.extensions["http.response.debug"] = debug
            for name in ("template", "context"):
                if name in debug:
                    setattr(response, name, debug[name])


def file_chunks(event: HostEvent) -> Iterator[bytes]:
    """The bytes of a file that the application sent by its path or descriptor. Raises EOFError if it has shrunk."""
    if event.range is None:
        return
    descriptor, offset, length = event.range
    try:
        while length > 0:
            chunk = os.pread(descriptor, min(length, CHUNK), offset)
            if not chunk:
                raise EOFError(f"the file that the application sent has become shorter: {length} bytes are missing")
            yield chunk
            offset += len(chunk)
            length -= len(chunk)
    finally:
        os.close(descriptor)
