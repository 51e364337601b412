"""Checked by mypy --strict against the installed wheel: what a typed test-suite writes."""

from asgi_node import ClientDisconnected
from asgi_node.host import AppHost, head
from asgi_node.testing import AsyncTestClient, TestClient, WebSocketDisconnect


async def app(scope: object, receive: object, send: object) -> None:
    """Does nothing."""


def use() -> int:
    """The names, and what they give."""
    with TestClient(app) as client, client.websocket_connect("/", subprotocols=["a"]) as websocket:
        text: str = websocket.receive_text()
        websocket.send_text(text)
        return client.get("/").status_code


async def use_async() -> str:
    """The same, to await."""
    async with AsyncTestClient(app, isolate_loop=True) as client:
        return (await client.get("/")).text


def use_host() -> list[tuple[bytes, bytes]]:
    """The low level."""
    with AppHost(app) as host:
        call = host.submit(head("GET", "/"))
        return [pair for event in call.events(1.0) for pair in event.headers]


errors: tuple[type[Exception], ...] = (ClientDisconnected, WebSocketDisconnect)
