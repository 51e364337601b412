"""WebSockets for tests on asyncio: like `WebSocketTestSession`, with methods to await."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, Self

from asgi_node.host import AppTimeout

from ._httpx import httpx
from .conversation import Conversation, Message, denial_of, disconnect_of, text_of
from .exchange import Upgrade, head_of, limit_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .async_transport import AsyncBridgeTransport


class AsyncWebSocketTestSession:
    """A WebSocket to the application: ``async with client.websocket_connect('/ws') as websocket``.

    Entering waits for the application to accept, and raises `WebSocketDisconnect` or `WebSocketDenialResponse` if it
    refuses. Leaving closes with code 1000, gives the application a second to end, and raises its exception, if any.
    """

    def __init__(self, transport: AsyncBridgeTransport, connect: Callable[[], Awaitable[object]] | None = None) -> None:
        self.app = transport.app
        self._transport = transport
        self._connect = connect
        self._request: httpx.Request
        self._conversation: Conversation
        self.accepted_subprotocol: str | None = None
        """The sub-protocol that the application chose."""
        self.extra_headers: list[tuple[bytes, bytes]] | None = None
        """The headers with which it accepted."""

    async def __aenter__(self) -> Self:
        if self._connect is None:
            raise RuntimeError("this session has no request: client.websocket_connect() makes one that has")
        await self.open(await self._handshake(self._connect))
        return self

    @staticmethod
    async def _handshake(connect: Callable[[], Awaitable[object]]) -> httpx.Request:
        try:
            await connect()
        except Upgrade as upgrade:
            return upgrade.request
        raise RuntimeError("no WebSocket was asked for: an event hook or an auth flow answered in its place")

    async def open(self, request: httpx.Request) -> None:
        """Send the handshake, and wait for its answer."""
        self._request = request
        host = await self._transport.running()
        self._listener = self._transport.listener()
        call = self._listener.submit(host, head_of(self._request, self._transport.client), is_websocket=True)
        host.start_submitted()
        self._conversation = Conversation(host, call, limit_of(self._request))
        try:
            message = await self.receive()
            await self._raise_on_close(message)
        except BaseException:
            await self.leave()
            raise
        self.accepted_subprotocol = message.get("subprotocol")
        self.extra_headers = message.get("headers")

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Close, and wait for the application to end."""
        talk = self._conversation
        talk.close()
        await self._listener.end(talk.host, talk.call)
        self._listener.forget(talk.call)
        talk.settle()

    async def send(self, message: Message) -> None:
        """Send a message as the application receives it: ``{'type': 'websocket.receive', 'text': …}``."""
        talk = self._conversation
        while not talk.may_send and talk.closed is None:
            await self._wait("taken the messages that wait for it")
        talk.send(message)

    async def receive(self) -> Message:
        """The next message as the application sent it, of whatever type. Waits at most the client's timeout."""
        while (message := self._conversation.next_message()) is None:
            await self._wait("sent a message")
        return message

    async def _wait(self, waiting_for: str) -> None:
        talk = self._conversation
        try:
            talk.add(await self._listener.next_events(talk.call, talk.limit, waiting_for))
        except AppTimeout as late:
            raise httpx.ReadTimeout(str(late), request=self._request) from None

    async def _raise_on_close(self, message: Message) -> None:
        if message["type"] == "websocket.close":
            raise disconnect_of(message)
        if message["type"] == "websocket.http.response.start":
            pieces = []
            more = message["more"]
            while more:
                piece = await self.receive()
                pieces.append(piece["body"])
                more = piece["more_body"]
            raise denial_of(message, pieces)

    async def send_text(self, data: str) -> None:
        """Send a text message."""
        await self.send({"type": "websocket.receive", "text": data})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        await self.send({"type": "websocket.receive", "bytes": data})

    async def send_json(self, data: Any, mode: Literal["text", "binary"] = "text") -> None:
        """Send JSON, as a text message or a binary one."""
        if mode == "text":
            await self.send_text(text_of(data))
        else:
            await self.send_bytes(text_of(data).encode())

    async def receive_text(self) -> str:
        """The next message, which is text. Raises `WebSocketDisconnect` when the application has closed."""
        message = await self.receive()
        await self._raise_on_close(message)
        return str(message["text"])

    async def receive_bytes(self) -> bytes:
        """The next message, which is binary. Raises `WebSocketDisconnect` when the application has closed."""
        message = await self.receive()
        await self._raise_on_close(message)
        return bytes(message["bytes"])

    async def receive_json(self, mode: Literal["text", "binary"] = "text") -> Any:
        """The value of the next message, which is JSON."""
        return json.loads(await self.receive_text() if mode == "text" else await self.receive_bytes())

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close the WebSocket: the application receives ``websocket.disconnect`` with this code and reason."""
        self._conversation.close(code, reason)
