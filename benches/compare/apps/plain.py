"""What `make bench` asks of each ASGI server, in plain ASGI."""

from __future__ import annotations

import asyncio
from typing import Any

HELLO = b"Hello, world!"
ZEROS = bytes(64 << 10)
TEXT = [(b"content-type", b"text/plain")]
sockets: set[Any] = set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await ROUTES[scope["path"]](receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await (echo_messages if scope["path"] == "/echo" else broadcast)(receive, send)
    else:
        await lifespan(receive, send)


async def lifespan(receive: Any, send: Any) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def hello(receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [*TEXT, (b"content-length", b"13")]})
    await send({"type": "http.response.body", "body": HELLO})


async def echo(receive: Any, send: Any) -> None:
    chunks = []
    more = True
    while more:
        event = await receive()
        chunks.append(event.get("body", b""))
        more = event.get("more_body", False)
    body = b"".join(chunks)
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [*TEXT, length]})
    await send({"type": "http.response.body", "body": body})


async def download(receive: Any, send: Any) -> None:
    """A GiB in sends of 64 KiB, its length known."""
    length = (b"content-length", b"%d" % (1 << 30))
    await send({"type": "http.response.start", "status": 200, "headers": [*TEXT, length]})
    for _ in range((1 << 30) // len(ZEROS)):
        await send({"type": "http.response.body", "body": ZEROS, "more_body": True})
    await send({"type": "http.response.body"})


async def upload(receive: Any, send: Any) -> None:
    count = 0
    more = True
    while more:
        event = await receive()
        count += len(event.get("body", b""))
        more = event.get("more_body", False)
    body = b"%d" % count
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [*TEXT, length]})
    await send({"type": "http.response.body", "body": body})


async def events(receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    while True:
        await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})
        await asyncio.sleep(0.05)


async def busy(receive: Any, send: Any) -> None:
    """Five milliseconds of Python."""
    end = asyncio.get_running_loop().time() + 0.005
    while asyncio.get_running_loop().time() < end:
        pass
    await hello(receive, send)


async def echo_messages(receive: Any, send: Any) -> None:
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "bytes": event["bytes"]})


async def broadcast(receive: Any, send: Any) -> None:
    sockets.add(send)
    try:
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            for other in [*sockets]:
                await other({"type": "websocket.send", "bytes": event["bytes"]})
    finally:
        sockets.discard(send)


ROUTES = {
    "/hello": hello,
    "/echo": echo,
    "/download": download,
    "/upload": upload,
    "/events": events,
    "/busy": busy,
}
