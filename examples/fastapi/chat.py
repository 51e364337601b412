"""A chat over WebSockets: everybody in the room gets what anybody sends, text and pictures."""

import asyncio
import contextlib
import json
import time
from collections import deque
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse

router = APIRouter(prefix="/chat")
PAGE = Path(__file__).parent / "chat.html"

MAX_TEXT = 2000
MAX_PICTURE = 1024 * 1024
TOO_LARGE = 1009
TOO_SLOW = 1008

Message = str | bytes


class Member:
    """One tab. What it is sent waits in a queue of its own, so that a slow one keeps nobody waiting."""

    def __init__(self, socket: WebSocket, name: str) -> None:
        self.socket = socket
        self.name = name
        self.outbox: asyncio.Queue[Message] = asyncio.Queue(100)

    async def deliver(self) -> None:
        """Send what comes, for as long as the task runs."""
        while True:
            message = await self.outbox.get()
            if isinstance(message, bytes):
                await self.socket.send_bytes(message)
            else:
                await self.socket.send_text(message)


class Room:
    """Who is there, and what was said last."""

    def __init__(self) -> None:
        self.members: set[Member] = set()
        self.history: deque[Message] = deque(maxlen=50)
        self.closing: set[asyncio.Task[None]] = set()

    def join(self, member: Member) -> None:
        """Give the member what was said before."""
        for message in self.history:
            member.outbox.put_nowait(message)
        self.members.add(member)
        self.tell_who_is_there()

    def leave(self, member: Member) -> None:
        """Also for one who has left already."""
        if member in self.members:
            self.members.discard(member)
            self.tell_who_is_there()

    def say(self, sender: str, content: str | bytes) -> None:
        """A text is one JSON object; a picture is one such line in front of its bytes."""
        head = {"from": sender, "at": time.time()}
        message: Message
        if isinstance(content, bytes):
            message = json.dumps({**head, "type": "picture"}).encode() + b"\n" + content
        else:
            message = json.dumps({**head, "type": "text", "text": content})
        self.history.append(message)
        self.broadcast(message)

    def tell_who_is_there(self) -> None:
        """Names only."""
        names = sorted(member.name for member in self.members)
        self.broadcast(json.dumps({"type": "members", "names": names}))

    def broadcast(self, message: Message) -> None:
        """To everybody; whoever does not keep up is sent away."""
        for member in list(self.members):
            try:
                member.outbox.put_nowait(message)
            except asyncio.QueueFull:
                self.members.discard(member)
                closing = asyncio.create_task(member.socket.close(TOO_SLOW, "too slow"))
                self.closing.add(closing)
                closing.add_done_callback(self.closing.discard)


room = Room()


@router.get("")
async def page() -> FileResponse:
    """The page, which is all of the client."""
    return FileResponse(PAGE)


@router.websocket("/socket")
async def talk(socket: WebSocket, name: Annotated[str, Query(min_length=1, max_length=30)]) -> None:
    """One tab's connection, from its first message to its last."""
    await socket.accept()
    member = Member(socket, name)
    delivering = asyncio.create_task(member.deliver())
    room.join(member)
    try:
        while True:
            event = await socket.receive()
            if event["type"] == "websocket.disconnect":
                break
            content = event.get("text") or event.get("bytes")
            if not content or content.isspace():
                continue
            if len(content) > (MAX_TEXT if isinstance(content, str) else MAX_PICTURE):
                await socket.close(TOO_LARGE, "too large")
                break
            room.say(name, content)
    finally:
        room.leave(member)
        delivering.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, OSError):
            await delivering
