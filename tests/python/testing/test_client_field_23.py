"""What differed between our test clients and Starlette's without a reason."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import starlette.testclient
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from asgi_node.host import AppHost
from asgi_node.testing import AsyncTestClient, NoResponse, TestClient, WebSocketDenialResponse, WebSocketDisconnect

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")
started: ContextVar[str] = ContextVar("started", default="no")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def whose(request: Request) -> Response:
    seen = tenant.get()
    tenant.set("the request's own")
    return JSONResponse([seen, started.get()])


async def whose_socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(tenant.get())
    await websocket.close()


async def failing_socket(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        await websocket.receive_text()
        raise LookupError("the application's own")
    except LookupError:
        await websocket.close(code=1011)
        raise


async def refusing_socket(websocket: WebSocket) -> None:
    await websocket.send_denial_response(Response("no", status_code=401))


app = Starlette(
    routes=[
        Route("/", whose),
        WebSocketRoute("/whose", whose_socket),
        WebSocketRoute("/failing", failing_socket),
        WebSocketRoute("/refusing", refusing_socket),
    ],
)


async def with_start_up(scope: Any, receive: Receive, send: Send) -> None:
    """As `app`, and its start-up sets a variable."""
    if scope["type"] != "lifespan":
        await app(scope, receive, send)
        return
    await receive()
    started.set("yes")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


@pytest.fixture
def restored() -> Iterator[None]:
    """Puts the variable back."""
    token = tenant.set("before")
    yield
    tenant.reset(token)


@pytest.mark.usefixtures("restored")
def test_field_23_the_application_sees_context_variables_that_a_test_sets_after_entering() -> None:
    with TestClient(with_start_up) as client:
        assert client.get("/").json()[0] == "before"
        tenant.set("after")
        assert client.get("/").json()[0] == "after"
        # A copy: what a request sets is its own.
        assert client.get("/").json()[0] == "after"
        assert tenant.get() == "after"
        with client.websocket_connect("/whose") as websocket:
            assert websocket.receive_text() == "after"


@pytest.mark.usefixtures("restored")
def test_field_23_without_entering() -> None:
    client = TestClient(app)
    assert client.get("/").json()[0] == "before"
    tenant.set("after")
    assert client.get("/").json()[0] == "after"
    client.close()


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("isolate_loop", [False, True])
@pytest.mark.asyncio
async def test_field_23_context_variables_of_asynchronous_tests(isolate_loop: bool) -> None:
    async with AsyncTestClient(app, isolate_loop=isolate_loop) as client:
        assert (await client.get("/")).json()[0] == "before"
        tenant.set("after")
        assert (await client.get("/")).json()[0] == "after"


@pytest.mark.usefixtures("restored")
def test_field_23_variables_of_the_start_up_stay_as_in_production() -> None:
    with TestClient(with_start_up) as client:
        tenant.set("after")
        assert client.get("/").json() == ["after", "yes"]


def test_field_23_a_denial_is_starlettes() -> None:
    assert issubclass(WebSocketDenialResponse, starlette.testclient.WebSocketDenialResponse)
    denied = pytest.raises(starlette.testclient.WebSocketDenialResponse)
    with TestClient(app) as client, denied as caught, client.websocket_connect("/refusing"):
        pass
    assert (caught.value.status_code, caught.value.text) == (401, "no")
    assert isinstance(caught.value, WebSocketDisconnect)


def test_field_23_a_file_that_has_shrunk_raises(tmp_path: Path) -> None:
    path = tmp_path / "file"

    async def sending(scope: Any, receive: Receive, send: Send) -> None:
        path.write_bytes(b"x" * 1_000_000)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.pathsend", "path": str(path)})

    with TestClient(sending, extensions={"pathsend": True}, lifespan="off") as client:
        response = client.get("/")
        assert len(response.content) == 1_000_000
        with client.stream("GET", "/") as response:
            path.write_bytes(b"short")
            with pytest.raises(httpx2.RemoteProtocolError, match=r"become shorter: \d+ bytes are missing"):
                response.read()


def test_field_23_the_queue_of_messages_is_as_long_as_in_node() -> None:
    documents = Path(__file__).parents[3] / "docs" / "websocket.md"
    assert "| `maxQueue` | 32 |" in documents.read_text()
    assert inspect.signature(AppHost).parameters["max_queue"].default == 32


def test_field_23_an_exception_is_not_lost_when_the_application_closes_after_its_client() -> None:
    with TestClient(app) as client:
        for _ in range(20):
            failed = pytest.raises(LookupError, match="the application's own")
            with failed, client.websocket_connect("/failing") as websocket:
                websocket.send_text("x")


def test_field_23_a_close_after_the_clients_is_no_error() -> None:
    seen: list[Any] = []

    async def closing(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        seen.append(await receive())
        await send({"type": "websocket.close", "code": 4001})
        # It stays the client's close that is seen.
        seen.append(await receive())

    with TestClient(closing, lifespan="off") as client, client.websocket_connect("/") as websocket:
        websocket.close(4000, "mine")
    left = {"type": "websocket.disconnect", "code": 4000, "reason": "mine"}
    assert seen == [left, left]


async def with_trailers(scope: Any, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "trailers": True})
    await send({"type": "http.response.body", "body": b"body"})
    if scope["path"] == "/":
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": True})
        await send({"type": "http.response.trailers", "headers": [(b"X-More", b"2")]})


@pytest.mark.parametrize("headers", [{}, {"te": "trailers"}])
def test_field_23_trailers_do_not_have_to_be_asked_for(headers: dict[str, str]) -> None:
    with TestClient(with_trailers, lifespan="off") as client:
        response = client.get("/", headers=headers)
    assert response.text == "body"
    assert response.extensions["http.response.trailers"] == [(b"x-sum", b"1"), (b"X-More", b"2")]


def test_field_23_trailers_are_there_as_soon_as_they_were_sent() -> None:
    sent = threading.Event()

    async def sending(scope: Any, receive: Receive, send: Send) -> None:
        await with_trailers(scope, receive, send)
        sent.set()

    with TestClient(sending, lifespan="off") as client, client.stream("GET", "/") as response:
        assert next(response.iter_raw()) == b"body"
        assert sent.wait(10)
        assert response.extensions["http.response.trailers"] == [(b"x-sum", b"1"), (b"X-More", b"2")]


def test_field_23_missing_trailers_are_called_that() -> None:
    missing = pytest.raises(NoResponse, match=r"before its response was complete \(no final http\.response\.trailers\)")
    with TestClient(with_trailers, lifespan="off") as client, missing:
        client.get("/none")


def test_field_23_headers_of_an_accepted_websocket_keep_their_case() -> None:
    async def accepting(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"X-Test", b"Value"), (b"x-more", b"1")]})
        await receive()

    with TestClient(accepting, lifespan="off") as client, client.websocket_connect("/") as websocket:
        assert websocket.extra_headers == [(b"X-Test", b"Value"), (b"x-more", b"1")]


def test_field_23_a_message_of_another_type_reaches_the_application() -> None:
    seen: list[Any] = []

    async def receiving(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(3):
            seen.append(await receive())

    with TestClient(receiving, lifespan="off") as client, client.websocket_connect("/") as websocket:
        websocket.send_text("one")
        websocket.send({"type": "websocket.connect"})
        websocket.send_text("two")
    assert seen == [
        {"type": "websocket.receive", "text": "one"},
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": "two"},
    ]


def test_field_23_a_500_has_the_body_that_node_sends() -> None:
    async def failing(scope: Any, receive: Receive, send: Send) -> None:
        raise LookupError

    with TestClient(failing, lifespan="off", raise_server_exceptions=False) as client:
        response = client.get("/")
    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
