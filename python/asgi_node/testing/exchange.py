"""One request of an httpx client's and its response: what the two transports have in common."""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any

from asgi_node.host import AppCall, head

from ._httpx import httpx, module_of
from .reports import NoResponse, judge, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asgi_node._native import HostEvent
    from asgi_node.host import AppHost

CHUNK = 65_536
"""Bytes that are read of a file at once."""

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Upgrade(Exception):  # noqa: N818 (it carries a session, nothing went wrong)
    """Carries a request for a WebSocket out of httpx, which knows only responses."""

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
    """Whether it asks for a WebSocket."""
    return request.url.scheme in ("ws", "wss")


def limit_of(request: httpx.Request) -> float | None:
    """How many seconds each wait may take: the client's read timeout."""
    timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
    return timeouts.get("read")


class Exchange:
    """A request that was submitted."""

    def __init__(self, host: AppHost, call: AppCall, request: httpx.Request, raises: bool) -> None:
        self.host = host
        self.call = call
        self.request = request
        self.module = module_of(request)
        self.limit = limit_of(request)
        self.raises = raises
        self.done = False
        # Whether body may be pushed: not before `100 Continue`, and not while the window is full.
        self.may_push = "expect" not in request.headers
        self.uploading = False
        self._events: deque[HostEvent] = deque()
        self._hints: list[tuple[bytes, bytes]] = []
        self._response: httpx.Response | None = None

    def next_event(self) -> HostEvent | None:
        """The next of the events that were taken, but for those that only steer."""
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

    def add(self, events: list[HostEvent]) -> None:
        """What was taken."""
        if not events and self.call.native.ended:
            raise NoResponse(f"{self.call.name}: the application has returned, and no response is to come")
        self._events.extend(events)

    def waiting_for(self) -> str:
        """What the application has not done yet, for the message of a timeout."""
        return "taken more of the request's body" if self.uploading else "answered"

    def response(self, event: HostEvent, stream: Any) -> httpx.Response:
        """The response that begins with this event."""
        extensions: dict[str, Any] = {"http_version": b"HTTP/1.1"}
        if self._hints:
            extensions["early_hints"] = self._hints
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
        """What there is in place of a response, now that the application has ended: an exception, or 500."""
        judge(self.call, self.raises)
        if self.raises:
            raise NoResponse(f"{self.call.name}: {event.text}")
        if event.status:
            text = f"{self.call.name}: the connection is cut, because the application failed within its response"
            raise self.module.RemoteProtocolError(f"{text}: {event.text}", request=self.request)
        # As Node answers: what went wrong is the log's.
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        response: httpx.Response = self.module.Response(
            500, headers=headers, content=b"Internal Server Error", request=self.request
        )
        return response

    def cut(self, reason: EOFError) -> httpx.RemoteProtocolError:
        """What a client sees of a response that cannot be completed."""
        text = f"{self.call.name}: the connection is cut: {reason}"
        cut: httpx.RemoteProtocolError = self.module.RemoteProtocolError(text, request=self.request)
        return cut

    def settle(self) -> None:
        """The application has ended, and is judged."""
        judge(self.call, self.raises)
        tell(self.host)

    def _tell_debug(self, response: Any) -> None:
        """Starlette's TemplateResponse tells which template it rendered, and with what."""
        debug = self.call.debug
        if debug is not None:
            response.extensions["http.response.debug"] = debug
            for name in ("template", "context"):
                if name in debug:
                    setattr(response, name, debug[name])


def file_chunks(event: HostEvent) -> Iterator[bytes]:
    """The bytes of a file that the application sent by its path or descriptor. Raises EOFError where it has shrunk."""
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
