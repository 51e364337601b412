"""The pytest plugin as it was installed: an application without Node, and behind the one of this folder."""

import app as application
import httpx2
import pytest


@pytest.fixture
def asgi_app():
    return application.app


def test_client(asgi_client):
    assert asgi_client.get("/hello").json() == "hello"


def test_websocket(asgi_client):
    with asgi_client.websocket_connect("/") as socket:
        socket.send_text("through pytest")
        assert socket.receive_text() == "THROUGH PYTEST"


def test_node(asgi_node_server):
    assert httpx2.get(f"{asgi_node_server}/hello").json() == "hello"
