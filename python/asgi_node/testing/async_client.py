"""`AsyncTestClient`: `TestClient` for tests on asyncio."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from ._httpx import httpx
from .async_transport import AsyncBridgeTransport
from .async_websocket import AsyncWebSocketTestSession
from .client import TIMEOUT, handshake, websocket_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from httpx2._types import CookieTypes

    from asgi_node.runtime.lifespan import Mode


class AsyncTestClient(httpx.AsyncClient):
    """An `httpx.AsyncClient` whose requests go to an application, through the rules of production.

    For tests that are coroutines, under pytest-asyncio or anyio (on asyncio). ``async with`` runs the application's
    lifespan. Without it the lifespan is not run; then `aclose` ends what the first request has started. The arguments
    are those of `TestClient`, and:

    - `isolate_loop`: if true, the application runs on a loop in a thread of its own (of the kind `loop`), and a test
      can compute without stopping it. If false, it runs on the test's loop, and both can share objects that belong to
      a loop, such as a database pool

    Requests raise what those of `TestClient` raise.

        async def test_hello():
            async with AsyncTestClient(app) as client:
                assert (await client.get("/hello")).status_code == 200
    """

    __test__ = False

    def __init__(
        self,
        app: Any,
        base_url: str = "http://testserver",
        raise_server_exceptions: bool = True,
        root_path: str = "",
        *,
        cookies: CookieTypes | None = None,
        headers: Mapping[str, str] | None = None,
        follow_redirects: bool = True,
        client: tuple[str, int] = ("testclient", 50000),
        loop: str = "auto",
        isolate_loop: bool = False,
        lifespan: Mode = "auto",
        timeout: float | None = TIMEOUT,
        **options: Any,
    ) -> None:
        self._bridge = AsyncBridgeTransport(
            app,
            isolate_loop=isolate_loop,
            raise_server_exceptions=raise_server_exceptions,
            root_path=root_path,
            client=client,
            loop=loop,
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
        """What the lifespan's start-up left in its state."""
        return self._bridge.state

    def websocket_connect(
        self, url: str, subprotocols: Sequence[str] | None = None, **kwargs: Any
    ) -> AsyncWebSocketTestSession:
        """A WebSocket to the application; ``async with`` enters it. `kwargs` are those of a GET request."""
        kwargs["headers"] = handshake(kwargs.get("headers"), subprotocols)
        connect = partial(self.request, "GET", websocket_url(self.base_url, url), **kwargs)
        return AsyncWebSocketTestSession(self._bridge, connect)

    @contextmanager
    def started(self) -> Iterator[Self]:
        """Run the application, and its lifespan, outside of any event loop: for fixtures that are not coroutines.

        Needs `isolate_loop`.
        """
        self._bridge.start_now()
        try:
            yield self
        finally:
            self._bridge.close_now()

    async def __aenter__(self) -> Self:
        await self._bridge.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._bridge.aclose()
