"""What an application does that depends on the platform: threads, subprocesses, extension modules, WebSockets."""

import asyncio
import importlib
import json
import os
import platform
import subprocess
import sys
import threading
import zlib
from typing import Any

CODE = "import sys; sys.stdout.write(sys.stdin.read().upper())"


async def hello(_: bytes) -> object:
    return "hello"


async def echo(body: bytes) -> object:
    return body.decode()


async def threads(_: bytes) -> object:
    """A pool's threads and one of its own."""
    results: list[int] = []
    own = threading.Thread(target=lambda: results.append(sum(range(1000))))
    own.start()
    pooled = await asyncio.gather(*(asyncio.to_thread(sum, range(n)) for n in range(64)))
    await asyncio.to_thread(own.join)
    return [len(pooled), pooled[-1], results]


async def subprocesses(_: bytes) -> object:
    """One waited for by the loop, one by a thread."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CODE, stdin=pipe, stdout=pipe)
    out, _ = await child.communicate(b"from asyncio")
    blocking = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", CODE], input=b"from a thread", capture_output=True, check=True
    )
    return [out.decode(), child.returncode, blocking.stdout.decode()]


async def fail(_: bytes) -> object:
    raise ValueError("broken on purpose")


async def printing(_: bytes) -> object:
    print("printed", flush=True)
    return None


async def pid(_: bytes) -> object:
    return os.getpid()


async def die(_: bytes) -> object:
    os._exit(3)


async def libraries(_: bytes) -> object:
    """What is there; `None` for what is not, or the text of its error."""
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "machine": platform.machine(),
        "loop": type(asyncio.get_running_loop()).__module__,
        "zlib": zlib.ZLIB_RUNTIME_VERSION if zlib.decompress(zlib.compress(b"x" * 4096)) == b"x" * 4096 else "broken",
    }
    versions = {
        "ssl": "OPENSSL_VERSION",
        "sqlite3": "sqlite_version",
        "uvloop": "__version__",
        "cryptography": "__version__",
    }
    for name, attribute in versions.items():
        try:
            found[name] = getattr(importlib.import_module(name), attribute)
        except ModuleNotFoundError:
            found[name] = None
    if found["ssl"] is not None:
        found["tls"] = await asyncio.to_thread(client_hello)
    return found


def client_hello() -> str:
    """The first message of a TLS client, with certificates read and a key made: most of OpenSSL takes part."""
    import ssl

    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        hello = outgoing.read()
    return f"record {hello[0]}, message {hello[5]}"


PATHS = {
    f"/{function.__name__}": function for function in (hello, echo, threads, subprocesses, libraries, fail, pid, die)
}
PATHS["/print"] = printing


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"].upper()})
        return
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"part %d, " % number, "more_body": True})
        await send({"type": "http.response.body"})
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    function = PATHS.get(scope["path"])
    answer = json.dumps(await function(body) if function else None).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 200 if function else 404,
            "headers": [(b"content-type", b"application/json")],
        }
    )
    await send({"type": "http.response.body", "body": answer})
