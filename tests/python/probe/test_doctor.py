"""``python -m asgi_node doctor`` where there is no Node, or no npm package: what it says, and its exit status.

All other findings are those of the npm package, and are provoked in tests/repository/doctor.test.mjs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import asgi_node

# Those that are tested: of the repository, or of the wheel.
SOURCES = Path(asgi_node.__file__).parents[1]


def run(*arguments: str, path: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(SOURCES), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "asgi_node", *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=50)


@pytest.fixture
def fake_node(tmp_path: Path) -> str:
    """A folder for PATH with a `node` that does not find the package."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "node").write_text("#!/bin/sh\nexit 66\n")
    (folder / "node").chmod(0o755)
    return str(folder)


def test_node_not_found(tmp_path: Path) -> None:
    done = run("doctor", path="/nowhere", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "error NODE_NOT_FOUND" in done.stdout
    assert "-> Install Node.js" in done.stdout
    assert sys.executable in done.stdout
    assert done.stdout.endswith("No handler would start: 1 error.\n")


def test_node_not_found_as_json(tmp_path: Path) -> None:
    done = run("doctor", "--json", path="/nowhere", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"], report["python"]) == (1, False, None)
    assert [(found["code"], found["severity"]) for found in report["findings"]] == [("NODE_NOT_FOUND", "error")]
    assert report["asked"]["version"] == ".".join(map(str, sys.version_info[:3]))


def test_node_package_not_found(tmp_path: Path, fake_node: str) -> None:
    app = tmp_path / "app"
    app.mkdir()
    for arguments in (["--docroot", "app"], ["--docroot=app"]):
        done = run("doctor", "--json", *arguments, path=fake_node, cwd=tmp_path)
        (found,) = json.loads(done.stdout)["findings"]
        assert (done.returncode, found["code"]) == (1, "NODE_PACKAGE_NOT_FOUND")
        assert found["message"].startswith(f"the npm package asgi-node is not installed in {app} or {tmp_path}")
        assert found["fix"] == f"cd {app} && npm install asgi-node"


def test_commands(tmp_path: Path) -> None:
    assert run("--help", path="/nowhere", cwd=tmp_path).stdout.startswith("usage: python -m asgi_node serve")
    assert run(path="/nowhere", cwd=tmp_path).returncode == 0
    unknown = run("docter", path="/nowhere", cwd=tmp_path)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "no command 'docter'" in unknown.stderr
