"""The wheel as it is installed."""

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.version import Version

import asgi_node
from asgi_node import _native

TEST = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})

import pytest

@pytest.fixture
def asgi_app():
    return app

def test_client(asgi_client):
    assert asgi_client.get("/").status_code == 204

def test_node(asgi_node_server):
    raise AssertionError
"""


def test_it_is_the_installed_one_and_there_is_no_node() -> None:
    assert "site-packages" in asgi_node.__file__
    assert _native.__version__ == asgi_node.__version__
    # PyPI's name for 1.0.0-beta.1 is 1.0.0b1.
    assert Version(asgi_node.__version__) == Version(importlib.metadata.version("asgi-node"))
    assert Path(asgi_node.__file__).with_name("py.typed").exists()
    assert shutil.which("node") is None


def test_one_file_serves_every_python() -> None:
    assert _native.__file__ is not None
    assert _native.__file__.endswith("_native.abi3.so")


def test_the_extras() -> None:
    needs = importlib.metadata.metadata("asgi-node").get_all("Provides-Extra")
    assert needs is not None
    assert {"test", "uvloop", "wsgi"} <= set(needs)


def test_pytest_finds_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "test_it.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed, 1 skipped" in ended.stdout, ended.stdout
    assert "there is no node on PATH" in ended.stdout
