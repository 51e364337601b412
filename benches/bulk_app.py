"""Large bodies: `/download` sends them in pieces, `/upload` counts what comes, `/echo` gives a whole body back.

WebSockets get each of their messages back.
"""

from typing import Any

PIECE = bytes(64 * 1024)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """`/download?<bytes>`, in 64 KiB sends; `/upload` and `/echo` read the whole body."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "bytes": event["bytes"]})
    if scope["type"] != "http":
        return
    if scope["path"] == "/download":
        length = int(scope["query_string"])
        await start(send, length)
        for _ in range(length // len(PIECE)):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        await send({"type": "http.response.body"})
        return
    pieces, more = [], True
    received = 0
    while more:
        event = await receive()
        received += len(event["body"])
        if scope["path"] == "/echo":
            pieces.append(event["body"])
        more = event["more_body"]
    body = b"".join(pieces) if pieces else str(received).encode()
    await start(send, len(body))
    await send({"type": "http.response.body", "body": body})


async def start(send: Any, length: int) -> None:
    """The head, with the length that Node's own server sends, too."""
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
