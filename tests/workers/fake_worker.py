"""Stands for a worker: speaks to Node on its standard input, and says what no worker says.

Called as the interpreter of a worker is, with a behaviour in front: ``fake_worker.py NAME MAIN FOLDER NATIVE``.
"""

from __future__ import annotations

import array
import os
import socket
import struct
import sys
import time
from typing import NoReturn

LARGEST = 64 * 1024

# The kinds of crates/worker/src/message/from_worker.rs.
OPENED, COMPLETE, START, BODY, END, CREDIT, CONTINUE = 0, 3, 4, 5, 6, 8, 9
HINT, FILE, ACCEPT, RETURNED, LOG = 10, 11, 12, 15, 16

node = socket.socket(fileno=0)


def frame(kind: int, number: int = 0, payload: bytes = b"", more: bool = False, length: int | None = None) -> bytes:
    size = len(payload) if length is None else length
    return struct.pack("<IBI", size, kind | (0x80 if more else 0), number) + payload


def opening() -> int:
    """Read the first frame; give the file in which it is written down which request has begun."""
    first, files, _, _ = socket.recv_fds(node, 9, 1)
    (size,) = struct.unpack("<I", first[:4])
    while size > 0:
        size -= len(node.recv(size)) or leave()
    return files[0]


def receive() -> tuple[int, int]:
    """The kind and the number of the next frame."""
    head = b""
    while len(head) < 9:
        head += node.recv(9 - len(head)) or leave()
    size, kind, number = struct.unpack("<IBI", head)
    while size > 0:
        size -= len(node.recv(size)) or leave()
    return kind & 0x7F, number


def leave() -> NoReturn:
    sys.exit(0)


def request(begins: bool = True) -> int:
    """Say that the application is up, and wait for a request."""
    ledger = opening()
    node.sendall(frame(OPENED))
    while True:
        kind, number = receive()
        if kind == 1:
            if begins:
                os.pwrite(ledger, struct.pack("<I", number), 0)
            return number


def answer(number: int) -> bytes:
    """The start of a response."""
    return frame(START, number, struct.pack("<HI", 200, 0))


def linger() -> None:
    """Whoever is not ended by Node lives on, as long as that does."""
    node_process = os.getppid()
    while os.getppid() == node_process:
        time.sleep(0.1)


def garbage() -> None:
    node.sendall(os.urandom(1000).replace(b"\0", b"\1"))


def oversized() -> None:
    node.sendall(frame(BODY, 1, length=LARGEST + 1))


def unknown() -> None:
    node.sendall(frame(99))


def open_twice() -> None:
    node.sendall(frame(OPENED) + frame(OPENED))


def truncated() -> None:
    number = request()
    node.sendall(frame(BODY, number, b"half", length=8))
    node.shutdown(socket.SHUT_RDWR)


def closed() -> None:
    request()
    node.shutdown(socket.SHUT_RDWR)


def deaf() -> None:
    node.shutdown(socket.SHUT_RD)
    node.sendall(frame(OPENED))


def reordered() -> None:
    number = request()
    node.sendall(frame(BODY, number, b"a", more=True) + frame(END, number, b"\0\0\0\0"))


def early() -> None:
    number = request()
    node.sendall(frame(BODY, number, b"a body before its start"))


def twice() -> None:
    number = request()
    node.sendall(answer(number) + answer(number))


def status() -> None:
    """It has not even said that the request has begun."""
    number = request(begins=False)
    node.sendall(frame(COMPLETE, number, struct.pack("<HI", 0, 0)))


def accept() -> None:
    number = request()
    node.sendall(frame(ACCEPT, number))


def stranger() -> None:
    number = request()
    node.sendall(frame(RETURNED, number + 1000))


def misplaced() -> None:
    number = request()
    node.sendall(frame(OPENED, number))


def no_file() -> None:
    number = request()
    node.sendall(answer(number) + frame(FILE, number, struct.pack("<QQBQ", 0, 1, 1, 1)))


def descriptors() -> None:
    """Descriptors for which there are no messages."""
    request()
    null = os.open(os.devnull, os.O_RDONLY)
    for _ in range(300):
        node.sendmsg([frame(RETURNED, 1)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null] * 8))])


def beyond() -> None:
    """More bytes than the window has room for, which Node has not taken."""
    number = request()
    node.sendall(answer(number) + frame(BODY, number, bytes(LARGEST)) * 16)


def large() -> None:
    """One piece that is larger than the window, in two frames."""
    number = request()
    node.sendall(answer(number) + frame(BODY, number, bytes(LARGEST), more=True) + frame(BODY, number, b"x"))


def light_file() -> None:
    """A file that does not count, so that there could be any number of them."""
    number = request()
    node.sendall(answer(number))
    null = os.open(os.devnull, os.O_RDONLY)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null]))]
    node.sendmsg([frame(FILE, number, struct.pack("<QQBQ", 0, 1, 0, 1))], rights)


def empty() -> None:
    number = request()
    node.sendall(answer(number) + frame(BODY, number))


def hints() -> None:
    number = request()
    node.sendall(frame(HINT, number, b"</style.css>; rel=preload") * 20_000)


def calls() -> None:
    number = request()
    node.sendall(frame(CONTINUE, number) * 2)


def credit() -> None:
    number = request()
    node.sendall(frame(CREDIT, number, struct.pack("<QQ", 1, 0)))


def flood() -> None:
    """It answers, and then says without end that the request is over."""
    number = request()
    over = frame(RETURNED, number)
    node.sendall(frame(COMPLETE, number, struct.pack("<HI", 200, 0) + b"fine") + over)
    while True:
        node.sendall(over * 10_000)


def records() -> None:
    """Log records that are none: this is no fault of the protocol."""
    number = request()
    for text in (b"{", b"null", b"7", b'{"m":7}', b'{"m":"","e":null}', b'{"m":"","x":7}', b'{"n":"x","m":"good"}'):
        node.sendall(frame(LOG, 0, b"\0\x1e" + struct.pack("<I", len(text)) + text))
    node.sendall(frame(COMPLETE, number, struct.pack("<HI", 200, 0) + b"fine") + frame(RETURNED, number))


def headers() -> None:
    """A response that Node's HTTP does not send: its request fails, and nothing else does."""
    number = request()
    flat = b"bad\nname\0va\rlue\0"
    node.sendall(frame(COMPLETE, number, struct.pack("<HI", 200, len(flat)) + flat) + frame(RETURNED, number))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    linger()
