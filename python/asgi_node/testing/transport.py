"""`BridgeTransport`: an application behind an `httpx.Client`, through the bridge."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any, Self

from asgi_node.host import AppHost, AppTimeout

from ._httpx import httpx, module_of
from .exchange import Exchange, Upgrade, file_chunks, head_of, is_upgrade
from .reports import tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asgi_node._native import HostEvent


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
        self.raise_server_exceptions = raise_server_exceptions
        self.client = client
        self._options = {"root_path": root_path, "loop": loop, **options}
        self._host: AppHost | None = None
        self._finalizer: Any = None
        self._open: set[SyncExchange] = set()

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
        # A client that nobody closed takes its thread with it when it goes.
        self._finalizer = weakref.finalize(self, host.abandon)
        return host

    def running(self) -> AppHost:
        """The application, which is started now if it was not before."""
        return self._host or self.start(lifespan="off")

    def close(self) -> None:
        """End what is under way, the lifespan, the loop and its thread. A later request starts the application anew."""
        host, self._host = self._host, None
        if host is None:
            return
        self._finalizer.detach()
        try:
            for exchange in list(self._open):
                with contextlib.suppress(Exception):
                    exchange.close()
            host.close()
        finally:
            tell(host)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Called by httpx."""
        if is_upgrade(request):
            raise Upgrade(request)
        flat = head_of(request, self.client)
        host = self.running()
        source: Iterator[bytes] | None = None
        body = b""
        if isinstance(request.stream, module_of(request).ByteStream):
            body = b"".join(request.stream)
        else:
            source = iter(request.stream)  # type: ignore[arg-type]  # httpx.Client has looked
        call = host.submit(flat, body, body_follows=source is not None, expects_continue="expect" in request.headers)
        exchange = SyncExchange(host, call, request, self.raise_server_exceptions)
        exchange.open(self._open, source)
        return exchange.begin()


class SyncExchange(Exchange):
    """A request, and a caller that blocks."""

    def open(self, registry: set[SyncExchange], source: Iterator[bytes] | None) -> None:
        """Belong to a transport, and have this body to send."""
        self._registry = registry
        registry.add(self)
        self._source = source
        self.uploading = source is not None

    def begin(self) -> httpx.Response:
        """The response, as soon as it has begun."""
        try:
            event = self.next()
            if event.kind == "failed":
                self._ended()
                return self.failed(event)
            return self.response(event, _stream_class(self.module)(self, event))
        except BaseException:
            self.abandon()
            raise

    def body(self, event: HostEvent) -> Iterator[bytes]:
        """The body, piece by piece; the application may send more as pieces are taken."""
        while True:
            if event.kind == "file":
                try:
                    yield from file_chunks(event)
                except EOFError as reason:
                    self.abandon()
                    raise self.cut(reason) from None
            elif event.data:
                yield event.data
            self.call.native.taken(event.weight)
            if event.last:
                break
            try:
                event = self.next()
            except BaseException:
                self.abandon()
                raise
            if event.kind == "failed":
                self._ended()
                self.failed(event)
        self.end_of(event)
        self._ended()
        self.settle()

    def next(self) -> HostEvent:
        """The next event; body is sent as long as there is none."""
        while (event := self.next_event()) is None:
            if self.uploading and self.may_push and not self.call.native.wait_for_news(0):
                self._push()
                continue
            try:
                self.add(self.call.next_events(self.limit, self.waiting_for()))
            except AppTimeout as late:
                raise self.module.ReadTimeout(str(late), request=self.request) from None
        return event

    def _push(self) -> None:
        chunk = next(self._source, None) if self._source else None
        if chunk is None:
            self.call.native.push(b"", True)
            self.uploading = False
        elif chunk:
            self.may_push = self.call.native.push(chunk, False)

    def _ended(self) -> None:
        """Wait for the application to return."""
        self.done = True
        self._registry.discard(self)
        try:
            self.call.wait_for_end(self.limit)
        except AppTimeout as late:
            self.call.leave()
            self.host.end(self.call, 0, report=False)
            raise self.module.ReadTimeout(str(late), request=self.request) from None

    def close(self) -> None:
        """The client leaves before the end: the application is told, and has a moment to notice."""
        if not self.done:
            self.abandon(report=True)
            self.settle()

    def abandon(self, report: bool = False) -> None:
        """Leave, whatever the application makes of it. No need to report that where the test has failed already."""
        if not self.done:
            self.done = True
            self._registry.discard(self)
            self.call.leave()
            self.host.end(self.call, report=report)


def _stream_class(module: Any) -> Any:
    """The response's stream, of the module that the client is of."""
    try:
        return _streams[module.__name__]
    except KeyError:
        pass

    class BridgeStream(module.SyncByteStream):  # type: ignore[misc]  # which of two modules is known at run time
        def __init__(self, exchange: SyncExchange, event: HostEvent) -> None:
            self._exchange = exchange
            self._body = exchange.body(event)

        def __iter__(self) -> Iterator[bytes]:
            return self._body

        def close(self) -> None:
            self._exchange.close()

    _streams[module.__name__] = BridgeStream
    return BridgeStream


_streams: dict[str, Any] = {}
