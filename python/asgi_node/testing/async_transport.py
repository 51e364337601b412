"""`AsyncBridgeTransport`: an application behind an `httpx.AsyncClient`, through the bridge."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self

from asgi_node.host import AppHost, Listener

from ._httpx import httpx, module_of
from .exchange import Exchange, Upgrade, head_of, is_upgrade
from .reports import report_warnings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asgi_node._native import HostEvent

    from .exchange import StreamOf


class AsyncBridgeTransport(httpx.AsyncBaseTransport):
    """Sends the requests of an `httpx.AsyncClient` to an application.

    Like `BridgeTransport`, for tests on asyncio (pytest-asyncio, or anyio with its asyncio backend). The application
    runs on the test's own event loop, so that both can share objects that belong to a loop. With `isolate_loop` it runs
    on a loop in a thread of its own (of the kind `loop`), so that neither can block the other.

        async with httpx.AsyncClient(transport=AsyncBridgeTransport(app), base_url="http://testserver") as client:
            assert (await client.get("/hello")).status_code == 200
    """

    def __init__(
        self,
        app: Any,
        *,
        isolate_loop: bool = False,
        raise_server_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] = ("testclient", 50000),
        loop: str = "auto",
        **options: Any,
    ) -> None:
        self.app = app
        self.isolate_loop = isolate_loop
        self.raise_server_exceptions = raise_server_exceptions
        self.client = client
        self._options = {"root_path": root_path, "loop": loop, **options}
        self._host: AppHost | None = None
        self._starting: asyncio.Lock | None = None
        self._listener: Listener | None = None
        self._open: set[Exchange] = set()

    @property
    def state(self) -> dict[str, Any]:
        """What the lifespan's start-up left in its state."""
        return self._host.state if self._host else {}

    async def start(self, **options: Any) -> AppHost:
        """Start the application; without its lifespan if `lifespan` is ``'off'``."""
        await self.aclose()
        host = AppHost(self.app, **{**self._options, **options})
        if self.isolate_loop:
            await host.start_aside()
        else:
            await host.start_here()
        self._host = host
        return host

    def serve(self, host: AppHost) -> None:
        """Use this application, which was started on the loop on which requests will be made."""
        self._host = host
        self._listener = self._starting = None

    async def leave_all(self) -> None:
        """Leave the requests that are under way, and close the listener."""
        listener, self._listener = self._listener, None
        self._host = None
        try:
            for exchange in list(self._open):
                with contextlib.suppress(Exception):
                    await exchange.aclose()
        finally:
            if listener is not None:
                listener.close()

    def start_now(self) -> None:
        """`start` for callers without an event loop. The application has its own (`isolate_loop`)."""
        if not self.isolate_loop:
            raise RuntimeError(
                "without isolate_loop an application starts on the event loop of the test: use async with"
            )
        host = AppHost(self.app, **self._options)
        host.start()
        self._host = host

    def close_now(self) -> None:
        """`aclose` for callers without an event loop."""
        host, self._host = self._host, None
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        if host is not None:
            for exchange in list(self._open):
                exchange.call.leave()
            try:
                host.close()
            finally:
                report_warnings(host)

    async def running(self) -> AppHost:
        """The application; started now if it was not before."""
        self._check_loop()
        self._starting = self._starting or asyncio.Lock()
        async with self._starting:
            return self._host or await self.start(lifespan="off")

    def listener(self) -> Listener:
        """The listener of the running loop."""
        if self._listener is None:
            self._listener = Listener()
        return self._listener

    def _check_loop(self) -> None:
        """Start again if the loop of an earlier test has ended."""
        loop = _running_loop()
        listener, host = self._listener, self._host
        if listener is not None and listener.loop is not loop:
            self._listener = self._starting = None
        if host is not None and not self.isolate_loop and host.loop is not loop:
            if host.loop is not None and not host.loop.is_closed():
                raise RuntimeError(
                    "this client's application runs on another event loop: make a client for each loop, "
                    "or use isolate_loop=True"
                )
            self._host = None

    async def aclose(self) -> None:
        """End the requests under way, the lifespan, and the application's thread if it has one."""
        host = self._host
        try:
            await self.leave_all()
            if host is not None and self.isolate_loop:
                await host.close_aside()
            elif host is not None and host.loop is asyncio.get_running_loop():
                await host.close_here()
        finally:
            if host is not None:
                report_warnings(host)

    async def __aenter__(self) -> Self:
        _running_loop()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Called by httpx."""
        body: bytes | AsyncIterator[bytes]
        if isinstance(request.stream, module_of(request).ByteStream):
            body = b"".join([chunk async for chunk in request.stream])
        else:
            body = aiter(request.stream)  # type: ignore[arg-type]  # httpx.AsyncClient has checked it
        return await self.ask(request, body, _stream_class(module_of(request)))

    async def ask(
        self, request: httpx.Request, body: bytes | AsyncIterator[bytes], stream_of: StreamOf
    ) -> httpx.Response:
        """Send a request with this body; `stream_of` makes the stream of the response."""
        if is_upgrade(request):
            raise Upgrade(request)
        flat = head_of(request, self.client)
        host = await self.running()
        listener = self.listener()
        whole, source = (body, None) if isinstance(body, bytes) else (b"", body)
        call = listener.submit(
            host, flat, whole, body_follows=source is not None, expects_continue="expect" in request.headers
        )
        exchange = Exchange(host, call, request, self.raise_server_exceptions, listener, self._open, source)
        host.start_submitted()
        listener.deliver()
        return await exchange.begin(stream_of)


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError("the asynchronous test client runs on asyncio, and no asyncio loop is running") from None


def _stream_class(module: Any) -> Any:
    """The response's stream, of the same module as the client."""
    try:
        return _streams[module.__name__]
    except KeyError:
        pass

    class AsyncBridgeStream(module.AsyncByteStream):  # type: ignore[misc]  # which of two modules is known at run time
        def __init__(self, exchange: Exchange, event: HostEvent) -> None:
            self._exchange = exchange
            self._body = exchange.body(event)

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self._body

        async def aclose(self) -> None:
            await self._exchange.aclose()

    _streams[module.__name__] = AsyncBridgeStream
    return AsyncBridgeStream


_streams: dict[str, Any] = {}
