"""WebSockets, with the names and the return values of Starlette's test client."""

from __future__ import annotations

import itertools
import json
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, Self

from asgi_node.host import AppTimeout

from ._httpx import httpx
from .exchange import head_of, limit_of
from .reports import NoResponse, judge, tell

if TYPE_CHECKING:
    from asgi_node._native import HostEvent
    from asgi_node.host import AppCall, AppHost

    from .transport import BridgeTransport

    class WebSocketDisconnect(Exception):  # noqa: N818 (Starlette's name)
        """The WebSocket is closed: `code` and `reason` are those of the close frame."""

        code: int
        reason: str

        def __init__(self, code: int = 1000, reason: str | None = None) -> None: ...

else:
    try:
        # The same class, so that a test may catch the one or the other.
        from starlette.websockets import WebSocketDisconnect
    except ImportError:

        class WebSocketDisconnect(Exception):  # noqa: N818 (Starlette's name)
            """The WebSocket is closed: `code` and `reason` are those of the close frame."""

            def __init__(self, code: int = 1000, reason: str | None = None) -> None:
                self.code = code
                self.reason = reason or ""


def _denial_base() -> Any:
    """Starlette's class of this name where it is there, so that a test may catch the one or the other."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of httpx, where httpx2 is not installed
            from starlette.testclient import WebSocketDenialResponse as Base
    except (ImportError, RuntimeError):  # RuntimeError: Starlette without an httpx that it knows

        class Base(httpx.Response, WebSocketDisconnect):  # type: ignore[misc,no-redef]  # as Starlette's
            pass

    return Base


class WebSocketDenialResponse(_denial_base()):  # type: ignore[misc]  # known at run time
    """Raised where a WebSocket is refused by a response of the application's (``websocket.http.response``).

    It is an `httpx.Response` and a `WebSocketDisconnect`. Where Starlette is installed, it is a subclass of Starlette's
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
        """What was taken; raises when nothing will come."""
        if not events and self.call.native.ended:
            judge(self.call, True)
            raise NoResponse(f"{self.call.name}: the application has returned, and nothing is to come")
        for event in events:
            # Now, and not when the test receives it: a test that sends first and receives later must not wait for
            # itself.
            self.call.native.taken(event.weight)
            if event.kind == "resume":
                self.may_send = True
            else:
                self._events.append(event)

    def next_message(self) -> Message | None:
        """The next event as the message that the application sent. Raises what it failed with."""
        if not self._events:
            if self.closed is not None:
                raise WebSocketDisconnect(*self.closed)
            return None
        event = self._events.popleft()
        match event.kind:
            case "accept":
                headers = (self.call.witness and self.call.witness.accepted_with) or event.headers
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
        refused = self.call.witness.denied if self.call.witness else None
        if refused is not None and event.status == 403:
            self.closed = refused
            return {"type": "websocket.close", "code": refused[0], "reason": refused[1]}
        if not event.last or event.data:
            self._events.appendleft(_Rest(event))  # type: ignore[arg-type]  # it has what is looked at
        kind = {"type": "websocket.http.response.start"}
        return {**kind, "status": event.status, "headers": event.headers, "more": not event.last or bool(event.data)}

    def send(self, message: Message) -> None:
        """Give the application what `message` says."""
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
        """Give the application an event that no client can send, in the place of a message."""
        if self.call.witness is not None:
            text = f"asgi-node: in place of {message['type']} {next(_numbers)}"
            self.call.witness.substitutes[text] = dict(message)
            self.may_send = self.call.native.message(text)

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the WebSocket from the client's side."""
        if self.closed is None:
            self.closed = (code, reason or "")
            self.call.left = True
            self.call.native.close(code, reason or "")

    def settle(self) -> None:
        """The application has ended, and is judged."""
        judge(self.call, True)
        tell(self.host)


class _Rest:
    """The body that came with the start of a denial."""

    kind = "body"

    def __init__(self, start: HostEvent) -> None:
        self.data = start.data
        self.last = start.last


def disconnect_of(message: Message) -> WebSocketDisconnect:
    """What ``websocket.close`` raises."""
    return WebSocketDisconnect(code=message.get("code", 1000), reason=message.get("reason", ""))


def denial_of(start: Message, pieces: list[bytes]) -> WebSocketDenialResponse:
    """What a denial raises."""
    return WebSocketDenialResponse(status_code=start["status"], headers=start["headers"], content=b"".join(pieces))


def text_of(data: Any) -> str:
    """As Starlette writes JSON."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False)


class WebSocketTestSession:
    """A WebSocket to the application: ``with client.websocket_connect('/ws') as websocket``.

    Entering waits for the application to accept, and raises `WebSocketDisconnect` or `WebSocketDenialResponse` when it
    refuses. Leaving closes with code 1000, gives the application a second to end, and raises what it raised.
    """

    def __init__(self, transport: BridgeTransport, request: httpx.Request) -> None:
        self.app = transport.app
        self._transport = transport
        self._request = request
        self._conversation: Conversation
        self.accepted_subprotocol: str | None = None
        """The sub-protocol that the application chose."""
        self.extra_headers: list[tuple[bytes, bytes]] | None = None
        """The headers with which it accepted."""

    def __enter__(self) -> Self:
        flat = head_of(self._request, self._transport.client)
        host = self._transport.running()
        call = host.submit(flat, is_websocket=True)
        self._conversation = Conversation(host, call, limit_of(self._request))
        try:
            message = self.receive()
            self._raise_on_close(message)
        except BaseException:
            self._leave()
            raise
        self.accepted_subprotocol = message.get("subprotocol")
        self.extra_headers = message.get("headers")
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        talk = self._conversation
        talk.close()
        talk.host.end(talk.call)
        talk.settle()

    def send(self, message: Message) -> None:
        """Send a message as the application receives it: ``{'type': 'websocket.receive', 'text': …}``."""
        talk = self._conversation
        while not talk.may_send and talk.closed is None:
            self._wait("taken the messages that wait for it")
        talk.send(message)

    def receive(self) -> Message:
        """The next message as the application sent it, of whatever type. Waits at most the client's timeout."""
        while (message := self._conversation.next_message()) is None:
            self._wait("sent a message")
        return message

    def _wait(self, waiting_for: str) -> None:
        talk = self._conversation
        try:
            talk.add(talk.call.next_events(talk.limit, waiting_for))
        except AppTimeout as late:
            raise httpx.ReadTimeout(str(late), request=self._request) from None

    def _raise_on_close(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            raise disconnect_of(message)
        if message["type"] == "websocket.http.response.start":
            pieces = []
            more = message["more"]
            while more:
                piece = self.receive()
                pieces.append(piece["body"])
                more = piece["more_body"]
            raise denial_of(message, pieces)

    def send_text(self, data: str) -> None:
        """Send a text message."""
        self.send({"type": "websocket.receive", "text": data})

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        self.send({"type": "websocket.receive", "bytes": data})

    def send_json(self, data: Any, mode: Literal["text", "binary"] = "text") -> None:
        """Send JSON, as a text message or a binary one."""
        if mode == "text":
            self.send_text(text_of(data))
        else:
            self.send_bytes(text_of(data).encode())

    def receive_text(self) -> str:
        """The next message, which is text. Raises `WebSocketDisconnect` when the application has closed."""
        message = self.receive()
        self._raise_on_close(message)
        return str(message["text"])

    def receive_bytes(self) -> bytes:
        """The next message, which is binary. Raises `WebSocketDisconnect` when the application has closed."""
        message = self.receive()
        self._raise_on_close(message)
        return bytes(message["bytes"])

    def receive_json(self, mode: Literal["text", "binary"] = "text") -> Any:
        """The value of the next message, which is JSON."""
        return json.loads(self.receive_text() if mode == "text" else self.receive_bytes())

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the WebSocket: the application receives ``websocket.disconnect`` with this code and reason."""
        self._conversation.close(code, reason)
