"""The asynchronous client, on the test's loop and beside it, under pytest-asyncio and anyio."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from asgi_node.testing import (
    AsyncBridgeTransport,
    AsyncTestClient,
    WebSocketDenialResponse,
)

seen: list[Any] = []


async def loop_of(request: Request) -> Response:
    seen.append(asyncio.get_running_loop())
    return PlainTextResponse(request.state.greeting if hasattr(request.state, "greeting") else "none")


async def echo(request: Request) -> Response:
    return StreamingResponse(request.stream())


async def events(request: Request) -> Response:
    async def ticks() -> AsyncIterator[bytes]:
        while True:
            yield b"tick"
            await asyncio.sleep(0.01)

    return StreamingResponse(ticks())


async def broken(request: Request) -> Response:
    raise LookupError("broken")


async def sleeper(request: Request) -> Response:
    await asyncio.sleep(60)
    raise AssertionError


async def blocker(request: Request) -> Response:
    time.sleep(0.5)
    return Response()


async def chat(websocket: WebSocket) -> None:
    await websocket.accept("one")
    try:
        while True:
            message = await websocket.receive_text()
            if message == "boom":
                raise LookupError(message)
            await websocket.send_text(message.upper())
    except WebSocketDisconnect as left:
        seen.append(left.code)


async def denying(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse("no", status_code=401))


async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    seen.append("up")
    yield {"greeting": "hello"}
    seen.append("down")


routes = [
    Route("/loop", loop_of),
    Route("/echo", echo, methods=["POST"]),
    Route("/events", events),
    Route("/broken", broken),
    Route("/sleeper", sleeper),
    Route("/blocker", blocker),
    WebSocketRoute("/chat", chat),
    WebSocketRoute("/denying", denying),
]


def make() -> Starlette:
    from contextlib import asynccontextmanager

    return Starlette(routes=routes, lifespan=asynccontextmanager(lifespan))


@pytest.fixture(params=[False, True], ids=["same loop", "own loop"], autouse=True)
def isolate(request: pytest.FixtureRequest) -> bool:
    seen.clear()
    return bool(request.param)


@pytest.mark.asyncio
async def test_requests_and_lifespan(isolate: bool) -> None:
    async with AsyncTestClient(make(), isolate_loop=isolate) as client:
        assert seen == ["up"]
        assert (await client.get("/loop")).text == "hello"
        assert client.app_state == {"greeting": "hello"}
        assert (seen.pop() is asyncio.get_running_loop()) is not isolate
        answers = await asyncio.gather(*[client.post("/echo", content=b"%d" % number) for number in range(30)])
        assert [answer.text for answer in answers] == [str(number) for number in range(30)]
        with pytest.raises(LookupError, match="broken"):
            await client.get("/broken")
    assert seen == ["up", "down"]


@pytest.mark.anyio
async def test_under_anyio(isolate: bool) -> None:
    async with AsyncTestClient(make(), isolate_loop=isolate) as client:
        assert (await client.get("/loop")).text == "hello"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.asyncio
async def test_without_async_with_there_is_no_lifespan(isolate: bool) -> None:
    client = AsyncTestClient(make(), isolate_loop=isolate)
    answers = await asyncio.gather(*[client.get("/loop") for _ in range(5)])
    assert [answer.text for answer in answers] == ["none"] * 5
    await client.aclose()
    assert "up" not in seen


@pytest.mark.asyncio
async def test_streams_both_ways(isolate: bool) -> None:
    async def upload() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 10_000

    async def failing() -> AsyncIterator[bytes]:
        yield b"x"
        raise ZeroDivisionError("in the upload")

    async with AsyncTestClient(make(), isolate_loop=isolate) as client:
        async with client.stream("POST", "/echo", content=upload()) as response:
            assert sum([len(chunk) async for chunk in response.aiter_raw()]) == 1_000_000
        with pytest.raises(ZeroDivisionError):
            await client.post("/echo", content=failing())


@pytest.mark.asyncio
async def test_a_reader_that_leaves_is_seen_within_a_second(isolate: bool) -> None:
    async with AsyncTestClient(make(), isolate_loop=isolate) as client:
        async with client.stream("GET", "/events") as response:
            chunks = response.aiter_raw()
            assert (await anext(chunks)).startswith(b"tick")
            left = time.monotonic()
        # By itself: cancelling it would have been reported.
        assert time.monotonic() - left < 1


@pytest.mark.asyncio
async def test_timeouts_say_where(isolate: bool) -> None:
    async with AsyncTestClient(make(), isolate_loop=isolate, timeout=0.1) as client:
        with pytest.raises(httpx2.ReadTimeout, match=r"in sleeper: await asyncio\.sleep\(60\)"):
            await client.get("/sleeper")
        if isolate:
            with pytest.raises(httpx2.ReadTimeout, match=r"blocks the event loop: .* in blocker: time\.sleep"):
                await client.get("/blocker")


@pytest.mark.asyncio
async def test_websockets(isolate: bool) -> None:
    async with AsyncTestClient(make(), isolate_loop=isolate) as client:
        async with client.websocket_connect("/chat", subprotocols=["one"]) as websocket:
            assert websocket.accepted_subprotocol == "one"
            await websocket.send_text("hello")
            assert await websocket.receive_text() == "HELLO"
            await websocket.send_json({"a": 1})
            assert await websocket.receive_json() == {"A": 1}
            await websocket.close(4000)
        assert seen == ["up", 4000]
        async with client.websocket_connect("/chat", subprotocols=["one"]) as websocket:
            await websocket.send_text("boom")
            with pytest.raises(LookupError, match="boom"):
                await websocket.receive_text()
        with pytest.raises(WebSocketDenialResponse) as denied:
            async with client.websocket_connect("/denying"):
                pass
        assert (denied.value.status_code, denied.value.text) == (401, "no")


@pytest.mark.asyncio
@pytest.mark.parametrize("module", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_the_transport_in_a_users_own_client(isolate: bool, module: Any) -> None:
    transport = AsyncBridgeTransport(make(), isolate_loop=isolate)
    async with module.AsyncClient(transport=transport, base_url="http://x") as client:
        response = await client.post("/echo", content=b"abc")
        assert (type(response), response.text) == (module.Response, "abc")


def test_a_client_outlives_the_loop_of_a_test(isolate: bool) -> None:
    client = AsyncTestClient(make(), isolate_loop=isolate)

    async def ask() -> str:
        return (await client.get("/loop")).text

    assert [asyncio.run(ask()) for _ in range(3)] == ["none"] * 3
    asyncio.run(client.aclose())


def test_many_clients_leave_nothing(isolate: bool) -> None:
    def count() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    async def use() -> None:
        async with AsyncTestClient(make(), isolate_loop=isolate) as client:
            await client.get("/loop")
            async with client.websocket_connect("/chat", subprotocols=["one"]) as websocket:
                await websocket.send_text("a")
                await websocket.receive_text()

    async def many() -> None:
        await use()
        before, tasks = count(), len(asyncio.all_tasks())
        for _ in range(50):
            await use()
        # Fewer are as well: those of an earlier test were still to be collected. The last client's go in a moment.
        async with asyncio.timeout(10):
            while (after := count())[0] > before[0] or after[1] > before[1]:
                await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) == tasks

    asyncio.run(many())
