"""drive.py REQUESTS: so many requests of each kind through the bridge, one after the other, on one thread.

Run by guard.mjs under callgrind, which counts nothing before it is told to: the start takes most of the time.
"""

import asyncio
import os
import subprocess
import sys
from typing import Any

from asgi_node.testing import AsyncTestClient

REQUESTS = int(sys.argv[1])
WARM_UP = 20
BODY = b"0123456789abcdef" * 64


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b"hello"
    if scope["method"] == "POST":
        body = (await receive())["body"]
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def main() -> None:
    async with AsyncTestClient(app) as client:
        for i in range(WARM_UP + REQUESTS):
            if i == WARM_UP:
                subprocess.run(["callgrind_control", "--instr=on", str(os.getpid())], check=True, capture_output=True)
            assert (await client.get("/hello")).content == b"hello"
            assert (await client.post("/echo", content=BODY)).content == BODY


asyncio.run(main())
