"""The pytest plugin, in pytest runs of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asgi_node.pytest_plugin.node_server import NodeServers, Unavailable

ROOT = Path(__file__).parents[3]

APP = """
from contextlib import asynccontextmanager
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["answer"] = 42
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b"%d" % scope["state"]["answer"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": body})
"""

TESTS = """
import asyncio
import pytest

def test_sync(asgi_client):
    assert asgi_client.get("/").text == "42"

@pytest.mark.asyncio
async def test_asyncio(async_asgi_client):
    answers = await asyncio.gather(*[async_asgi_client.get("/") for _ in range(3)])
    assert [answer.text for answer in answers] == ["42"] * 3

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_anyio(async_asgi_client):
    assert (await async_asgi_client.get("/")).text == "42"

@pytest.mark.anyio
async def test_both(async_asgi_client, asgi_client):
    assert (await async_asgi_client.get("/")).text == asgi_client.get("/").text

def test_state(asgi_lifespan, asgi_client):
    assert asgi_lifespan == {"answer": 42}
    assert asgi_client.app_state is asgi_lifespan
"""

SERVER = """
import httpx2

def test_server(asgi_node_server):
    response = httpx2.get(asgi_node_server)
    assert (response.text, response.headers["content-length"]) == ("42", "2")

def test_the_same_server(asgi_node_server):
    assert httpx2.get(asgi_node_server).text == "42"

async def test_auto(async_asgi_client):
    assert (await async_asgi_client.get("/")).text == "42"
"""


# Each starts a pytest, and some a Node.
pytestmark = pytest.mark.timeout(300)

PLUGINS = ["asgi_node.pytest_plugin", "pytest_asyncio.plugin", "anyio.pytest_plugin", "xdist.plugin"]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in a folder, with the plugin as it is here: outside of a wheel it has no entry point."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    plugins = [part for plugin in PLUGINS for part in ("-p", plugin)]
    command = [sys.executable, "-m", "pytest", *plugins, "-W", "error", "-v", "-rs", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "main.py").write_text(APP)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return tmp_path


def link_package(folder: Path) -> None:
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "asgi-node").symlink_to(ROOT / "npm" / "asgi-node")


def test_the_app_by_ini_under_xdist(folder: Path) -> None:
    with (folder / "pytest.ini").open("a") as ini:
        ini.write("asgi_app = main:app\n")
    ended = run(folder, "-n", "2")
    assert ended.returncode == 0, ended.stdout
    assert "5 passed" in ended.stdout


def test_the_app_by_fixture_of_any_scope_in_any_order(folder: Path) -> None:
    fixture = '@pytest.fixture(scope="session")\ndef asgi_app():\n    from main import app\n    return app\n'
    (folder / "conftest.py").write_text(f"import pytest\n{fixture}")
    names = ["test_state", "test_both", "test_anyio", "test_asyncio", "test_sync"]
    ended = run(folder, *[f"test_it.py::{name}" for name in names])
    assert ended.returncode == 0, ended.stdout
    assert "5 passed" in ended.stdout


def test_nothing_is_automatic_and_no_app_says_what_to_do(folder: Path) -> None:
    (folder / "test_it.py").write_text(
        "import sys\n"
        "def test_nothing(): assert 'asgi_node.testing' not in sys.modules and 'main' not in sys.modules\n"
        "def test_client(asgi_client): pass\n"
    )
    ended = run(folder)
    assert "test_nothing PASSED" in ended.stdout
    assert "override the fixture asgi_app, or set --asgi-app" in ended.stdout
    assert "1 passed, 1 error" in ended.stdout


def test_a_real_node_and_the_app_by_option_in_auto_mode(folder: Path) -> None:
    link_package(folder)
    (folder / "test_it.py").write_text(SERVER)
    ended = run(folder, "--asgi-app", "main:app", "-o", "asyncio_mode=auto")
    assert ended.returncode == 0, ended.stdout
    assert "3 passed" in ended.stdout


def test_no_npm_package_is_a_reason_to_skip(folder: Path) -> None:
    with NodeServers(str(folder), sys.executable) as servers, pytest.raises(Unavailable, match="npm install asgi-node"):
        servers.url("main:app")


def test_no_node_is_a_reason_to_skip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with NodeServers(str(folder), sys.executable) as servers, pytest.raises(Unavailable, match="no node on PATH"):
        servers.url("main:app")


def test_an_app_without_a_name_is_a_reason_to_skip(folder: Path) -> None:
    with (
        NodeServers(str(folder), sys.executable) as servers,
        pytest.raises(Unavailable, match="is not a global of a module"),
    ):
        servers.url(object())


def test_an_app_that_fails_is_none(folder: Path) -> None:
    link_package(folder)
    (folder / "main.py").write_text("raise LookupError('at import')")
    with NodeServers(str(folder), sys.executable) as servers, pytest.raises(RuntimeError, match="APP_IMPORT_FAILED"):
        servers.url("main:app")
