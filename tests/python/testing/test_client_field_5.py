"""A file that an application sends is its own again when ``send()`` returns, also for the test client."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from asgi_node.testing import TestClient

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 3 << 20


def test_field_5_a_file_is_the_applications_again_when_send_returns(tmp_path: Path) -> None:
    path = tmp_path / "sent"
    path.write_bytes(b"x" * SIZE)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.pathsend", "path": str(path)})
            os.truncate(path, 0)

    with TestClient(app, extensions={"pathsend": True}) as client:
        assert len(client.get("/").content) == SIZE
    assert path.stat().st_size == 0


def test_field_5_send_raises_where_the_client_leaves_in_the_middle(tmp_path: Path) -> None:
    path = tmp_path / "sent"
    path.write_bytes(b"x" * SIZE)
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200})
            with pytest.raises(OSError, match="the client has disconnected"):
                await send({"type": "http.response.pathsend", "path": str(path)})
            seen.append("left")

    with TestClient(app, extensions={"pathsend": True}) as client, client.stream("GET", "/") as response:
        assert next(response.iter_raw(1)) == b"x"
    assert seen == ["left"]
