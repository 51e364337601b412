"""The host in Python: requests through the bridge, without Node."""

import asyncio
import gc
import os
import threading
import time
from typing import Any

import pytest

from asgi_node import ClientDisconnected
from asgi_node.host import AppHost, AppTimeout, Listener, head


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Does what the path says."""
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["up"] = True
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await globals()[scope["path"].strip("/")](scope, receive, send)


START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    more = True
    while more:
        event = await receive()
        more = event["more_body"]
        await send({"type": "http.response.body", "body": event["body"], "more_body": more})


async def boom(scope: Any, receive: Any, send: Any) -> None:
    raise LookupError("boom")


async def sleeper(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(60)


async def blocker(scope: Any, receive: Any, send: Any) -> None:
    time.sleep(0.5)


async def stream(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
    except ClientDisconnected:
        scope["state"]["seen"].append("gone")
        raise


async def wrong(scope: Any, receive: Any, send: Any) -> None:
    try:
        await send({"type": "http.response.body", "body": "text"})
    except TypeError:
        await send(START)
    receive()
    await send({"type": "http.response.body", "body": b""})


async def socket(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "b"})
    event = await receive()
    await send({"type": "websocket.send", "text": event["text"]})
    await send({"type": "websocket.close", "code": 4000, "reason": "done"})


def get(path: str, method: str = "GET", **options: Any) -> bytes:
    return head(method, path, options.pop("headers", [(b"Host", b"test")]), **options)


@pytest.fixture
def host() -> Any:
    with AppHost(app) as running:
        yield running
    assert running.reports == []


def test_a_request_and_its_response(host: AppHost) -> None:
    call = host.submit(get("/echo", "POST"), b"the body")
    (event,) = call.events(5)
    call.wait_for_end(5)
    assert (event.kind, event.status, event.data, event.last) == ("start", 200, b"the body", True)
    assert event.headers == [(b"content-type", b"text/plain")]
    assert (call.raised, call.violations, host.state) == (None, [], {"up": True})


def test_a_body_that_follows_is_bounded_by_what_the_app_takes(host: AppHost) -> None:
    call = host.submit(get("/echo", "POST"), body_follows=True)
    while call.native.push(b"x" * 10_000):
        time.sleep(0)
    kinds: list[str] = []
    while "resume" not in kinds:
        for event in call.next_events(5):
            kinds.append(event.kind)
            call.native.taken(event.weight)
    call.native.push(b"end", True)
    assert b"".join(event.data for event in call.events(5)).endswith(b"end")
    call.wait_for_end(5)


def test_the_app_waits_for_a_caller_that_takes_nothing_and_sees_it_leave(host: AppHost) -> None:
    host.state["seen"] = seen = []
    call = host.submit(get("/stream"))
    time.sleep(0.05)
    first = sum(event.weight for event in call.next_events(5))
    assert first < 70_000
    call.leave()
    host.end(call)
    assert seen == ["gone"]
    assert isinstance(call.raised, ClientDisconnected)


def test_what_the_app_raised_is_the_object_itself(host: AppHost) -> None:
    call = host.submit(get("/boom"))
    (event,) = call.events(5)
    call.wait_for_end(5)
    assert (event.kind, event.text, event.data) == ("failed", "LookupError: boom", b"APP_ERROR")
    assert "test_host.py" in event.traceback
    assert type(call.raised) is LookupError


def test_what_the_bridge_refused_and_what_was_not_awaited(host: AppHost) -> None:
    call = host.submit(get("/wrong"))
    assert [event.status for event in call.events(5)] == [200]
    call.wait_for_end(5)
    refused, forgotten = call.violations
    assert refused.startswith("send('http.response.body') was refused: ")
    assert forgotten == "receive() was called and never awaited"


@pytest.mark.parametrize(
    ("path", "said"),
    [("/sleeper", "in sleeper: await asyncio.sleep(60)"), ("/blocker", "blocks the event loop: .* in blocker: time")],
)
def test_a_timeout_says_where_the_app_is(path: str, said: str) -> None:
    with AppHost(app) as host:
        call = host.submit(get(path))
        with pytest.raises(AppTimeout, match=said.replace("(", r"\(").replace(")", r"\)")):
            call.next_events(0.2)
        call.leave()
        host.end(call, grace=1)


def test_a_websocket(host: AppHost) -> None:
    call = host.submit(get("/socket", headers=[(b"Sec-WebSocket-Protocol", b"a, b")]), is_websocket=True)
    (accepted,) = call.next_events(5)
    assert (accepted.kind, accepted.text) == ("accept", "b")
    assert call.native.message("hello")
    events = [(event.kind, event.status, event.text) for event in call.events(5)]
    assert events == [("text", 0, "hello"), ("close", 4000, "done")]
    call.wait_for_end(5)


@pytest.mark.parametrize("header", [(b"a", b"b\nc: d"), (b"a\0b", b"c"), (b"a", b"b\r")])
def test_no_header_becomes_two(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="no line end and no NUL"):
        head("GET", "/", [header])


@pytest.mark.parametrize("here", [True, False])
def test_callers_on_a_loop(here: bool) -> None:
    async def ask() -> list[bytes]:
        host, listener = AppHost(app), Listener()
        await (host.start_here() if here else asyncio.to_thread(host.start))
        calls = [listener.submit(host, get("/echo", "POST"), b"%d" % number) for number in range(20)]
        bodies = []
        for call in calls:
            bodies += [event.data for event in await listener.next_events(call, 5)]
            await listener.wait_for_end(call, 5)
            listener.forget(call)
        late = listener.submit(host, get("/sleeper"))
        with pytest.raises(AppTimeout, match=r"in sleeper: await asyncio\.sleep"):
            await listener.next_events(late, 0.1)
        late.leave()
        await listener.end(host, late, 0.1)
        assert len(host.reports) == 1
        listener.close()
        await (host.close_here() if here else asyncio.to_thread(host.close))
        return bodies

    assert asyncio.run(ask()) == [b"%d" % number for number in range(20)]


def test_start_up_raises_what_the_app_raised() -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise KeyError("no database")

    with pytest.raises(KeyError, match="no database"), AppHost(failing):
        pass
    assert "asgi-node-loop" not in {thread.name for thread in threading.enumerate()}


def test_many_hosts_leave_nothing() -> None:
    def count() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    with AppHost(app) as host:
        list(host.submit(get("/echo")).events(5))
    del host
    before = count()
    for _ in range(20):
        with AppHost(app) as host:
            list(host.submit(get("/echo")).events(5))
        del host
    # Fewer are as well: those of an earlier test were still to be collected. The last host's go in a moment.
    deadline = time.monotonic() + 10
    while (after := count())[0] > before[0] or after[1] > before[1]:
        assert time.monotonic() < deadline, (before, after)
        time.sleep(0.05)
