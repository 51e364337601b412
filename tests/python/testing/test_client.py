"""What our test client does beyond Starlette's: real streams, disconnects, and mistakes that servers refuse."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest

from asgi_node import ClientDisconnected
from asgi_node.testing import ASGIViolation, ASGIWarning, BridgeTransport, NoResponse, TestClient

seen: list[Any] = []
released: list[threading.Event] = []


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Does what the path says; knows no lifespan."""
    assert scope["type"] != "lifespan"
    await globals()[scope["path"].strip("/")](scope, receive, send)


def start(status: int = 200, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data: Any = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def events(scope: Any, receive: Any, send: Any) -> None:
    await send(start(200, (b"content-type", b"text/event-stream")))
    await send(body(b"data: first\n\n", True))
    # Until the test has seen the first event.
    await asyncio.to_thread(released[-1].wait, 30)
    await send(body(b"data: second\n\n", True))
    event = await receive()
    while event["type"] != "http.disconnect":
        event = await receive()
    seen.append((event["type"], time.monotonic()))


async def flood(scope: Any, receive: Any, send: Any) -> None:
    await send(start())
    try:
        for number in range(1_000_000):
            seen[:] = [number]
            await send(body(b"x" * 10_000, True))
    except ClientDisconnected:
        seen.append("disconnected")


async def duplex(scope: Any, receive: Any, send: Any) -> None:
    await send(start())
    more = True
    while more:
        event = await receive()
        more = event["more_body"]
        await send(body(event["body"].upper(), more))


async def ignoring(scope: Any, receive: Any, send: Any) -> None:
    await send(start(413))
    await send(body(b"too large"))


async def deaf(scope: Any, receive: Any, send: Any) -> None:
    await send(start())
    await send(body(b"one", True))
    await asyncio.sleep(60)


async def sleeper(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(60)


async def half(scope: Any, receive: Any, send: Any) -> None:
    await send(start())
    await send(body(b"half", True))
    raise LookupError("in the middle")


async def silent(scope: Any, receive: Any, send: Any) -> None:
    pass


async def short(scope: Any, receive: Any, send: Any) -> None:
    await send(start(200, (b"content-length", b"5")))
    await send(body(b"four"))


async def swallowed(scope: Any, receive: Any, send: Any) -> None:
    await send(start(200, (b"content-length", b"4")))
    try:
        await send(body("text"))
    except TypeError:
        await send(body(b"four"))


async def bad_header(scope: Any, receive: Any, send: Any) -> None:
    await send(start(200, (b"a", b"b\r\nc: d")))


async def unknown(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.begin"})


async def unawaited(scope: Any, receive: Any, send: Any) -> None:
    await send(start())
    send(body(b"sent all the same"))


async def late(scope: Any, receive: Any, send: Any) -> None:
    async def more() -> None:
        await asyncio.sleep(0.01)
        try:
            await send(body(b"more"))
        except RuntimeError:
            seen.append("refused")

    seen.append(asyncio.ensure_future(more()))
    await send(start())
    await send(body(b"all"))


async def blocking(scope: Any, receive: Any, send: Any) -> None:
    time.sleep(1.5)
    await send(start())
    await send(body(b"late"))


async def leaky(scope: Any, receive: Any, send: Any) -> None:
    seen.append(asyncio.create_task(asyncio.sleep(60), name="leak"))
    await ignoring(scope, receive, send)


async def trailers(scope: Any, receive: Any, send: Any) -> None:
    links = [b"</style.css>; rel=preload"]
    await send({"type": "http.response.early_hint", "links": links})
    await send({**start(), "trailers": True})
    await send(body(b"body"))
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})


async def file(scope: Any, receive: Any, send: Any) -> None:
    await send(start())
    await send({"type": "http.response.pathsend", "path": __file__})


async def chat(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await asyncio.sleep(0)
        await send({"type": "websocket.send", "text": event["text"]})
    seen.append(event)


async def stuck(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await asyncio.sleep(60)


@pytest.fixture
def client() -> Iterator[TestClient]:
    seen.clear()
    with TestClient(app, extensions={"pathsend": True}) as client:
        yield client


def test_the_first_event_arrives_while_the_app_waits_and_a_cancel_is_seen(client: TestClient) -> None:
    released.append(threading.Event())
    with client.stream("GET", "/events") as response:
        lines = response.iter_lines()
        assert [next(lines), next(lines)] == ["data: first", ""]
        assert not released[-1].is_set()
        released[-1].set()
        assert next(lines) == "data: second"
        left = time.monotonic()
        response.close()
    ((kind, when),) = seen
    assert kind == "http.disconnect"
    assert when - left < 1


def test_an_app_is_not_read_further_than_its_reader(client: TestClient) -> None:
    with client.stream("GET", "/flood") as response:
        next(response.iter_raw())
        time.sleep(0.05)
        assert seen[0] < 50
    assert seen[1:] == ["disconnected"]


def test_uploads_and_responses_stream_at_once(client: TestClient) -> None:
    sent = []

    def upload() -> Iterator[bytes]:
        for number in range(200):
            sent.append(number)
            yield b"a" * 10_000

    with client.stream("POST", "/duplex", content=upload()) as response:
        received = response.iter_raw()
        first = next(received)
        assert first.startswith(b"AAAA")
        assert len(sent) < 200
        assert len(first) + sum(map(len, received)) == 2_000_000


def test_an_answer_ends_an_upload(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 10_000

    assert client.post("/ignoring", content=endless()).text == "too large"


def test_an_upload_that_fails_is_a_client_that_leaves(client: TestClient) -> None:
    def failing() -> Iterator[bytes]:
        yield b"one"
        raise LookupError("the upload's own")

    with pytest.raises(LookupError, match="the upload's own"):
        client.post("/duplex", content=failing())


def test_expect_continue_holds_the_body_back(client: TestClient) -> None:
    response = client.post("/ignoring", content=iter([b"never"]), headers={"Expect": "100-continue"})
    assert response.status_code == 413
    response = client.post("/duplex", content=iter([b"asked"]), headers={"Expect": "100-continue"})
    assert response.text == "ASKED"


@pytest.mark.parametrize("path", ["/sleeper", "/deaf"])
def test_timeouts_name_where_the_app_waits(client: TestClient, path: str) -> None:
    with pytest.raises(httpx2.ReadTimeout, match=r"test_client\.py:\d+ in .*: await asyncio\.sleep\(60\)"):
        client.get(path, timeout=0.2)


def test_timeouts_name_what_blocks_the_loop(client: TestClient) -> None:
    with pytest.raises(
        httpx2.ReadTimeout, match=r"GET /blocking: .* blocks the event loop: .* in blocking: time\.sleep"
    ):
        client.get("/blocking", timeout=0.2)
    # The loop is free again in a while, and goes on.
    assert client.get("/blocking", timeout=30).text == "late"


def test_an_upload_runs_on_the_thread_of_its_test(client: TestClient) -> None:
    threads = []

    def upload() -> Iterator[bytes]:
        for _ in range(3):
            threads.append(threading.current_thread())
            yield b"x" * 100_000

    assert client.post("/duplex", content=upload()).content == b"X" * 300_000
    assert set(threads) == {threading.current_thread()}


def test_an_app_that_does_not_notice_that_its_reader_has_left(client: TestClient) -> None:
    warned = pytest.warns(ASGIWarning, match="went on for 1 s after its client had left, and was cancelled.* in deaf")
    with warned, client.stream("GET", "/deaf"):
        pass


def test_what_the_app_raises_within_its_response(client: TestClient) -> None:
    with pytest.raises(LookupError, match="in the middle"):
        client.get("/half")
    with TestClient(app, raise_server_exceptions=False) as other, pytest.raises(httpx2.RemoteProtocolError):
        other.get("/half")


def test_no_response(client: TestClient) -> None:
    with pytest.raises(NoResponse, match="returned without sending"):
        client.get("/silent")
    with TestClient(app, raise_server_exceptions=False) as other:
        assert other.get("/silent").status_code == 500


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("/short", RuntimeError, "the body is shorter than its content-length: 4 bytes at its end, 5 declared"),
        ("/bad_header", ValueError, "header"),
        ("/unknown", RuntimeError, "http.response.begin"),
        ("/swallowed", ASGIViolation, "'body'"),
    ],
)
def test_what_servers_refuse_fails_the_test(client: TestClient, path: str, kind: type, reason: str) -> None:
    with pytest.raises(kind, match=reason):
        client.get(path)


def test_a_call_that_is_not_awaited_is_warned_of(client: TestClient) -> None:
    with pytest.warns(ASGIWarning, match=r"send\('http.response.body'\) was called and never awaited") as caught:
        assert client.get("/unawaited").text == "sent all the same"
    if sys.version_info >= (3, 12):
        assert caught[0].filename == __file__


def test_late_events_and_forgotten_tasks_are_warned_of() -> None:
    seen.clear()
    client = TestClient(app)
    assert client.get("/late").text == "all"
    while "refused" not in seen:
        time.sleep(0.01)
    with pytest.warns(ASGIWarning, match="sent after the application had returned"):
        client.close()
    client = TestClient(app)
    client.get("/leaky")
    with pytest.warns(ASGIWarning, match="the task 'leak' was never ended"):
        client.close()


def test_trailers_hints_and_files(client: TestClient) -> None:
    response = client.get("/trailers", headers={"TE": "trailers"})
    assert response.text == "body"
    assert response.extensions["http.response.trailers"] == [(b"x-sum", b"1")]
    assert response.extensions["early_hints"] == [(b"link", b"</style.css>; rel=preload")]
    with open(__file__) as source:
        assert client.get("/file").text == source.read()


def test_a_websocket_that_sends_more_than_the_app_takes(client: TestClient) -> None:
    with client.websocket_connect("/chat") as websocket:
        for number in range(500):
            websocket.send_text(f"{number}" * 100)
        assert [websocket.receive_text() for _ in range(500)] == [f"{number}" * 100 for number in range(500)]
        websocket.close(4000, "enough")
    assert seen == [{"type": "websocket.disconnect", "code": 4000, "reason": "enough"}]


def test_a_websocket_that_does_not_notice(client: TestClient) -> None:
    cancelled = pytest.warns(ASGIWarning, match=r"cancelled.* in stuck: await asyncio\.sleep")
    with cancelled, client.websocket_connect("/stuck"):
        pass


def test_a_websocket_that_says_nothing() -> None:
    late = pytest.raises(httpx2.ReadTimeout, match="has not sent a message")
    client = TestClient(app, timeout=0.1)
    with pytest.warns(ASGIWarning), late, client.websocket_connect("/stuck") as websocket:
        websocket.receive_text()
    client.close()


def test_root_paths_are_put_before_paths() -> None:
    async def paths(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(f"{scope['root_path']} {scope['path']} {scope['raw_path'].decode()}".encode()))

    with TestClient(paths, root_path="/api", lifespan="off") as client:
        assert client.get("/é").text == "/api /api/é /api/%C3%A9"


@pytest.mark.parametrize("module", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_the_transport_in_a_users_own_client(module: Any) -> None:
    seen.clear()
    with module.Client(transport=BridgeTransport(app), base_url="https://example.org") as client:
        assert type(client.post("/duplex", content=b"abc")) is module.Response
        with client.stream("POST", "/duplex", content=iter([b"a", b"b"])) as response:
            assert response.read() == b"AB"
        with pytest.raises(module.LocalProtocolError):
            client.get("/duplex", headers={"a": b"b\nc"})
        with pytest.raises(module.UnsupportedProtocol):
            client.get("ftp://example.org/")


@pytest.mark.parametrize("lifespan", ["auto", "on", "off"])
def test_lifespan_modes(lifespan: Any) -> None:
    if lifespan == "on":
        with pytest.raises(AssertionError), TestClient(app, lifespan=lifespan):
            pass
    else:
        with TestClient(app, lifespan=lifespan) as client:
            assert client.get("/ignoring").status_code == 413


def test_trio_is_refused() -> None:
    with pytest.raises(ValueError, match="'trio'"):
        TestClient(app, backend="trio")


def test_many_clients_leave_nothing() -> None:
    def count() -> tuple[int, list[str]]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), sorted(thread.name for thread in threading.enumerate())

    def use() -> None:
        with TestClient(app) as client:
            assert client.get("/ignoring").status_code == 413
            with client.websocket_connect("/chat") as websocket:
                websocket.send_text("x")
                assert websocket.receive_text() == "x"
        other = TestClient(app)
        assert other.get("/ignoring").status_code == 413
        other.close()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        use()
        before = count()
        for _ in range(100):
            use()
    # Fewer are as well: those of an earlier test were still to be collected. The last client's go in a moment.
    deadline = time.monotonic() + 10
    while (after := count())[0] > before[0] or after[1] != before[1]:
        assert time.monotonic() < deadline, (before, after)
        time.sleep(0.05)


def test_a_client_that_nobody_closes_takes_its_thread_with_it() -> None:
    client = TestClient(app)
    assert client.get("/ignoring").status_code == 413
    names = [thread.name for thread in threading.enumerate()]
    assert "asgi-node-loop" in names
    del client
    gc.collect()
    deadline = time.monotonic() + 10
    while "asgi-node-loop" in [thread.name for thread in threading.enumerate()]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_process_ends_although_a_client_is_open() -> None:
    script = """
from asgi_node.testing import TestClient
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})
client = TestClient(app)
print(client.get("/").status_code)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "error", "-c", script]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.stdout, ended.stderr, ended.returncode) == ("204\n", "", 0)
