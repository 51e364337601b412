"""``python -m asgi_node check main:app``."""

from __future__ import annotations

import argparse
import sys

from asgi_node.errors import AppLoadError

from . import SITUATIONS, check


def main(arguments: list[str]) -> int:
    """Run a check and print its report; return the exit status: 0 without errors, 1 with some, 2 if it did not run."""
    parser = argparse.ArgumentParser(
        prog="python -m asgi_node check",
        description="Run an application through a table of situations, and tell what it does wrong. The exit status is "
        "0 if it does nothing wrong (remarks do not count), 1 if it does, 2 if it could not be checked.",
    )
    parser.add_argument("app", nargs="?", help="module:attribute")
    parser.add_argument(
        "--path", action="append", dest="paths", metavar="PATH", help="ask this path (again: also this)"
    )
    parser.add_argument(
        "--situation", action="append", dest="situations", metavar="NAME", help="only this one (again: …)"
    )
    parser.add_argument("--list", action="store_true", help="list the situations")
    parser.add_argument("--docroot", default=".", help="where the module is; default: the current directory")
    parser.add_argument("--factory", action="store_true", help="the attribute is a function that makes the application")
    parser.add_argument("--interface", choices=("auto", "asgi3", "asgi2", "wsgi"), default="auto")
    parser.add_argument("--lifespan", choices=("auto", "on", "off"), default="auto")
    parser.add_argument("--loop", choices=("auto", "asyncio", "uvloop"), default="auto")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds that an answer may take; default 5")
    parser.add_argument("--grace", type=float, default=1.0, help="seconds to end when the client has left; default 1")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    chosen = parser.parse_args(arguments)
    if chosen.list:
        width = max(map(len, SITUATIONS))
        print("\n".join(f"{name:{width}}  {what}" for name, what in SITUATIONS.items()))
        return 0
    if chosen.app is None:
        parser.error("name the application: module:attribute")
    try:
        report = check(
            chosen.app,
            paths=chosen.paths or ("/",),
            situations=chosen.situations,
            interface=chosen.interface,
            factory=chosen.factory,
            docroot=chosen.docroot,
            lifespan=chosen.lifespan,
            loop=chosen.loop,
            timeout=chosen.timeout,
            grace=chosen.grace,
        )
    except ValueError as wrong:
        parser.error(str(wrong))
    except AppLoadError as failed:
        print(f"{failed.code}: {failed.message}", file=sys.stderr)
        if failed.traceback:
            print(failed.traceback, file=sys.stderr)
        return 2
    print(report.json() if chosen.json else report.text())
    return 0 if report.ok else 1
