"""``python -m asgi_node serve main:app``, ``… doctor`` and ``… check main:app``."""

from __future__ import annotations

import sys

USAGE = """usage: python -m asgi_node serve [APP] [options]  serve an application in Node.js, as asgi-node does
       python -m asgi_node doctor [options]    would a handler start in Node, and if not, why?
       python -m asgi_node check APP [options]  what does this application do wrong?

--help after the command lists its options.
"""


def main(arguments: list[str]) -> int:
    """Run one command; gives the exit status."""
    command, *rest = arguments or ["--help"]
    if command == "serve":
        from .probe import serve

        return serve.main(rest)
    if command == "doctor":
        from .probe import doctor

        return doctor.main(rest)
    if command == "check":
        from .conformance import cli

        return cli.main(rest)
    if command in ("--help", "-h"):
        print(USAGE, end="")
        return 0
    print(f"python -m asgi_node: there is no command {command!r}\n\n{USAGE}", end="", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
