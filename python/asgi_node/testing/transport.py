"""`BridgeTransport`: an application behind an `httpx.Client`, through the bridge."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from asgi_node.host import AppHost

from ._httpx import httpx, module_of
from .async_transport import AsyncBridgeTransport
from .exchange import Upgrade, is_upgrade, limit_of
from .portal import LoopBlocked, Portal
from .reports import report_warnings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator

    from asgi_node._native import HostEvent

    from .exchange import Exchange, StreamOf


class BridgeTransport(httpx.BaseTransport):
    """Sends what an `httpx.Client` asks into an application, on an event loop of its own thread.

    ``httpx.Client(transport=BridgeTransport(app), base_url='http://testserver')``. As a context manager, or in that
    client's, it runs the application's lifespan; without, the application starts with the first request, and its
    lifespan is not run. `app`, `loop`, `lifespan` and further options are those of `asgi_node.host.AppHost`. The
    client's read timeout says how long the application may keep it waiting: ``ReadTimeout`` names the line at which
    it waits itself.

    With `raise_server_exceptions` the application's own exception object is raised in the test, and what a server would
    refuse is an `ASGIViolation`; without, the client gets what a server's client gets. The response has been read to
    its end when the application has returned, background tasks included.
    """

    def __init__(
        self,
        app: Any,
        *,
        raise_server_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] = ("testclient", 50000),
        loop: str = "auto",
        **options: Any,
    ) -> None:
        self.app = app
        self._options = {"root_path": root_path, "loop": loop, **options}
        self._host: AppHost | None = None
        self._finalizer: Any = None
        # It runs on the application's own loop.
        self.inner = AsyncBridgeTransport(app, raise_server_exceptions=raise_server_exceptions, client=client)

    @property
    def raise_server_exceptions(self) -> bool:
        """Whether a test gets the application's own exceptions."""
        return self.inner.raise_server_exceptions

    @property
    def client(self) -> tuple[str, int]:
        """The address that the application sees."""
        return self.inner.client

    @property
    def state(self) -> dict[str, Any]:
        """What the lifespan's start-up left in its state."""
        return self._host.state if self._host else {}

    def start(self, **options: Any) -> AppHost:
        """Start the application; without its lifespan if `lifespan` is ``'off'``."""
        self.close()
        host = AppHost(self.app, **{**self._options, **options})
        host.start()
        self._host = host
        self.inner.serve(host)
        # A client that nobody closed takes its thread with it when it goes.
        self._finalizer = weakref.finalize(self, host.abandon)
        return host

    def portal(self) -> Portal:
        """A way to the loop of the application, which is started now if it was not before."""
        host = self._host or self.start(lifespan="off")
        if host.thread is None:
            raise RuntimeError("this client is being closed")
        return Portal(host.thread)

    def close(self) -> None:
        """End what is under way, the lifespan, the loop and its thread. A later request starts the application anew."""
        host, self._host = self._host, None
        if host is None or host.thread is None:
            return
        self._finalizer.detach()
        try:
            Portal(host.thread).run(self.inner.leave_all())
            host.close()
        finally:
            report_warnings(host)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Called by httpx."""
        if is_upgrade(request):
            raise Upgrade(request)
        portal = self.portal()
        body: bytes | AsyncIterator[bytes]
        if isinstance(request.stream, module_of(request).ByteStream):
            body = b"".join(request.stream)
        else:
            body = portal.iterate(iter(request.stream))  # type: ignore[arg-type]  # httpx.Client has looked
        stream_of = partial(_stream_class(module_of(request)), portal)
        response: httpx.Response = wait(portal, request, self._ask(request, body, stream_of))
        return response

    async def _ask(
        self, request: httpx.Request, body: bytes | AsyncIterator[bytes], stream_of: StreamOf
    ) -> httpx.Response:
        response = await self.inner.ask(request, body, stream_of)
        if isinstance(response.stream, _Body):  # a 500 of our own has none
            await response.stream.read_ahead()
        return response


def wait(portal: Portal, request: httpx.Request, work: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine of this request gives."""
    limit = limit_of(request)
    try:
        return portal.run(work, limit)
    except LoopBlocked as blocked:
        name = f"{request.method} {request.url.raw_path.decode()}"
        text = f"{name}: the application has not answered within {limit:g} s. {blocked}"
        raise module_of(request).ReadTimeout(text, request=request) from None


class _Body:
    """The body of a response, of which the calling thread takes piece by piece."""

    def __init__(self, portal: Portal, exchange: Exchange, event: HostEvent) -> None:
        self._portal = portal
        self._exchange = exchange
        self._event = event
        self._body = exchange.body(event)
        self._read: list[bytes] = []
        self._raised: BaseException | None = None

    async def read_ahead(self) -> None:
        """Read the body where all of it is there and the application has ended: that saves a switch of threads."""
        if self._event.last and self._exchange.call.native.ended:
            try:
                self._read = [chunk async for chunk in self._body]
            except Exception as raised:
                self._raised = raised  # for whoever reads

    def __iter__(self) -> Iterator[bytes]:
        yield from self._read
        if self._raised is not None:
            raise self._raised
        if self._exchange.done:
            return
        while (chunk := self._wait(_next(self._body))) is not None:
            yield chunk

    def close(self) -> None:
        """Leave, if there is more."""
        if not self._exchange.done:
            self._wait(self._exchange.aclose())

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return wait(self._portal, self._exchange.request, work)


async def _next(body: AsyncIterator[bytes]) -> bytes | None:
    return await anext(body, None)


def _stream_class(module: Any) -> Any:
    """The response's stream, of the module that the client is of."""
    try:
        return _streams[module.__name__]
    except KeyError:
        pass

    class BridgeStream(_Body, module.SyncByteStream):  # type: ignore[misc]  # which module is known at run time
        pass

    _streams[module.__name__] = BridgeStream
    return BridgeStream


_streams: dict[str, Any] = {}
