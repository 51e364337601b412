"""Where an application documents its API, as its object says it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from quart import Quart
from starlette.applications import Starlette

from asgi_node.runtime import documentation
from asgi_node.testing import TestClient


def _litestar(**options: Any) -> Litestar:
    return Litestar([], **options)


def _quart(**options: Any) -> Quart:
    """A Quart with what Quart-Schema leaves there."""
    app = Quart("quart")
    paths = {"openapi_path": "/openapi.json", "swagger_ui_path": "/docs", "redoc_ui_path": "/redocs", **options}
    app.extensions["QUART_SCHEMA"] = SimpleNamespace(**paths)
    return app


class Raising:
    """An application whose attributes are code that fails."""

    def __getattr__(self, name: str) -> Any:
        if name in ("app", "docs_url", "extensions", "openapi_config", "openapi_url", "path"):
            raise RuntimeError(name)
        raise AttributeError(name)


class Endless:
    """An application inside itself."""

    @property
    def app(self) -> Endless:
        return self


async def plain(scope: Any, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize(
    ("app", "page"),
    [
        (FastAPI(), "/docs"),
        (FastAPI(docs_url="/help/"), "/help"),
        (FastAPI(docs_url=None), "/redoc"),
        (FastAPI(docs_url=None, redoc_url=None), None),
        (FastAPI(openapi_url=None), None),
        (CORSMiddleware(CORSMiddleware(FastAPI(docs_url="/in"))), "/in"),
        (_litestar(), "/schema"),
        (_litestar(path="/base"), "/base/schema"),
        (_litestar(openapi_config=OpenAPIConfig(title="t", version="1", path="/openapi")), "/openapi"),
        (_litestar(openapi_config=None), None),
        (_quart(), "/docs"),
        (_quart(swagger_ui_path=None), "/redocs"),
        (_quart(openapi_path=None), None),
        (Quart("plain"), None),
        (Starlette(), None),
        (plain, None),
        (Raising(), None),
        (Endless(), None),
    ],
)
def test_page(app: Any, page: str | None) -> None:
    assert documentation.page_of(app) == page


@pytest.mark.parametrize(
    "app",
    [FastAPI(), FastAPI(docs_url=None), _litestar(), _litestar(path="/base")],
    ids=["FastAPI", "FastAPI-redoc", "Litestar", "Litestar-below"],
)
def test_the_page_is_there(app: Any) -> None:
    """What is said of the object is where a request finds it."""
    page = documentation.page_of(app)
    assert page is not None
    with TestClient(app) as client:
        response = client.get(page, headers={"accept": "text/html"})
    assert response.status_code == 200
    assert "openapi" in response.text.lower()


class Queue:
    """Keeps what is handed over."""

    level = 40

    def __init__(self) -> None:
        self.records: list[tuple[int, dict[str, Any]]] = []

    def record(self, level: int, text: str) -> bool:
        self.records.append((level, json.loads(text)))
        return True


def test_told_once_below_every_level() -> None:
    queue = Queue()
    documentation.tell(FastAPI(), queue)  # type: ignore[arg-type]
    documentation.tell(plain, queue)  # type: ignore[arg-type]
    documentation.tell(FastAPI(), None)
    message = "The application documents its API on /docs"
    assert queue.records == [(10, {"n": "asgi_node", "m": message, "x": {"docs": "/docs"}})]
