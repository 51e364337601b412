"""A real Node with the addon, for tests over a real network connection."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any, Self

# Seconds that a server may take to start: it imports the application.
START = 60.0

# It ends when its standard input ends, so with the tests, however these end.
SERVER = """
const say = (what) => console.log(JSON.stringify(what))
const { app, docroot } = JSON.parse(process.env.ASGI_NODE_SERVER)
try {
  const { PythonHandler } = await import('asgi-node')
  const { createServer } = await import('node:http')
  const python = new PythonHandler({ app, docroot })
  await python.ready()
  const server = createServer(python.listener).on('upgrade', python.upgrade)
  server.listen(0, '127.0.0.1', () => say({ url: `http://127.0.0.1:${server.address().port}` }))
  process.stdin.resume().on('end', async () => {
    server.close()
    server.closeAllConnections()
    await python.close()
    process.exit(0)
  })
} catch (error) {
  say({ code: error.code, message: error.message, traceback: error.traceback })
  process.exit(1)
}
"""

# Errors that mean that something is missing on this machine, not that the application is wrong.
MISSING = {
    "ERR_MODULE_NOT_FOUND": "npm install asgi-node, in pytest's root directory",
    "LIBPYTHON_NOT_FOUND": "",
    "PYTHON_NOT_FOUND": "",
    "NATIVE_NOT_FOUND": "",
}


class Unavailable(Exception):  # noqa: N818 (a reason to skip, not an error)
    """There can be no server here; the message says why."""


class NodeServers:
    """Servers by application. `root` is where the npm package and the application's modules are looked for."""

    def __init__(self, root: str, python: str) -> None:
        self._root = root
        self._python = python
        self._servers: dict[str, tuple[subprocess.Popen[str], str]] = {}
        self._unavailable: dict[str, Unavailable] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process, _url in self._servers.values():
            _end(process)
        self._servers.clear()

    def url(self, app: Any) -> str:
        """The URL of this application's server. Raises `Unavailable`, and RuntimeError when the application fails."""
        name = app if isinstance(app, str) else name_of(app)
        if name in self._unavailable:
            raise self._unavailable[name]
        if name in self._servers and self._servers[name][0].poll() is None:
            return self._servers[name][1]
        try:
            self._servers[name] = self._start(name)
        except Unavailable as reason:
            self._unavailable[name] = reason
            raise
        return self._servers[name][1]

    def _start(self, name: str) -> tuple[subprocess.Popen[str], str]:
        node = shutil.which("node")
        if node is None:
            raise Unavailable("there is no node on PATH")
        environment = {
            **os.environ,
            "ASGI_NODE_PYTHON": self._python,
            "ASGI_NODE_SERVER": json.dumps({"app": name, "docroot": self._root}),
        }
        process = subprocess.Popen(
            [node, "--input-type=module", "--eval", SERVER],
            cwd=self._root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            said = _first_line(process)
        except BaseException:
            _end(process)
            raise
        if "url" in said:
            return process, str(said["url"])
        _end(process)
        code, message = said.get("code"), said.get("message")
        if code in MISSING:
            raise Unavailable(f"{message}. {MISSING[code]}".rstrip(". "))
        raise RuntimeError(f"{code}: {message}\n{said.get('traceback') or ''}".rstrip())


def name_of(app: Any) -> str:
    """The ``module:attribute`` of an application that is a global of a module."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is None or "site-packages" in file:
            continue
        for attribute, value in list(vars(module).items()):
            if value is app:
                return f"{module.__name__}:{attribute}"
    raise Unavailable(
        f"{app!r} is not a global of a module, so a Node process cannot import it: name the application, as "
        "'module:attribute', by the fixture asgi_app"
    )


def _first_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    import threading

    timer = threading.Timer(START, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            # The application may print when it is imported.
            if line.startswith("{"):
                said: dict[str, Any] = json.loads(line)
                return said
    finally:
        timer.cancel()
        timer.join()
    raise RuntimeError(f"node ended with {process.wait()} before it served; its errors are above")


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
