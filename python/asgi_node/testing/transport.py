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
    """Sends the requests of an `httpx.Client` to an application, on an event loop in a thread of its own.

        with httpx.Client(transport=BridgeTransport(app), base_url="http://testserver") as client:
            assert client.get("/hello").status_code == 200

    It runs the application's lifespan if it, or its client, is used as a context manager. Otherwise the application
    starts with the first request, and its lifespan is not run. `app`, `loop`, `lifespan` and further options are those
    of `asgi_node.host.AppHost`. The client's read timeout limits how long the client waits for the application:
    ``ReadTimeout`` names the line at which the application waits itself.

    With `raise_server_exceptions` the application's own exception object is raised in the test, and an event that a
    server would refuse raises `ASGIViolation`. Without it, the client gets what the client of a server gets. The
    response has been read to its end when the application has returned, background tasks included.
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
        """The lifespan's state after start-up."""
        return self._host.state if self._host else {}

    def start(self, **options: Any) -> AppHost:
        """Start the application; without its lifespan if `lifespan` is ``'off'``."""
        self.close()
        host = AppHost(self.app, **{**self._options, **options})
        host.start()
        self._host = host
        self.inner.serve(host)
        # If a client is garbage-collected without having been closed, its thread ends with it.
        self._finalizer = weakref.finalize(self, host.abandon)
        return host

    def portal(self) -> Portal:
        """A portal to the loop of the application, which is started now if it was not before."""
        host = self._host or self.start(lifespan="off")
        if host.thread is None:
            raise RuntimeError("this client is being closed")
        return Portal(host.thread)

    def close(self) -> None:
        """End the requests under way, the lifespan, the loop and its thread. A later request starts it all again."""
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
            body = portal.iterate(iter(request.stream))  # type: ignore[arg-type]  # httpx.Client has checked it
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
    """The result of a coroutine of this request."""
    limit = limit_of(request)
    try:
        return portal.run(work, limit)
    except LoopBlocked as blocked:
        name = f"{request.method} {request.url.raw_path.decode()}"
        text = f"{name}: the application has not answered within {limit:g} s. {blocked}"
        raise module_of(request).ReadTimeout(text, request=request) from None


class _Body:
    """The body of a response; the calling thread takes it piece by piece."""

    def __init__(self, portal: Portal, exchange: Exchange, event: HostEvent) -> None:
        self._portal = portal
        self._exchange = exchange
        self._event = event
        self._body = exchange.body(event)
        self._read: list[bytes] = []
        self._raised: BaseException | None = None

    async def read_ahead(self) -> None:
        """Read the body if all of it is there and the application has ended: that saves a switch of threads."""
        if self._event.last and self._exchange.call.native.ended:
            try:
                self._read = [chunk async for chunk in self._body]
            except Exception as raised:
                self._raised = raised  # raised when the body is read

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
    """The response's stream, of the same module as the client."""
    try:
        return _streams[module.__name__]
    except KeyError:
        pass

    class BridgeStream(_Body, module.SyncByteStream):  # type: ignore[misc]  # which module is known at run time
        pass

    _streams[module.__name__] = BridgeStream
    return BridgeStream


_streams: dict[str, Any] = {}
