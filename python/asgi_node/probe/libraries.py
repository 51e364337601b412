"""Which copies of OpenSSL, zlib, brotli and libuv Python's extensions use, and whether uvloop works.

It runs as a program in a plain interpreter (``python -P libraries.py``, prints JSON), and as `trial` inside Node. If
the two answers differ, Node's copy has replaced Python's own.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any


def facts(try_uvloop: bool) -> dict[str, Any]:
    """The version of each library (None if this Python does not use it), and what is wrong with uvloop.

    `try_uvloop` tests it by making a loop. Not inside Node, where uvloop may be bound to a libuv of another version.
    """
    libuv, broken = _uvloop(try_uvloop)
    return {"openssl": _openssl(), "zlib": _zlib(), "brotli": _brotli(), "libuv": libuv, "uvloopBroken": broken}


def _openssl() -> str | None:
    try:
        import ssl
    except ImportError:
        return None
    # "OpenSSL 3.0.17 1 Jul 2025"
    return ssl.OPENSSL_VERSION.split()[1]


def _zlib() -> str | None:
    try:
        import zlib
    except ImportError:
        return None
    return zlib.ZLIB_RUNTIME_VERSION


def _brotli() -> str | None:
    try:
        import brotli  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    version = getattr(brotli, "version", None)
    return str(version) if version is not None else None


def _uvloop(try_it: bool) -> tuple[str | None, str | None]:
    """The version of the libuv that uvloop uses; or why uvloop does not work."""
    import importlib.util

    if importlib.util.find_spec("uvloop") is None:
        return None, None
    try:
        import uvloop

        if try_it:
            uvloop.new_event_loop().close()
        number = uvloop.loop.libuv_get_version()  # type: ignore[attr-defined, unused-ignore]
    except Exception as broken:  # for another Python, or half installed: it may raise anything
        return None, f"{type(broken).__name__}: {broken}"
    return f"{number >> 16}.{number >> 8 & 0xFF}.{number & 0xFF}", None


async def trial(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001 (what ASGI gives)
    """The application that the doctor starts: it answers with `facts` and with the loop that it runs on."""
    # The loop's class is our own, derived from one of these.
    bases = type(asyncio.get_running_loop()).__mro__
    loop = "uvloop" if any(base.__module__.partition(".")[0] == "uvloop" for base in bases) else "asyncio"
    body = json.dumps({**facts(try_uvloop=False), "loop": loop})
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body.encode()})


if __name__ == "__main__":
    print(json.dumps(facts(try_uvloop=True)))
