"""The test clients over each framework: JSON, errors, streams, uploads, cookies, start-up, WebSockets."""

import importlib
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from asgi_node.testing import AsyncTestClient, TestClient, WebSocketDisconnect

FIXTURES = Path(__file__).parents[3] / "fixtures" / "apps"

# What the fixtures do that Litestar 3 will not.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DATA = os.urandom(300_000)
DIGEST = sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FIXTURES))


def chunks() -> Any:
    return (DATA[start : start + 10_000] for start in range(0, len(DATA), 10_000))


@pytest.mark.parametrize("module", ["quart_app", "litestar_app"])
def test_quart_and_litestar(module: str) -> None:
    with TestClient(importlib.import_module(module).app) as client:
        assert client.get("/started").json() == {"started": True}
        assert client.post("/items", json={"name": "x", "price": 2}).json() == {"name": "x", "price": 2.0}
        assert client.post("/items", json={"name": "x", "price": "a lot"}).status_code == 400
        assert client.post("/upload", content=chunks()).json() == {"size": len(DATA), "sha256": DIGEST}
        assert [client.get("/cookie").text for _ in range(2)] == ["nothing", "before"]
        with client.stream("GET", "/stream") as response:
            assert list(response.iter_lines()) == [f"line {number}" for number in range(5)]
        assert client.get("/missing").status_code == 404


def test_fastapi() -> None:
    with TestClient("fastapi_app:app", docroot=str(FIXTURES)) as client:
        response = client.post("/items", json={"name": "x", "price": 2}, headers={"x-tag": "t"})
        assert response.json() == {"item": {"name": "x", "price": 2.0, "tags": []}, "total": 4.0}
        assert response.headers["x-tagged"] == "t"
        assert client.post("/items", json={"name": "x", "price": -1}).status_code == 422
        sent = client.post("/upload", files={"file": ("f.bin", DATA)}, data={"note": "n"})
        assert sent.json() == {"filename": "f.bin", "size": len(DATA), "sha256": DIGEST, "note": "n"}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("fast", "/echo/ada?token=t"),
        ("star", "/echo/ada"),
        ("quart_app", "/quart/echo/ada"),
        ("litestar_app", "/litestar/echo/ada"),
    ],
)
def test_websockets(name: str, path: str) -> None:
    app = getattr(importlib.import_module("websocket_frameworks"), name)
    with TestClient(app) as client, client.websocket_connect(path, subprotocols=["chat"]) as websocket:
        assert websocket.receive_json()["hello"] == "ada"
        websocket.send_text("text")
        assert websocket.receive_text() == "text"


def test_a_websocket_that_fastapi_refuses() -> None:
    """With what it says in its close, which is no text, as Starlette's own client does."""
    app = importlib.import_module("websocket_frameworks").fast
    with TestClient(app) as client:
        with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/page?number=x"):
            pass
        assert (refused.value.code, refused.value.reason[0]["loc"]) == (1008, ["query", "number"])


def test_django(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "django_app.settings")
    monkeypatch.setenv("DJANGO_APP_DATABASE", str(tmp_path / "db.sqlite3"))
    with TestClient("django_app.asgi:application", docroot=str(FIXTURES), base_url="http://localhost") as client:
        token = client.get("/guestbook/").text.partition("value=")[2].rstrip(">")
        sent = {"name": "Ada", "csrfmiddlewaretoken": token}
        response = client.post("/guestbook/", data=sent, files={"picture": ("p.png", DATA)})
        assert response.json() == {"name": "Ada", "size": len(DATA)}
        assert client.post("/guestbook/", data={"name": "Ada"}).status_code == 403
        with client.stream("GET", "/numbers/") as response:
            assert list(response.iter_lines()) == ["0", "1", "2", "3", "4"]
        assert client.get("/missing/").status_code == 404


@pytest.mark.asyncio
@pytest.mark.parametrize("module", ["quart_app", "litestar_app", "fastapi_app"])
async def test_on_the_tests_own_loop(module: str) -> None:
    async with AsyncTestClient(importlib.import_module(module).app) as client:
        answer = await client.post("/items", json={"name": "x", "price": 2})
        assert answer.status_code == 200
        assert "x" in answer.text
