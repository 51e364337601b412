"""The bridge, in Rust. Node, workers and the test client use it in the same way.

Node uses `Drain` and the channels. `Host`, `Call`, `Notifier` and `HostEvent` are for the host in Python
(`asgi_node.host`).
"""

from collections.abc import Callable, Coroutine, Generator, Iterator
from types import TracebackType
from typing import Any, Literal, Self, final

__all__ = [
    "Awaitable",
    "Call",
    "Channel",
    "ClientDisconnected",
    "Drain",
    "Host",
    "HostEvent",
    "LogQueue",
    "Notifier",
    "Worker",
    "__version__",
    "forked_child",
    "forked_parent",
    "forking",
]

__version__: str

def forking() -> None:
    """Block signals for this thread, because it is about to fork."""

def forked_parent() -> None:
    """Allow signals again."""

def forked_child() -> None:
    """Note that this process is the child. The bridge raises RuntimeError in it. Signals get their default actions."""

class ClientDisconnected(OSError):
    """Raised by ``send()`` after the client has gone. It is not logged when it leaves the application."""

@final
class Drain:
    """Takes the messages of the hosts. The event loop calls it when its descriptor is readable."""

    def fileno(self) -> int:
        """The descriptor. It is readable when messages wait."""

    def bind(self, event_loop: Any) -> None:
        """Say which loop it serves: once, on the loop's thread, before the loop runs."""

    def __call__(self, *args: Any, **kwargs: Any) -> None: ...

@final
class LogQueue:
    """Carries log records and lines of output to one handler's host."""

    @property
    def level(self) -> int:
        """The lowest level of records that the host wants."""

    @property
    def takes_lines(self) -> bool:
        """Whether the host wants lines."""

    def record(self, level: int, text: str) -> bool:
        """Hand over a log record as JSON. Return False if the host no longer listens."""

    def line(self, descriptor: int, text: str) -> bool:
        """Hand over a line of output. Return False if the host no longer listens.

        `descriptor` is 1 for stdout, 2 for stderr.
        """

@final
class Channel:
    """One HTTP request and its response, or one WebSocket."""

    @property
    def id(self) -> int:
        """The host's number of the request."""

    @property
    def number(self) -> int:
        """The sequence number of this request within its handler, also among workers; the host's log has it too."""

    @property
    def client_left(self) -> bool:
        """Whether the client has left before its response was complete, or the application has received its disconnect.

        A WebSocket counts as left when it is closed, too.
        """

    @property
    def is_unnotified_event_stream(self) -> bool:
        """Whether it is a stream of server-sent events whose application has not received the disconnect of
        `begin_shutdown`. Never true for a WebSocket."""

    def receive(self) -> Awaitable:
        """The ASGI ``receive``. Raises RuntimeError in a forked process."""

    def send(self, event: dict[str, Any]) -> Awaitable:
        """The ASGI ``send``. It takes the event when it is called, and raises errors when it is awaited: TypeError,
        ValueError or RuntimeError for a wrong event, and `ClientDisconnected` if the client has left."""

    def on_disconnect(self, callback: Callable[[], object]) -> None:
        """Call `callback` on the event loop's thread if the client leaves before the application's task has ended."""

    @property
    def is_unwanted(self) -> bool:
        """Whether nobody waits for the rest of the response.

        Its client has left, or its host has given the request up."""

    @property
    def is_abandoned(self) -> bool:
        """Whether the host has given the request up, so that it no longer counts as in flight."""

    def abandon(self) -> None:
        """Stop counting the request as in flight, although its application goes on."""

    def begin_shutdown(self) -> None:
        """The handler is closing. ``receive()`` returns a disconnect instead of waiting for one.

        ``send()`` still works. A WebSocket is closed with code 1012, after the messages that were sent."""

    def fail(self, reason: str) -> None:
        """The event loop cannot go on, for this reason: fail the request."""

    def finish(self, message: str | None = None, traceback: str | None = None, logged: bool = False) -> bool:
        """The application's task has ended, with an exception if `message` is given.

        `logged`: the application has logged the exception itself, so the host does not.

        Returns whether the host reports the exception. If not, the response was complete or the client had left, and
        the caller has to report it."""

@final
class Awaitable(Coroutine[Any, Any, Any]):
    """The result of ``receive()`` and ``send()``. It behaves like a coroutine."""

    def __await__(self) -> Generator[Any, Any, Any]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
    def send(self, value: Any) -> Any: ...
    def throw(self, kind: Any, value: Any = None, traceback: TracebackType | None = None) -> Any: ...
    def close(self) -> None: ...

@final
class Host:
    """One application on one event loop, and the entrance for requests. `asgi_node.host.AppHost` uses it."""

    def __new__(cls) -> Self: ...
    @property
    def drain(self) -> Drain:
        """For the loop's thread: ``drain.bind(loop)``, then ``loop.add_reader(drain.fileno(), drain)``."""

    @property
    def in_flight(self) -> int:
        """Requests whose application has not returned."""

    def serve(
        self,
        runner: Any,
        *,
        root_path: str = "",
        root_path_stripped: bool = False,
        high_water_mark: int = ...,
        max_queue: int = ...,
        max_concurrency: int = ...,
        pathsend: bool = False,
        zerocopysend: bool = False,
    ) -> None:
        """Serve the application of this `runtime.runner.Runner`. Call it on the loop's thread, after the start-up.

        The defaults are those of Node, in `asgi_node._protocol`.
        """

    def submit(
        self,
        call: Call,
        head: bytes,
        body: bytes,
        *,
        body_follows: bool = False,
        expects_continue: bool = False,
        is_websocket: bool = False,
    ) -> None:
        """Send a request to the application. `asgi_node.host.head` builds `head`.

        Raises RuntimeError if no application is served, and ValueError for a malformed head.
        """

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call `callback` on the event loop's thread, after all requests that were submitted before."""

    def refuse(self) -> None:
        """Refuse new requests from now on."""

    def release(self) -> None:
        """Release the application and the queue. The event loop must no longer watch `drain`."""

@final
class Call:
    """One request, from the client's side. All methods may be called on any thread. Only the two that wait block, and
    they release the GIL."""

    def __new__(cls, notifier: Notifier | None = None) -> Self: ...
    @property
    def id(self) -> int:
        """The number of the request, as `Channel.id`."""

    @property
    def ended(self) -> bool:
        """Whether the application's task has ended."""

    def wait_for_news(self, timeout: float | None = None) -> bool:
        """Wait for events or for the end of the application's task, at most `timeout` seconds.

        Return whether one came."""

    def wait_for_end(self, timeout: float | None = None) -> bool:
        """Wait for the end of the application's task, at most `timeout` seconds. Return whether it came."""

    def take_events(self) -> list[HostEvent]:
        """Take the events that have come."""

    def taken(self, weight: int) -> None:
        """An event of this `HostEvent.weight` has been used, so the application may send as many bytes again."""

    def push(self, chunk: bytes, last: bool = False) -> bool:
        """Add a piece of request body. False: stop until the event ``resume``."""

    def message(self, data: str | bytes) -> bool:
        """Add a message to a WebSocket. False: stop until the event ``resume``."""

    def close(self, code: int, reason: str = "") -> None:
        """The client closes its WebSocket. No event follows."""

    def half_close(self) -> None:
        """The client closes its side, but still reads."""

    def disconnect(self) -> None:
        """The client leaves. The application gets its disconnect, and no event follows."""

    def end(self) -> None:
        """The application's task has ended. Called by the runner."""

@final
class HostEvent:
    """One event for the client. Its kind decides which attributes have a value; the others are empty."""

    @property
    def kind(
        self,
    ) -> Literal[
        "start",
        "body",
        "file",
        "failed",
        "resume",
        "continue",
        "early_hint",
        "accept",
        "text",
        "bytes",
        "close",
    ]:
        """``start``: `status`, `headers`, `data` (the first piece of the body). ``body``: `data`; the last one has the
        trailers in `headers`. ``file``: `range`. ``failed``: `text` (the reason), `data` (the code), `traceback`, and
        `started` if the response had begun. ``early_hint``: `headers`. ``accept``: `text` (the sub-protocol),
        `headers`. ``text``: `text`. ``bytes``: `data`. ``close``: `status` (the code), `text` (the reason).
        ``resume``, ``continue``: the body may go on."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> list[tuple[bytes, bytes]]: ...
    @property
    def data(self) -> bytes: ...
    @property
    def text(self) -> str: ...
    @property
    def traceback(self) -> str: ...
    @property
    def started(self) -> bool: ...
    @property
    def range(self) -> tuple[int, int, int] | None:
        """A file's descriptor, the offset and the length of the range. The receiver must close the descriptor."""

    @property
    def weight(self) -> int:
        """The number of bytes for `Call.taken`."""

    @property
    def last(self) -> bool:
        """Whether no event follows."""

@final
class Notifier:
    """Tells an asyncio loop of calls with news: ``loop.add_reader(notifier.fileno(), callback)`` and `take`."""

    def __new__(cls) -> Self: ...
    def fileno(self) -> int:
        """The descriptor. It becomes readable when there is news."""

    def take(self) -> list[int]:
        """The numbers of the calls with news; a number may appear twice. Makes the descriptor unreadable again."""

@final
class Worker:
    """A worker's connection to Node. Create it on Python's main thread. It takes the socket that is standard input."""

    def __new__(cls) -> Self: ...
    @property
    def drain(self) -> Drain:
        """For the loop's thread, as `Host.drain`."""

    @property
    def loop(self) -> str:
        """The option ``loop`` of the handler."""

    @property
    def argv(self) -> list[str]:
        """``sys.argv``."""

    @property
    def address_space(self) -> int | None:
        """The most bytes of address space; `None` for no limit."""

    @property
    def exit_timeout(self) -> float:
        """Seconds that the end of the process may wait for threads."""

    def start(self) -> None:
        """Begin to serve. Call it once, on the loop's thread, after `drain` has been bound."""

    def refuse(self, code: str, message: str, traceback: str) -> None:
        """Report to Node why the application cannot start. Call it instead of `start`."""

    def fail(self, reason: str) -> None:
        """The event loop has ended. The requests under way fail with this reason."""

    def finish(self) -> None:
        """The process ends. Return when everything has been sent to Node, or after a second."""
