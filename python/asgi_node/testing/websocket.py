"""`WebSocketTestSession`, with the names and the return values of Starlette's test client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from .async_websocket import AsyncWebSocketTestSession
from .transport import wait

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from ._httpx import httpx
    from .conversation import Message
    from .portal import Portal
    from .transport import BridgeTransport


class WebSocketTestSession:
    """A WebSocket to the application: ``with client.websocket_connect('/ws') as websocket``.

    Entering waits for the application to accept, and raises `WebSocketDisconnect` or `WebSocketDenialResponse` if it
    refuses. Leaving closes with code 1000, gives the application a second to end, and raises its exception, if any.
    Each wait takes at most the client's timeout (``ReadTimeout``).
    """

    def __init__(self, transport: BridgeTransport, request: httpx.Request) -> None:
        self.app = transport.app
        self._transport = transport
        self._request = request
        self._session = AsyncWebSocketTestSession(transport.inner)
        self._portal: Portal

    @property
    def accepted_subprotocol(self) -> str | None:
        """The sub-protocol that the application chose."""
        return self._session.accepted_subprotocol

    @property
    def extra_headers(self) -> list[tuple[bytes, bytes]] | None:
        """The headers with which it accepted, as it wrote them."""
        return self._session.extra_headers

    def __enter__(self) -> Self:
        self._portal = self._transport.portal()
        self._wait(self._session.open(self._request))
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(self._session.leave())

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return wait(self._portal, self._request, work)

    def send(self, message: Message) -> None:
        """Send a message as the application receives it: ``{'type': 'websocket.receive', 'text': …}``.

        It also takes ``websocket.disconnect``, and ``websocket.connect``, which no client can send. Raises TypeError
        for other types.
        """
        self._wait(self._session.send(message))

    def receive(self) -> Message:
        """The next message as the application sent it, of whatever type."""
        message: Message = self._wait(self._session.receive())
        return message

    def send_text(self, data: str) -> None:
        """Send a text message."""
        self._wait(self._session.send_text(data))

    def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        self._wait(self._session.send_bytes(data))

    def send_json(self, data: Any, mode: Literal["text", "binary"] = "text") -> None:
        """Send JSON, as a text message or a binary one."""
        self._wait(self._session.send_json(data, mode))

    def receive_text(self) -> str:
        """The next message, which is text. Raises `WebSocketDisconnect` when the application has closed."""
        return str(self._wait(self._session.receive_text()))

    def receive_bytes(self) -> bytes:
        """The next message, which is binary. Raises `WebSocketDisconnect` when the application has closed."""
        return bytes(self._wait(self._session.receive_bytes()))

    def receive_json(self, mode: Literal["text", "binary"] = "text") -> Any:
        """The value of the next message, which is JSON."""
        return self._wait(self._session.receive_json(mode))

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the WebSocket: the application receives ``websocket.disconnect`` with this code and reason."""
        self._wait(self._session.close(code, reason))
