"""A second client, Python's websockets, against websocket_app: prints what it saw as JSON.

python websocket_client.py ws://127.0.0.1:PORT
"""

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def echo(url: str) -> Any:
    """Whole messages, fragments, a ping, compression."""
    async with connect(f"{url}/echo?pick=b", subprotocols=["a", "b"]) as socket:
        await socket.send("text é")
        await socket.send(b"\x00\xff")
        await socket.send(["fra", "gm", "ents"])
        await socket.send("x" * 100_000)
        messages = [await socket.recv() for _ in range(4)]
        await (await socket.ping(b"payload"))
        names = [extension.name for extension in socket.protocol.extensions]
        return [*map(shown, messages[:3]), len(messages[3]), socket.subprotocol, names]


def shown(message: str | bytes) -> Any:
    """A message in a form that JSON can carry."""
    return message if isinstance(message, str) else list(message)


async def closing(url: str) -> Any:
    """The application's code and reason."""
    async with connect(f"{url}/close?code=4002&reason=bye") as socket:
        try:
            return await socket.recv()
        except ConnectionClosed as closed:
            frame = closed.rcvd
            return [frame.code, frame.reason] if frame else None


async def large(url: str) -> Any:
    """A message above the limit."""
    # Not closed by us: the server does that, and 3.13.0's transport cannot be aborted after it.
    socket = await connect(f"{url}/echo", compression=None)
    try:
        await socket.send(bytes(17 << 20))
        await socket.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


async def refused(url: str) -> Any:
    """What a client sees that is not accepted."""
    seen = []
    for path in ("refuse", "deny", "nothing"):
        try:
            async with connect(f"{url}/{path}"):
                seen.append([path])
        except InvalidStatus as refusal:
            response = refusal.response
            seen.append([response.status_code, (response.body or b"").decode()])
    return seen


async def flood(url: str) -> Any:
    """More than fits anywhere, read slowly, in order and complete."""
    total = 0
    async with connect(f"{url}/flood?count=50&size=1000000&log=flood", compression=None) as socket:
        async for message in socket:
            total += len(message)
            await asyncio.sleep(0.005)
    return total


async def main(url: str) -> None:
    cases: list[Coroutine[Any, Any, Any]] = [echo(url), closing(url), large(url), refused(url), flood(url)]
    names = [case.__name__ for case in cases]
    print(json.dumps(dict(zip(names, [await case for case in cases], strict=True))))


asyncio.run(main(sys.argv[1]))
