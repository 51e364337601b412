"""What both kinds of WebSocket session share: the state, and the exceptions for tests."""

from __future__ import annotations

import itertools
import json
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any

from ._httpx import httpx
from .reports import NoResponse, judge, report_warnings

if TYPE_CHECKING:
    from asgi_node._native import HostEvent
    from asgi_node.host import AppCall, AppHost

    class WebSocketDisconnect(Exception):  # noqa: N818 (Starlette's name)
        """The WebSocket is closed: `code` and `reason` are those of the close frame."""

        code: int
        reason: str

        def __init__(self, code: int = 1000, reason: str | None = None) -> None: ...

else:
    try:
        # The same class, so that a test may catch either.
        from starlette.websockets import WebSocketDisconnect
    except ImportError:

        class WebSocketDisconnect(Exception):  # noqa: N818 (Starlette's name)
            """The WebSocket is closed: `code` and `reason` are those of the close frame."""

            def __init__(self, code: int = 1000, reason: str | None = None) -> None:
                self.code = code
                self.reason = reason or ""


def _denial_base() -> Any:
    """Starlette's class of this name if it is installed, so that a test may catch either."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of httpx if httpx2 is not installed
            from starlette.testclient import WebSocketDenialResponse as Base
    except (ImportError, RuntimeError):  # RuntimeError: Starlette finds no httpx that it supports

        class Base(httpx.Response, WebSocketDisconnect):  # type: ignore[misc,no-redef]  # as Starlette's
            pass

    return Base


class WebSocketDenialResponse(_denial_base()):  # type: ignore[misc]  # known at run time
    """Raised if the application refuses a WebSocket with a response (``websocket.http.response``).

    It is an `httpx.Response` and a `WebSocketDisconnect`. If Starlette is installed, it is a subclass of Starlette's
    class of this name.
    """


Message = dict[str, Any]

_numbers = itertools.count()


class Conversation:
    """The state of a WebSocket, without the waiting."""

    accepted_subprotocol: str | None = None
    extra_headers: list[tuple[bytes, bytes]] | None = None

    def __init__(self, host: AppHost, call: AppCall, limit: float | None) -> None:
        self.host = host
        self.call = call
        self.limit = limit
        self.may_send = True
        self.closed: tuple[int, str] | None = None
        self._events: deque[HostEvent] = deque()

    def add(self, events: list[HostEvent]) -> None:
        """The event that was taken; raises if no event will come."""
        if not events and self.call.native.ended:
            judge(self.call, True)
            raise NoResponse(f"{self.call.name}: the application has returned, and nothing is to come")
        for event in events:
            # Now, not when the test receives it: a test that sends first and receives later must not wait for itself.
            self.call.native.taken(event.weight)
            if event.kind == "resume":
                self.may_send = True
            else:
                self._events.append(event)

    def next_message(self) -> Message | None:
        """The next event as the message that the application sent. Raises the application's exception."""
        if not self._events:
            if self.closed is not None:
                raise WebSocketDisconnect(*self.closed)
            return None
        event = self._events.popleft()
        match event.kind:
            case "accept":
                headers = (self.call.recorder and self.call.recorder.accepted_with) or event.headers
                return {"type": "websocket.accept", "subprotocol": event.text or None, "headers": headers}
            case "text":
                return {"type": "websocket.send", "text": event.text}
            case "bytes":
                return {"type": "websocket.send", "bytes": event.data}
            case "close":
                self.closed = (event.status, event.text)
                return {"type": "websocket.close", "code": event.status, "reason": event.text}
            case "failed":
                judge(self.call, True)
                raise NoResponse(f"{self.call.name}: {event.text}")
            case "start":
                return self._denied(event)
            case _:
                return {"type": "websocket.http.response.body", "body": event.data, "more_body": not event.last}

    def _denied(self, event: HostEvent) -> Message:
        refused = self.call.recorder.denied if self.call.recorder else None
        if refused is not None and event.status == 403:
            self.closed = refused
            return {"type": "websocket.close", "code": refused[0], "reason": refused[1]}
        if not event.last or event.data:
            self._events.appendleft(_Rest(event))  # type: ignore[arg-type]  # it has the attributes that are read
        kind = {"type": "websocket.http.response.start"}
        return {**kind, "status": event.status, "headers": event.headers, "more": not event.last or bool(event.data)}

    def send(self, message: Message) -> None:
        """Give the application this message."""
        match message:
            case {"type": "websocket.receive", "text": str(text)}:
                self.may_send = self.call.native.message(text)
            case {"type": "websocket.receive", "bytes": bytes(data)}:
                self.may_send = self.call.native.message(data)
            case {"type": "websocket.disconnect"}:
                self.close(message.get("code", 1000), message.get("reason"))
            case {"type": "websocket.connect"}:
                self._substitute(message)
            case _:
                raise TypeError(
                    f"a client sends websocket.receive with text (str) or bytes, or websocket.disconnect: {message!r}"
                )

    def _substitute(self, message: Message) -> None:
        """Give the application an event that no client can send, in place of a message."""
        if self.call.recorder is not None:
            text = f"asgi-node: in place of {message['type']} {next(_numbers)}"
            self.call.recorder.substitutes[text] = dict(message)
            self.may_send = self.call.native.message(text)

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the WebSocket from the client's side."""
        if self.closed is None:
            self.closed = (code, reason or "")
            self.call.left = True
            self.call.native.close(code, reason or "")

    def settle(self) -> None:
        """The application has ended: raise or warn of its mistakes."""
        judge(self.call, True)
        report_warnings(self.host)


class _Rest:
    """The part of a denial's body that came with its start."""

    kind = "body"

    def __init__(self, start: HostEvent) -> None:
        self.data = start.data
        self.last = start.last


def disconnect_of(message: Message) -> WebSocketDisconnect:
    """The exception for ``websocket.close``."""
    return WebSocketDisconnect(code=message.get("code", 1000), reason=message.get("reason", ""))


def denial_of(start: Message, pieces: list[bytes]) -> WebSocketDenialResponse:
    """What a denial raises."""
    return WebSocketDenialResponse(status_code=start["status"], headers=start["headers"], content=b"".join(pieces))


def text_of(data: Any) -> str:
    """JSON, written as in Starlette."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)
