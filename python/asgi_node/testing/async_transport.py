"""`AsyncBridgeTransport`: an application behind an `httpx.AsyncClient`, through the bridge."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self

from asgi_node.host import AppHost, AppTimeout, Listener

from ._httpx import httpx, module_of
from .exchange import Exchange, Upgrade, file_chunks, head_of, is_upgrade
from .reports import tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asgi_node._native import HostEvent


class AsyncBridgeTransport(httpx.AsyncBaseTransport):
    """Sends what an `httpx.AsyncClient` asks into an application.

    As `BridgeTransport`, for tests on asyncio (pytest-asyncio, or anyio with its asyncio backend). The application runs
    on the test's own event loop, so that both can share what belongs to a loop; with `isolate_loop` on a loop of its
    own thread (of the kind `loop`), so that neither can block the other.
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
        self._open: set[AsyncExchange] = set()

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

    def start_now(self) -> None:
        """`start`, for whoever has no event loop; the application has its own (`isolate_loop`)."""
        if not self.isolate_loop:
            raise RuntimeError(
                "without isolate_loop an application starts on the event loop of the test: use async with"
            )
        host = AppHost(self.app, **self._options)
        host.start()
        self._host = host

    def close_now(self) -> None:
        """`aclose`, for whoever has no event loop."""
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
                tell(host)

    async def running(self) -> AppHost:
        """The application, which is started now if it was not before."""
        self._check_loop()
        self._starting = self._starting or asyncio.Lock()
        async with self._starting:
            return self._host or await self.start(lifespan="off")

    def listener(self) -> Listener:
        """Where calls of the running loop tell of news."""
        if self._listener is None:
            self._listener = Listener()
        return self._listener

    def _check_loop(self) -> None:
        """Begin anew when the loop of an earlier test has ended."""
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
        """End what is under way, the lifespan, and the application's thread if it has one."""
        host, self._host = self._host, None
        listener, self._listener = self._listener, None
        try:
            for exchange in list(self._open):
                with contextlib.suppress(Exception):
                    await exchange.aclose()
            if host is not None and self.isolate_loop:
                await host.close_aside()
            elif host is not None and host.loop is asyncio.get_running_loop():
                await host.close_here()
        finally:
            if listener is not None:
                listener.close()
            if host is not None:
                tell(host)

    async def __aenter__(self) -> Self:
        _running_loop()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Called by httpx."""
        if is_upgrade(request):
            raise Upgrade(request)
        flat = head_of(request, self.client)
        host = await self.running()
        listener = self.listener()
        source: AsyncIterator[bytes] | None = None
        body = b""
        if isinstance(request.stream, module_of(request).ByteStream):
            body = b"".join([chunk async for chunk in request.stream])
        else:
            source = aiter(request.stream)  # type: ignore[arg-type]  # httpx.AsyncClient has looked
        call = listener.submit(
            host, flat, body, body_follows=source is not None, expects_continue="expect" in request.headers
        )
        exchange = AsyncExchange(host, call, request, self.raise_server_exceptions)
        exchange.open(listener, self._open, source)
        return await exchange.begin()


def _running_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError("the asynchronous test client runs on asyncio, and no asyncio loop is running") from None


class AsyncExchange(Exchange):
    """A request, and a caller that awaits."""

    def open(self, listener: Listener, registry: set[AsyncExchange], source: AsyncIterator[bytes] | None) -> None:
        """Belong to a transport, and have this body to send."""
        self._listener = listener
        self._registry = registry
        registry.add(self)
        self._room = asyncio.Event()
        self.uploading = source is not None
        self._upload = asyncio.ensure_future(self._push(source)) if source is not None else None

    async def begin(self) -> httpx.Response:
        """The response, as soon as it has begun."""
        try:
            event = await self.next()
            if event.kind == "failed":
                await self._ended()
                return self.failed(event)
            return self.response(event, _stream_class(self.module)(self, event))
        except BaseException:
            await self.abandon()
            raise

    async def body(self, event: HostEvent) -> AsyncIterator[bytes]:
        """The body, piece by piece; the application may send more as pieces are taken."""
        while True:
            if event.kind == "file":
                try:
                    for chunk in file_chunks(event):
                        yield chunk
                except EOFError as reason:
                    await self.abandon()
                    raise self.cut(reason) from None
            elif event.data:
                yield event.data
            self.call.native.taken(event.weight)
            if event.last:
                break
            try:
                event = await self.next()
            except BaseException:
                await self.abandon()
                raise
            if event.kind == "failed":
                await self._ended()
                self.failed(event)
        self.end_of(event)
        await self._ended()
        self.settle()

    async def next(self) -> HostEvent:
        """The next event."""
        while (event := self.next_event()) is None:
            try:
                self.add(await self._beside_upload())
            except AppTimeout as late:
                raise self.module.ReadTimeout(str(late), request=self.request) from None
        return event

    async def _beside_upload(self) -> list[HostEvent]:
        """The next events; or what sending the body failed with, when that comes first."""
        upload = self._upload
        if upload is not None and upload.done():
            upload.result()
            self._upload = upload = None
        waiting = self._listener.next_events(self.call, self.limit, self.waiting_for())
        if upload is None:
            return await waiting
        task = asyncio.ensure_future(waiting)
        try:
            await asyncio.wait({task, upload}, return_when=asyncio.FIRST_COMPLETED)
            if upload.done() and not task.done():
                upload.result()
            return await task
        finally:
            task.cancel()

    async def _push(self, source: AsyncIterator[bytes]) -> None:
        async for chunk in source:
            while not self.may_push:
                self._room.clear()
                await self._room.wait()
            if chunk:
                self.may_push = self.call.native.push(chunk, False)
        self.call.native.push(b"", True)
        self.uploading = False

    def resumed(self) -> None:
        super().resumed()
        self._room.set()

    async def _stop_upload(self) -> None:
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.cancel()
            await asyncio.wait([upload])
            if not upload.cancelled():
                upload.exception()

    def _close(self) -> None:
        self.done = True
        self._registry.discard(self)

    async def _ended(self) -> None:
        """Wait for the application to return."""
        self._close()
        await self._stop_upload()
        try:
            await self._listener.wait_for_end(self.call, self.limit)
        except AppTimeout as late:
            self.call.leave()
            await self._listener.end(self.host, self.call, 0, report=False)
            raise self.module.ReadTimeout(str(late), request=self.request) from None
        finally:
            self._listener.forget(self.call)

    async def aclose(self) -> None:
        """The client leaves before the end: the application is told, and has a moment to notice."""
        if not self.done:
            await self.abandon(report=True)
            self.settle()

    async def abandon(self, report: bool = False) -> None:
        """Leave, whatever the application makes of it. No need to report that where the test has failed already."""
        if not self.done:
            self._close()
            self.call.leave()
            await self._stop_upload()
            await self._listener.end(self.host, self.call, report=report)
            self._listener.forget(self.call)


def _stream_class(module: Any) -> Any:
    """The response's stream, of the module that the client is of."""
    try:
        return _streams[module.__name__]
    except KeyError:
        pass

    class AsyncBridgeStream(module.AsyncByteStream):  # type: ignore[misc]  # which of two modules is known at run time
        def __init__(self, exchange: AsyncExchange, event: HostEvent) -> None:
            self._exchange = exchange
            self._body = exchange.body(event)

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self._body

        async def aclose(self) -> None:
            await self._exchange.aclose()

    _streams[module.__name__] = AsyncBridgeStream
    return AsyncBridgeStream


_streams: dict[str, Any] = {}
