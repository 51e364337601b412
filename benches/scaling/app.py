"""What the scaling study asks for: `/?<n>` answers with n header fields, `/echo` with the body that it got."""

from typing import Any


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """One response, in one piece."""
    if scope["type"] != "http":
        return
    body = b"Hello, world!"
    if scope["path"] == "/echo":
        pieces, more = [], True
        while more:
            event = await receive()
            pieces.append(event["body"])
            more = event["more_body"]
        body = b"".join(pieces)
    fields = int(scope["query_string"] or 0)
    headers = [(b"x-field-%d" % i, b"value of field %d" % i) for i in range(fields)]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
