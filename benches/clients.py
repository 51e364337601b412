"""A hello application through our test client, Starlette's, and httpx's ASGITransport, in one run.

    PYTHONPATH=python .venv/bin/python benches/clients.py [requests]

All of them in turn, in six rounds. Prints microseconds a request in the best round, by the clock and of CPU, and how
often ours goes into Starlette's. Exit status 1 below 4, by CPU: that does not depend on what else runs.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any, Self

import httpx2
from starlette.testclient import TestClient as StarletteClient

from asgi_node.testing import AsyncTestClient, TestClient

LEAST = 4.0
ROUNDS = 6
REQUESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 3000

# Seconds by the clock and of CPU, a request.
Cost = tuple[float, float]


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


class Watch:
    """Measures what happens within it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.cost: Cost = (0.0, 0.0)

    def __enter__(self) -> Self:
        self._started = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        wall, cpu = self._started
        self.cost = (time.perf_counter() - wall) / self.count, (time.process_time() - cpu) / self.count


def entered(make: Callable[[Any], Any]) -> Cost:
    """Of a client within `with`."""
    with make(app) as client:
        for _ in range(20):
            assert client.get("/").text == "hello"
        with Watch(REQUESTS // ROUNDS) as watch:
            for _ in range(watch.count):
                client.get("/")
    return watch.cost


def bare(make: Callable[[Any], Any]) -> Cost:
    """Of a client that was not entered."""
    client = make(app)
    with Watch(max(1, REQUESTS // ROUNDS // 10)) as watch:
        for _ in range(watch.count):
            client.get("/")
    client.close()
    return watch.cost


def asynchronous(make: Callable[[Any], Any]) -> Cost:
    """Of a client that is awaited, one request at a time."""

    async def ask() -> Cost:
        async with make(app) as client:
            for _ in range(20):
                assert (await client.get("/")).text == "hello"
            with Watch(REQUESTS // ROUNDS) as watch:
                for _ in range(watch.count):
                    await client.get("/")
        return watch.cost

    return asyncio.run(ask())


def asgi_transport(app: Any) -> httpx2.AsyncClient:
    """httpx's own: no lifespan, no stream, no rule of a server."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://testserver")


CASES: dict[str, Callable[[], Cost]] = {
    "asgi_node TestClient": lambda: entered(TestClient),
    "Starlette TestClient": lambda: entered(StarletteClient),
    "asgi_node TestClient, without with": lambda: bare(TestClient),
    "Starlette TestClient, without with": lambda: bare(StarletteClient),
    "asgi_node AsyncTestClient": lambda: asynchronous(AsyncTestClient),
    "httpx ASGITransport": lambda: asynchronous(asgi_transport),
}


def main() -> int:
    """All of them."""
    costs: dict[str, list[Cost]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, case in CASES.items():
            costs[name].append(case())
    best = {name: (min(wall for wall, _ in rounds), min(cpu for _, cpu in rounds)) for name, rounds in costs.items()}
    for name, (wall, cpu) in best.items():
        print(f"{name:<36}{wall * 1e6:8.0f} us a request, {cpu * 1e6:6.0f} us of CPU")

    def ratio(kind: str, index: int) -> float:
        return best[f"Starlette TestClient{kind}"][index] / best[f"asgi_node TestClient{kind}"][index]

    print(
        f"{ratio('', 0):.1f} times as fast as Starlette's ({ratio('', 1):.1f} by CPU), "
        f"{ratio(', without with', 0):.1f} times without with; at least {LEAST:g} by CPU are demanded"
    )
    return 0 if ratio("", 1) >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
