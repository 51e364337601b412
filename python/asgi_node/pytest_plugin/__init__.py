"""Fixtures for tests of ASGI applications. Nothing happens unless a test asks for one.

To choose the application, override the fixture `asgi_app`, or name it as ``'module:attribute'`` with ``--asgi-app`` or
the ini option ``asgi_app``. Modules are looked for in pytest's root directory.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asgi_node.testing import AsyncTestClient, TestClient

    from .node_server import NodeServers

INI = "asgi_app"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--asgi-app`` and the ini option."""
    text = "the ASGI application of the fixtures of asgi-node, as module:attribute"
    parser.getgroup("asgi-node").addoption("--asgi-app", metavar="module:attribute", help=text)
    parser.addini(INI, text, default="")


@pytest.fixture
def asgi_app(pytestconfig: pytest.Config) -> Any:
    """The application, or its name: override it, with any scope, or use ``--asgi-app`` or the ini ``asgi_app``."""
    named = pytestconfig.getoption("--asgi-app") or pytestconfig.getini(INI)
    if not named:
        raise pytest.UsageError(
            "asgi-node does not know the application: override the fixture asgi_app, or set --asgi-app or the "
            "ini option asgi_app to 'module:attribute'"
        )
    return named


@pytest.fixture
def asgi_client(asgi_app: Any, pytestconfig: pytest.Config) -> Iterator[TestClient]:
    """An `asgi_node.testing.TestClient` of the application, whose lifespan runs as long as the test."""
    from asgi_node.testing import TestClient

    with TestClient(asgi_app, docroot=str(pytestconfig.rootpath)) as client:
        yield client


@pytest.fixture
def async_asgi_client(asgi_app: Any, pytestconfig: pytest.Config) -> Iterator[AsyncTestClient]:
    """An `asgi_node.testing.AsyncTestClient` of the application, whose lifespan runs as long as the test.

    For tests under pytest-asyncio (in any mode) or anyio. The application has an event loop of its own
    (``isolate_loop``), because no fixture knows the loop that a test will run on.
    """
    from asgi_node.testing import AsyncTestClient

    client = AsyncTestClient(asgi_app, isolate_loop=True, docroot=str(pytestconfig.rootpath))
    with client.started():
        yield client


@pytest.fixture
def asgi_lifespan(asgi_client: TestClient) -> dict[str, Any]:
    """What the start-up of `asgi_client`'s application left in the lifespan's state."""
    return asgi_client.app_state


@pytest.fixture
def asgi_node_server(asgi_app: Any, asgi_node_servers: NodeServers) -> str:
    """The URL of a Node that serves the application through the addon, on a free port of 127.0.0.1.

    Skips, with the reason, if Node, the npm package ``asgi-node`` or libpython is missing. The server is a process of
    its own, so the application must have a name: ``'module:attribute'``, or it must be a global of a module.
    """
    from .node_server import Unavailable

    try:
        return asgi_node_servers.url(asgi_app)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def asgi_node_servers(pytestconfig: pytest.Config) -> Iterator[NodeServers]:
    """The servers that run: one for each application, until the session ends."""
    from .node_server import NodeServers

    with NodeServers(str(pytestconfig.rootpath), sys.executable) as servers:
        yield servers
