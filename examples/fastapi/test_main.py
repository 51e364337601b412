"""The application through the rules that serve it in production, and without Node."""

import hashlib

import pytest

from asgi_node.testing import AsyncTestClient, TestClient


def test_the_page(asgi_client: TestClient) -> None:
    response = asgi_client.get("/")
    assert response.headers["content-type"].startswith("text/html")
    assert "<form" in response.text


def test_items(asgi_client: TestClient) -> None:
    response = asgi_client.post("/items", json={"name": "tea", "price": 4.2})
    assert response.status_code == 201
    assert response.json() == {"item": {"name": "tea", "price": 4.2, "tags": []}, "price_with_tax": 5.04}
    assert asgi_client.post("/items", json={"name": "tea", "price": -1}).status_code == 422


def test_lines_arrive_one_by_one(asgi_client: TestClient) -> None:
    with asgi_client.stream("GET", "/stream?count=1000") as response:
        assert next(response.iter_lines()) == "line 1 of 1000"


def test_uploads(asgi_client: TestClient) -> None:
    data = b"x" * 200_000
    sent = asgi_client.post("/upload", files={"file": ("x.bin", data)}).json()
    assert sent == {"name": "x.bin", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.mark.asyncio
async def test_items_and_lines_at_once(async_asgi_client: AsyncTestClient) -> None:
    async with async_asgi_client.stream("GET", "/stream?count=1000") as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "line 1 of 1000"
        created = await async_asgi_client.post("/items", json={"name": "tea", "price": 1})
        assert created.status_code == 201
        assert await anext(lines) == "line 2 of 1000"
