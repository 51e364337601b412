"""``python -m asgi_node doctor``: would a handler start?

A handler runs in Node, so Node decides. This runs the doctor of the npm package that the docroot (or the current
folder) uses, so the search for Python is written only once. Without Node, or without that package, no handler starts;
then this prints only the facts of this Python.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from . import probe

DoctorCode = Literal["NODE_NOT_FOUND", "NODE_PACKAGE_NOT_FOUND"]
"""Findings of this module; all other codes are those of the npm package (`FindingCode` in its types)."""

# An exit status that the npm package's doctor does not use (it has 0, 1, 2).
_NO_PACKAGE = 66

# Finds the package that an application's own script would import: from the docroot, else from the current folder.
_ASK = f"""
const {{ createRequire }} = await import('node:module')
const {{ pathToFileURL }} = await import('node:url')
const [folders, ...args] = process.argv.slice(1)
let cli
for (const folder of JSON.parse(folders)) {{
  try {{
    cli ??= createRequire(folder + '/script.js').resolve('asgi-node/cli')
  }} catch (error) {{
    if (!['MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED'].includes(error.code)) throw error
  }}
}}
if (cli === undefined) process.exit({_NO_PACKAGE})
process.exitCode = await (await import(pathToFileURL(cli).href)).main(args)
"""


def main(arguments: list[str]) -> int:
    """Pass `arguments` to the npm package's doctor; return its exit status: 0 if a handler would start, 1 if not."""
    folders = [str(folder) for folder in dict.fromkeys((_docroot(arguments), Path.cwd()))]
    node = shutil.which("node")
    if node is None:
        message = "Node.js is not on PATH, and a handler runs in it"
        return _tell(arguments, "NODE_NOT_FOUND", message, "Install Node.js 20.19 or later.")
    script = [node, "--input-type=module", "--eval", _ASK, "--", json.dumps(folders)]
    asked = [*script, "doctor", f"--asked-by={sys.executable}", *arguments]
    status = subprocess.run(asked, check=False).returncode
    if status == _NO_PACKAGE:
        message = f"the npm package asgi-node is not installed in {' or '.join(folders)}, nor in a folder above"
        return _tell(arguments, "NODE_PACKAGE_NOT_FOUND", message, f"cd {folders[0]} && npm install asgi-node")
    return status


def _docroot(arguments: list[str]) -> Path:
    """The folders where the npm package is looked for."""
    named = [argument.partition("=")[2] for argument in arguments if argument.startswith(("--docroot=", "--app-dir="))]
    named += [after for before, after in itertools.pairwise(arguments) if before in ("--docroot", "--app-dir")]
    folder = Path(named[-1] if named else ".").resolve()
    return folder if folder.is_dir() else Path.cwd()


def _tell(arguments: list[str], code: DoctorCode, message: str, fix: str) -> int:
    facts = probe.facts()
    finding = {"code": code, "severity": "error", "message": message, "fix": fix, "traceback": None}
    if "--json" in arguments:
        # The keys of the npm package's report.
        report: dict[str, Any] = dict.fromkeys(("node", "python", "loop", "deepbind", "app"))
        print(json.dumps({"ok": False, "findings": [finding], **report, "libraries": [], "asked": facts}, indent=2))
        return 1
    lines = [
        f"Python     {facts['version']}, {facts['executable']}, which asks",
        f"libpython  {facts['libpython'] or 'none'}",
        f"uvloop     {facts['uvloop'] or 'not installed'}",
    ]
    print(
        "\n".join([*lines, "", f"error {code}", f"  {message}", f"  -> {fix}", "", "No handler would start: 1 error."])
    )
    return 1
