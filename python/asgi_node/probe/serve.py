"""``python -m asgi_node serve main:app``: the command ``asgi-node`` of the npm package, with this Python.

The npm package is looked for from the current folder upwards. This process becomes Node.js: signals reach it, and its
exit status is the command's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_FIND = """
try {
  process.stdout.write(require('node:module').createRequire(process.cwd() + '/script.js').resolve('asgi-node/cli'))
} catch (error) {
  if (!['MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED'].includes(error.code)) throw error
}
"""

_SERVE = """
const [cli, ...args] = process.argv.slice(1)
const { pathToFileURL } = await import('node:url')
process.exit(await (await import(pathToFileURL(cli).href)).main(args))
"""


def main(arguments: list[str]) -> int:
    """Become the command; gives an exit status only where that is not there."""
    node = shutil.which("node")
    if node is None:
        return _tell("Node.js is not on PATH, and applications are served by it: install Node.js 20.19 or later")
    found = subprocess.run([node, "--eval", _FIND], check=False, stdout=subprocess.PIPE, encoding="utf-8")
    if found.returncode != 0:
        return found.returncode
    if not found.stdout:
        folder = Path.cwd()
        return _tell(f"the npm package asgi-node is not installed in {folder}, nor above it: npm install asgi-node")
    return _become([node, "--input-type=module", "--eval", _SERVE, "--", found.stdout, "serve", *arguments])


def _become(command: list[str]) -> int:
    environment = dict(os.environ)
    if not any(argument.startswith(("--python", "--venv")) for argument in command):
        environment.setdefault("ASGI_NODE_PYTHON", sys.executable)
    sys.stdout.flush()
    os.execve(command[0], command, environment)


def _tell(message: str) -> int:
    print(f"python -m asgi_node: {message}", file=sys.stderr)
    return 1
