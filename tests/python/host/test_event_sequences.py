"""Any sequence of events, legal or not, against a live server: the wire carries HTTP, and only what was taken."""

import itertools
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import event as record
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
PROBE = b"GET /probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
ALIVE = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nConnection: close\r\n\r\nalive"
OPTIONS = json.dumps({"extensions": {"pathsend": True, "zerocopysend": True}})
numbers = itertools.count()


@contextmanager
def serving() -> Iterator[int]:
    """The port of a Node with the replaying app in it."""
    command = ["node", str(ROOT / "tests/hostile/server.mjs"), "replay_app:app", OPTIONS, "{}"]
    environment = {**os.environ, "ASGI_NODE_PYTHON": sys.executable}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            assert line.strip().isdigit(), server.communicate(timeout=5)
            yield int(line)
            assert server.poll() is None, f"the server ended: {server.returncode}"
        finally:
            server.kill()
            _, log = server.communicate()
    assert b"panicked" not in log
    assert b"Fatal Python error" not in log


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """One server for all examples: whatever one of them leaves behind meets the next."""
    with serving() as number:
        yield number


def exchange(port: int, data: bytes) -> bytes:
    """Everything that the server says until it ends the connection; a reset is an end too."""
    received = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(data)
        try:
            while chunk := client.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
    return bytes(received)


def ask(port: int, path: str) -> Any:
    """A JSON answer."""
    answer = exchange(port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    return json.loads(body)


class TruncatedError(Exception):
    """The connection ended in the middle of a response."""


def take_response(stream: bytes, is_head: bool) -> tuple[int, bytes, bytes]:
    """Status and body of the final response in front, and what is behind it. Strict: all but HTTP/1.1 is an error."""
    head, found, rest = stream.partition(b"\r\n\r\n")
    if not found:
        raise TruncatedError
    line, *lines = head.split(b"\r\n")
    match = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [ -~]*", line)
    assert match, line
    status = int(match[1])
    fields: dict[bytes, list[bytes]] = {}
    for text in lines:
        field = re.fullmatch(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t -~\x80-\xff]*)", text)
        assert field, text
        fields.setdefault(field[1].lower(), []).append(field[2])
    if status < 200 and b"close" not in fields.get(b"connection", []):
        return take_response(rest, is_head)
    assert len(fields.get(b"content-length", [])) <= 1
    assert not (b"content-length" in fields and b"transfer-encoding" in fields)
    if is_head or status < 200 or status in (204, 304):
        return status, b"", rest
    if b"transfer-encoding" in fields:
        assert fields[b"transfer-encoding"] == [b"chunked"]
        return (status, *take_chunks(rest))
    if b"content-length" in fields:
        length = int(fields[b"content-length"][0])
        if len(rest) < length:
            raise TruncatedError
        return status, rest[:length], rest[length:]
    return status, rest, b""


def take_chunks(stream: bytes) -> tuple[bytes, bytes]:
    """A chunked body, with its trailers taken off, and what is behind it."""
    body = b""
    while True:
        line, found, stream = stream.partition(b"\r\n")
        if not found:
            raise TruncatedError
        assert re.fullmatch(rb"[0-9a-f]+", line), line
        size = int(line, 16)
        if size == 0:
            break
        if len(stream) < size + 2:
            raise TruncatedError
        assert stream[size : size + 2] == b"\r\n"
        body, stream = body + stream[:size], stream[size + 2 :]
    while not stream.startswith(b"\r\n"):
        line, found, stream = stream.partition(b"\r\n")
        if not found:
            raise TruncatedError
        assert re.fullmatch(rb"[a-z0-9-]+: [ -~]*", line), line
    return body, stream[2:]


# A mark stands in everything that an event could put on the wire, and tells which event it was.
MARK = b"<mark>"

good_names = st.sampled_from([b"x-a", b"X-B", b"set-cookie", b"date", b"server", b"vary", b"trailer", b"expect"])
bad_names = st.sampled_from([b"", b"x a", b"x:", b"x\r\ny", b"\xff", "x-text", None, 7])
good_values = st.sampled_from([MARK, MARK + b"\t\xff", b" " + MARK])
bad_values = st.sampled_from([MARK + b"\r\nInjected: yes", MARK + b"\0", b"\n" + MARK, MARK.decode(), None, 5, [MARK]])
lengths = st.sampled_from([b"0", b"8", b"16", b"32", b"-8", b"8, 8", b"x", b"99999999999999999999", b" 8 ", b"08"])
framing = st.one_of(
    st.tuples(st.sampled_from([b"content-length", b"Content-Length"]), lengths),
    st.tuples(st.just(b"transfer-encoding"), st.sampled_from([b"chunked", b"gzip", b"identity"])),
    st.tuples(st.just(b"connection"), st.sampled_from([b"close", b"keep-alive", b"upgrade, " + MARK])),
)
header = st.one_of(
    st.tuples(good_names, good_values),
    st.tuples(good_names, good_values),
    framing,
    st.tuples(st.one_of(good_names, bad_names), st.one_of(good_values, bad_values)),
    st.sampled_from([(), (b"x",), (b"x", b"y", b"z"), b"xy", None]),
)
headers = st.one_of(st.lists(header, max_size=3), st.lists(st.tuples(good_names, good_values), max_size=3), st.none())
statuses = st.sampled_from(
    [200, 200, 200, 404, 999, 204, 304, 100, 101, 205, 0, 99, 1000, -1, True, "200", None, 1 << 70]
)
bodies = st.sampled_from([MARK, MARK, MARK * 2, b"", MARK * 9000, MARK.decode(), None, 5, [1]])
flags = st.sampled_from([True, True, False, False, 1, "", None])


def dictionaries(kind: object, optional: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Events of a type, each key there or not."""
    return st.fixed_dictionaries({"type": st.just(kind)}, optional=optional)


starts = dictionaries("http.response.start", {"status": statuses, "headers": headers, "trailers": flags})
plain_starts = st.fixed_dictionaries(
    {
        "type": st.just("http.response.start"),
        "status": st.sampled_from([200, 204, 404]),
        "headers": st.sampled_from([[], [(b"x-a", MARK)], [(b"content-length", b"8")], [(b"trailer", b"x-t")]]),
        "trailers": st.booleans(),
    }
)
body_events = dictionaries("http.response.body", {"body": bodies, "more_body": flags})
others = st.one_of(
    dictionaries("http.response.trailers", {"headers": headers, "more_trailers": flags}),
    dictionaries("http.response.early_hint", {"links": st.lists(st.one_of(good_values, bad_values), max_size=2)}),
    dictionaries("http.response.pathsend", {"path": st.sampled_from(["/nowhere", "relative", "/", None, "/\0"])}),
    dictionaries("http.response.zerocopysend", {"file": st.none(), "offset": st.just(-1)}),
    st.sampled_from([None, 5, "http.response.start", {}, {"type": None}, {"type": "websocket.send"}, ["type"]]),
)
events = st.one_of(starts, plain_starts, body_events, body_events, others)
pieces = st.fixed_dictionaries(
    {
        "type": st.just("http.response.body"),
        "body": st.sampled_from([MARK, MARK * 9000, b""]),
        "more_body": st.just(True),
    }
)
ends = dictionaries("http.response.body", {"body": st.just(MARK), "more_body": st.just(False)})
noise = st.lists(events, max_size=2)
# Anything at all, which mostly ends before it has begun; and responses that could be right, with anything in between.
orders = st.one_of(
    st.lists(events, max_size=7),
    st.tuples(noise, plain_starts, noise, pieces, noise, ends, noise).map(
        lambda parts: [event for part in parts for event in (part if isinstance(part, list) else [part])]
    ),
)
scripts = orders.flatmap(
    lambda order: st.lists(st.sampled_from([True] * 9 + [False]), min_size=len(order), max_size=len(order)).map(
        lambda caught: list(zip(order, caught, strict=True))
    )
)


def marked(value: Any, number: int) -> Any:
    """The event with its own number in each mark, as long as the mark was."""
    if isinstance(value, bytes):
        return value.replace(MARK, b"<m%03d>" % number)
    if isinstance(value, str):
        return value.replace(MARK.decode(), f"<m{number:03d}>")
    if isinstance(value, dict):
        return {key: marked(item, number) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(marked(item, number) for item in value)
    return value


def sent_body(script: list[tuple[Any, bool]], outcome: list[str]) -> bytes:
    """What the body events that were taken amount to."""
    taken = [event for (event, _), said in zip(script, outcome, strict=False) if said == "sent"]
    return b"".join(event.get("body", b"") for event in taken if event["type"] == "http.response.body")


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=scripts, method=st.sampled_from(["POST", "POST", "HEAD"]), te=st.booleans())
def test_any_sequence_of_events(port: int, script: list[tuple[Any, bool]], method: str, te: bool) -> None:
    """The response is HTTP/1.1 or the connection has ended in it; nothing refused is on the wire; service goes on."""
    identity = str(next(numbers))
    script = [(marked(value, number), caught) for number, (value, caught) in enumerate(script)]
    body = ascii(script).encode()
    head = f"{method} /?id={identity} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    head += "TE: trailers\r\n" if te else ""
    received = exchange(port, head.encode() + b"\r\n" + body + PROBE)
    outcome = ask(port, f"/outcome?id={identity}")

    assert all(
        said in {"sent", "TypeError", "ValueError", "RuntimeError", "OSError", "FileNotFoundError"} for said in outcome
    )
    for number, said in enumerate(outcome):
        if said != "sent":
            assert b"<m%03d>" % number not in received, f"event {number} was refused ({said})"
    assert b"injected" not in received.lower()
    try:
        status, content, rest = take_response(received, method == "HEAD")
    except TruncatedError:
        record("ended in the middle")
        assert ALIVE not in received
    else:
        record(f"complete: {status}")
        assert rest in (b"", ALIVE)
        expected = sent_body(script, outcome)
        bodyless = method == "HEAD" or status < 200 or status in (204, 304)
        assert content == (b"" if bodyless else expected) or (status, content) == (500, b"Internal Server Error")
    assert exchange(port, PROBE) == ALIVE
