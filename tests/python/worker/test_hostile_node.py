"""A Node that says what no Node says, on the real socket: the worker ends with a clear error, and does nothing else."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import asgi_node
from asgi_node import _native

PACKAGE = Path(asgi_node.__file__).parent
LARGEST = 64 * 1024

# The kinds of crates/worker/src/message/to_worker.rs and from_worker.rs.
OPEN, REQUEST, BODY, MESSAGE, CLOSED, HALF_CLOSE, TAKEN, PING, CLOSE, SHORTEN = 0, 1, 2, 3, 4, 6, 8, 9, 11, 12
LAST_BODY = 14
OPENED, ENDED, COMPLETE, FAILED, RETURNED, STATUS = 0, 2, 3, 7, 15, 18

# What a worker leaves with that does not understand Node: EX_PROTOCOL.
PROTOCOL = 76

APP = """
async def app(scope, receive, send):
    assert scope["type"] != "lifespan"
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})
"""

CONFIG = {
    "app": "main:app",
    "factory": False,
    "interface": "auto",
    "wsgiThreads": 1,
    "loop": "asyncio",
    "lifespan": "auto",
    "startupTimeout": 10_000,
    "shutdownTimeout": 10_000,
    "exitTimeout": 1000,
    "rootPath": "",
    "rootPathStripped": False,
    "highWaterMark": 65536,
    "largestWindow": 1 << 20,
    "maxConcurrency": 100,
    "maxQueue": 32,
    "requestTimeout": 0,
    "cancelOnDisconnect": False,
    "extensions": {"pathsend": False, "zerocopysend": False},
    "logLevel": 30,
    "takesLines": False,
    "blockedThreshold": 0,
}


def frame(kind: int, number: int = 0, payload: bytes = b"", *, more: bool = False, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return struct.pack("<IBI", size, kind | (0x80 if more else 0), number) + payload


def head(method: str = "GET", version: str = "1.1") -> bytes:
    """The flat head of crates/core/src/request/head.rs."""
    fields = [method, "http", version, "/", "", "", "", "", "", ""]
    return "\0".join(fields).encode()


def request(number: int, *, body_follows: bool = False, is_websocket: bool = False, flat: bytes | None = None) -> bytes:
    flat = head() if flat is None else flat
    flags = bytes([False, False, is_websocket, body_follows])
    return frame(REQUEST, number, struct.pack("<Q", 1) + flags + struct.pack("<I", len(flat)) + flat)


class Node:
    """Node's end of a worker's socket."""

    def __init__(self, docroot: Path) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(10)
        self.ledger = os.open(docroot / "ledger", os.O_RDWR | os.O_CREAT)
        self.docroot = docroot
        self.worker = subprocess.Popen(
            [sys.executable, PACKAGE / "worker" / "__main__.py", PACKAGE.parent, _native.__file__],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        theirs.close()

    def opening(self, **changes: object) -> bytes:
        config = json.dumps({**CONFIG, "docroot": str(self.docroot)})
        opening = {
            "version": _native.__version__,
            "config": config,
            "addressSpace": None,
            "node": os.getpid(),
            "argv": ["x"],
        }
        return json.dumps({**opening, **changes}).encode()

    def open(self, payload: bytes | None = None, *, files: bool = True) -> None:
        data = frame(OPEN, 0, self.opening() if payload is None else payload)
        socket.send_fds(self.socket, [data], [self.ledger] if files else [])

    def receive(self) -> tuple[int, int, bytes]:
        first = self.read(9)
        size, kind, number = struct.unpack("<IBI", first)
        return kind & 0x7F, number, self.read(size)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def until(self, kind: int) -> tuple[int, bytes]:
        """The number and the payload of the next message of this kind."""
        while True:
            found, number, payload = self.receive()
            if found == kind:
                return number, payload

    def start(self) -> None:
        self.open()
        self.until(OPENED)

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def end(self) -> tuple[int, str]:
        """The exit code of the worker, and what it wrote to stderr."""
        stdout, stderr = self.worker.communicate(timeout=10)
        assert stdout == ""
        return self.worker.returncode, stderr

    def close(self) -> None:
        self.worker.kill()
        self.worker.communicate()
        self.socket.close()
        os.close(self.ledger)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    (tmp_path / "main.py").write_text(APP)
    node = Node(tmp_path)
    yield node
    node.close()


Say = Callable[[Node], None]

FIRST: dict[str, tuple[Say, str]] = {
    "nothing": (lambda node: node.socket.shutdown(socket.SHUT_RDWR), "Node has gone before it sent the first message"),
    "half a frame": (
        lambda node: (node.send(frame(OPEN, 0, b"{", length=9)), node.socket.shutdown(socket.SHUT_WR))[1],
        "Node has gone before it sent the first message",
    ),
    "too much": (lambda node: node.send(frame(OPEN, length=LARGEST + 1)), "a frame of 65537 bytes; the limit is 65536"),
    "an unknown kind": (lambda node: node.send(frame(99)), "kind 99 is unknown"),
    "something else": (lambda node: node.send(frame(PING)), "the first message from Node is of another kind"),
    "no descriptor": (lambda node: node.open(files=False), "the first message from Node is of another kind"),
    "no JSON": (lambda node: node.open(b"\xff{"), "the first message from Node is malformed: "),
    "another version": (
        lambda node: node.open(node.opening(version="0.0.0")),
        "Node's version is 0.0.0, and this worker's is ",
    ),
    "other options": (
        lambda node: node.open(node.opening(config='{"app": 7}')),
        "the first message from Node is malformed: ",
    ),
}


@pytest.mark.parametrize("said", FIRST)
def test_a_node_that_begins_wrongly(node: Node, said: str) -> None:
    say, reason = FIRST[said]
    say(node)
    code, stderr = node.end()
    assert code == 1
    assert reason in stderr.splitlines()[-1]
    assert "panicked" not in stderr


LATER: dict[str, tuple[list[bytes], str]] = {
    "oversized": ([frame(BODY, 1, length=LARGEST + 1)], "malformed frame: a frame of 65537 bytes; the limit is 65536"),
    "unknown": ([frame(99)], "malformed frame: kind 99 is unknown"),
    "reordered": ([frame(REQUEST, 1, b"a", more=True), frame(BODY, 1, b"\0")], "malformed frame: kind 2 in the middle"),
    "cut payload": ([frame(REQUEST, 1, b"\0")], "malformed frame: "),
    "long payload": ([frame(PING, 0, b"x")], "malformed frame: "),
    "opened again": ([frame(OPEN, 0, b"{}")], "malformed frame: kind 0 of no request, where none is expected"),
    "no number": ([request(0)], "malformed frame: kind 1 of no request, where none is expected"),
    "a number": ([request(1, body_follows=True), frame(PING, 1)], "malformed frame: kind 9 for a request"),
    "the same number": ([request(1, body_follows=True)] * 2, "malformed frame: a second request 1 beside the first"),
    "too much body": (
        [request(1, body_follows=True), frame(LAST_BODY, 1, b"x"), frame(LAST_BODY, 1, b"x")],
        "malformed frame: kind 14 for a request",
    ),
    "a message for a request": ([request(1, body_follows=True), frame(MESSAGE, 1, b"\0x")], "kind 3 for a request"),
    "a body for a WebSocket": ([request(1, is_websocket=True), frame(BODY, 1, b"\1")], "kind 2 for a WebSocket"),
    "a text that is none": ([request(1, is_websocket=True), frame(MESSAGE, 1, b"\1\xff")], "a text is not UTF-8"),
    "a flag that is none": ([request(1, is_websocket=True), frame(MESSAGE, 1, b"\7x")], "malformed frame: "),
}


@pytest.mark.parametrize("said", LATER)
def test_a_node_that_breaks_the_protocol(node: Node, said: str) -> None:
    frames, reason = LATER[said]
    node.start()
    node.send(*frames)
    code, stderr = node.end()
    (line,) = stderr.splitlines()
    assert line.startswith("asgi-node: the connection to Node cannot go on: ")
    assert reason in line
    assert code == PROTOCOL


def test_what_can_happen_between_two_that_are_right_is_no_fault(node: Node) -> None:
    node.start()
    # A request that is over here, and that Node does not know of.
    node.send(frame(BODY, 7, b"\1"), frame(TAKEN, 7, struct.pack("<Q", 1)), frame(HALF_CLOSE, 7))
    # More is taken than was sent; a head that is none; a number that comes anew.
    node.send(request(1, flat=b"not a head"))
    assert node.until(FAILED)[0] == 1
    assert node.until(RETURNED)[0] == 1
    node.send(request(2), frame(TAKEN, 2, struct.pack("<Q", 2**64 - 1)))
    number, payload = node.until(COMPLETE)
    assert (number, payload[-4:]) == (2, b"fine")
    assert node.until(RETURNED)[0] == 2
    node.send(request(2))
    assert node.until(COMPLETE)[0] == 2
    node.send(frame(PING))
    node.until(STATUS)
    assert os.pread(node.ledger, 4, 0) == struct.pack("<I", 2)


def test_times_that_no_clock_has(node: Node) -> None:
    node.start()
    node.send(request(1, body_follows=True))
    node.send(frame(CLOSE, 0, struct.pack("<Q", 2**64 - 1)), frame(SHORTEN, 0, struct.pack("<Q", 2**64 - 1)))
    node.send(frame(SHORTEN, 0, struct.pack("<Q", 100)))
    number, payload = node.until(ENDED)
    assert (number, payload) == (0, b"\0")
    assert node.end() == (0, "")


def test_half_a_message_and_the_end_is_the_end_of_node(node: Node) -> None:
    node.start()
    node.send(frame(BODY, 1, b"\0", length=9))
    node.socket.shutdown(socket.SHUT_RDWR)
    code, stderr = node.end()
    assert (code, stderr) == (0, "")
