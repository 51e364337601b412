"""A hello application through our test client, Starlette's, and httpx's ASGITransport, in one run.

    PYTHONPATH=python .venv/bin/python benches/clients.py [requests]

Prints microseconds a request (the better of two rounds) and how often ours goes into Starlette's. Exit status 1 below
3.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx2
from starlette.testclient import TestClient as StarletteClient

from asgi_node.testing import AsyncTestClient, TestClient

LEAST = 3.0
REQUESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 2000


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Says hello, and knows lifespan: both clients run it."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


def sync_client(make: Callable[[Any], Any]) -> float:
    """Seconds a request inside of `with`."""
    with make(app) as client:
        for _ in range(REQUESTS // 10):
            assert client.get("/").text == "hello"
        started = time.perf_counter()
        for _ in range(REQUESTS):
            client.get("/")
        return (time.perf_counter() - started) / REQUESTS


def without_with(make: Callable[[Any], Any]) -> float:
    """Seconds a request of a client that was not entered."""
    client = make(app)
    count = REQUESTS // 10
    started = time.perf_counter()
    for _ in range(count):
        client.get("/")
    elapsed = (time.perf_counter() - started) / count
    client.close()
    return elapsed


def async_client(make: Callable[[Any], Any]) -> float:
    """Seconds a request, one at a time."""

    async def ask() -> float:
        async with make(app) as client:
            for _ in range(REQUESTS // 10):
                assert (await client.get("/")).text == "hello"
            started = time.perf_counter()
            for _ in range(REQUESTS):
                await client.get("/")
            return (time.perf_counter() - started) / REQUESTS

    return asyncio.run(ask())


def asgi_transport(app: Any) -> httpx2.AsyncClient:
    """httpx's own: no lifespan, no stream, no rule of a server."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://testserver")


def main() -> int:
    """All of them, twice, in turn."""
    cases: dict[str, Callable[[], float]] = {
        "asgi_node TestClient": lambda: sync_client(TestClient),
        "Starlette TestClient": lambda: sync_client(StarletteClient),
        "asgi_node TestClient, without with": lambda: without_with(TestClient),
        "Starlette TestClient, without with": lambda: without_with(StarletteClient),
        "asgi_node AsyncTestClient": lambda: async_client(AsyncTestClient),
        "httpx ASGITransport": lambda: async_client(asgi_transport),
    }
    best = {name: min(case() for _ in range(2)) for name, case in cases.items()}
    for name, seconds in best.items():
        print(f"{name:<36}{seconds * 1e6:10.0f} us a request")
    ratio = best["Starlette TestClient"] / best["asgi_node TestClient"]
    bare = best["Starlette TestClient, without with"] / best["asgi_node TestClient, without with"]
    print(f"{ratio:.1f} times as fast as Starlette's, {bare:.1f} times without with (at least {LEAST:g} are demanded)")
    return 0 if ratio >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
