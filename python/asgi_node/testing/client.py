"""`TestClient`: Starlette's, on the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from ._httpx import httpx
from .exchange import Upgrade
from .transport import BridgeTransport
from .websocket import WebSocketTestSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from httpx2._types import CookieTypes

    from asgi_node.runtime.lifespan import Mode

TIMEOUT = 60.0
"""Seconds that an application may keep a test waiting, unless the client says otherwise."""


class TestClient(httpx.Client):
    """An `httpx.Client` whose requests go to an application, through the rules of production.

    `app` is the application, or ``'module:attribute'``. The arguments and return values are those of Starlette's client
    of this name: to move a test suite, change the import. Only as a context manager does it run the application's
    lifespan. ``with client.stream('GET', '/events') as response`` reads a response while it is being sent; if you leave
    the block early, the application sees a client that leaves. docs/testing.md lists what fails a test here but passes
    elsewhere.

    - `base_url`: the base of relative paths; the application sees its scheme, host and port
    - `raise_server_exceptions`: raise the application's own exceptions in the test; if not, the response is 500
    - `root_path`: where the application is mounted; it is put before each path, as in production
    - `backend`, `backend_options`: Starlette's; ``'asyncio'`` only, where ``{'use_uvloop': True}`` is ``loop='uvloop'``
    - `cookies`, `headers`, `follow_redirects`: httpx's, for every request
    - `client`: the address that the application sees
    - `loop`: ``'auto'`` (uvloop where it is installed and works), ``'asyncio'`` or ``'uvloop'``
    - `lifespan`: if the application has none, ``'auto'`` goes on without it and ``'on'`` fails; ``'off'`` never runs it
    - `timeout`: seconds that each wait for the application may take, None for no limit; ``ReadTimeout`` then says at
      which line the application waits

    Raises ValueError for another `backend`. Requests raise the application's exceptions, httpx's, and `ASGIViolation`.

        def test_hello():
            with TestClient(app) as client:
                assert client.get("/hello").status_code == 200
    """

    __test__ = False

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        backend: Literal["asyncio", "trio"] = "asyncio",
        backend_options: Mapping[str, Any] | None = None,
        cookies: CookieTypes | None = None,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        client: tuple[str, int] = ("testclient", 50000),
        *,
        loop: str = "auto",
        lifespan: Mode = "auto",
        timeout: float | None = TIMEOUT,
        **options: Any,
    ) -> None:
        self._bridge = BridgeTransport(
            app,
            raise_server_exceptions=raise_server_exceptions,
            root_path=root_path,
            client=client,
            loop=loop_of(backend, backend_options, loop),
            lifespan=lifespan,
            **options,
        )
        self.app = app
        super().__init__(
            base_url=base_url,
            headers={"user-agent": "testclient", **(headers or {})},
            transport=self._bridge,
            follow_redirects=follow_redirects,
            cookies=cookies,
            timeout=timeout,
        )

    @property
    def app_state(self) -> dict[str, Any]:
        """The lifespan's state after start-up."""
        return self._bridge.state

    def websocket_connect(
        self, url: str, subprotocols: Sequence[str] | None = None, **kwargs: Any
    ) -> WebSocketTestSession:
        """A WebSocket to the application; enter it. `kwargs` are those of a GET request: `headers`, `params` …"""
        kwargs["headers"] = handshake(kwargs.get("headers"), subprotocols)
        try:
            self.request("GET", websocket_url(self.base_url, url), **kwargs)
        except Upgrade as upgrade:
            return WebSocketTestSession(self._bridge, upgrade.request)
        raise RuntimeError(f"{url} did not ask for a WebSocket: an event hook or an auth flow answered in its place")

    def __enter__(self) -> Self:
        self._bridge.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bridge.close()


# Starlette's client may be entered again, and used after its block; httpx's may not. So neither calls httpx's own.


def loop_of(backend: str, options: Mapping[str, Any] | None, loop: str) -> str:
    """The loop that Starlette's arguments ask for."""
    if backend != "asyncio":
        raise ValueError(f"backend is 'asyncio', not {backend!r}: applications run on asyncio here, as in production")
    return "uvloop" if (options or {}).get("use_uvloop") else loop


def handshake(headers: Any, subprotocols: Sequence[str] | None) -> dict[str, str]:
    """The headers of a client that asks for a WebSocket."""
    asked = dict(headers or {})
    given = {name.lower() for name in asked}
    wanted = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    wanted["sec-websocket-key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    if subprotocols is not None:
        wanted["sec-websocket-protocol"] = ", ".join(subprotocols)
    return {**{name: value for name, value in wanted.items() if name not in given}, **asked}


def websocket_url(base_url: httpx.URL, url: str) -> httpx.URL:
    """The URL with a WebSocket's scheme; a relative one is made absolute as httpx does it."""
    asked = httpx.URL(url)
    if asked.is_relative_url:
        asked = base_url.copy_with(raw_path=base_url.raw_path + asked.raw_path.lstrip(b"/"))
    schemes = {"http": "ws", "https": "wss"}
    return asked.copy_with(scheme=schemes.get(asked.scheme, asked.scheme))
