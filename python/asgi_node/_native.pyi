"""The bridge, in Rust. Host-neutral: Node and the test client drive it alike.

What Node drives is `Drain` and the channels; `Host`, `Call`, `Notifier` and `HostEvent` are for hosts in Python, which
use them through `asgi_node.host`.
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
    """Keep signals from this thread: it is about to fork."""

def forked_parent() -> None:
    """Let signals in again."""

def forked_child() -> None:
    """Tell that this is the child: the bridge raises RuntimeError in it, and signals have their default actions."""

class ClientDisconnected(OSError):
    """Raised by ``send()`` after the client has gone. Silent when it escapes the application."""

@final
class Drain:
    """Takes what the hosts have sent; called by the event loop when its descriptor is readable."""

    def fileno(self) -> int: ...
    def bind(self, event_loop: Any) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> None: ...

@final
class LogQueue:
    """Takes log records and lines of output to one handler's host."""

    @property
    def level(self) -> int:
        """The level from which records are wanted."""

    @property
    def takes_lines(self) -> bool:
        """Whether lines are wanted."""

    def record(self, level: int, text: str) -> bool: ...
    def line(self, descriptor: int, text: str) -> bool: ...

@final
class Channel:
    """One HTTP request and its response, or one WebSocket."""

    @property
    def id(self) -> int:
        """The host's number for it."""

    @property
    def number(self) -> int:
        """The sequence number of this request within its application; the host's log has it too."""

    @property
    def client_left(self) -> bool:
        """Whether the client has left before its response was complete, or the application has received its disconnect.

        A WebSocket counts as left when it is closed, too.
        """

    @property
    def is_unnotified_event_stream(self) -> bool:
        """Whether it is a stream of server-sent events whose application has not received the disconnect that
        `begin_shutdown` gives. Never true of a WebSocket."""

    def receive(self) -> Awaitable:
        """The ASGI ``receive``. RuntimeError in a forked process."""

    def send(self, event: dict[str, Any]) -> Awaitable:
        """The ASGI ``send``. It takes the event when it is called, and raises when it is awaited: TypeError,
        ValueError or RuntimeError for a wrong event, `ClientDisconnected` when the client has left."""

    def on_disconnect(self, callback: Callable[[], object]) -> None:
        """Call it on the event loop's thread when the client leaves before the application's task has ended."""

    @property
    def is_unwanted(self) -> bool:
        """Whether nobody waits for what the application has not sent yet.

        Its client has left, or its host has given it up."""

    @property
    def is_abandoned(self) -> bool:
        """Whether the host has given the request up and counts it no more among those in flight."""

    def abandon(self) -> None:
        """Count it no more among the requests in flight, though its application goes on."""

    def begin_shutdown(self) -> None:
        """The handler is closing: ``receive()`` gives a disconnect where it would wait for one. ``send()`` goes on.

        A WebSocket is closed with code 1012, behind what was sent."""

    def fail(self, reason: str) -> None:
        """The event loop cannot go on, for this reason: nothing more comes of it."""

    def finish(self, message: str | None = None, traceback: str | None = None, logged: bool = False) -> bool:
        """The application's task has ended: by an exception when `message` is given.

        `logged`: the application has logged it itself, and the host does not.

        Returns whether the host reports it. If not, the response was complete or the client had left, and reporting is
        up to the caller."""

@final
class Awaitable(Coroutine[Any, Any, Any]):
    """What ``receive()`` and ``send()`` return. A coroutine to all who ask."""

    def __await__(self) -> Generator[Any, Any, Any]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
    def send(self, value: Any) -> Any: ...
    def throw(self, kind: Any, value: Any = None, traceback: TracebackType | None = None) -> Any: ...
    def close(self) -> None: ...

@final
class Host:
    """One application on one event loop, and where requests go in. `asgi_node.host.AppHost` is made of it."""

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
        """Serve what this `runtime.runner.Runner` runs. On the loop's thread, after the application's start-up.

        Defaults are Node's: those of `asgi_node._protocol`.
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
        """Send a request into the application; `head` is made by `asgi_node.host.head`.

        Raises RuntimeError where nothing is served, and ValueError for a malformed head.
        """

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Call it on the event loop's thread, behind all requests that were submitted before."""

    def refuse(self) -> None:
        """Refuse requests from now on."""

    def release(self) -> None:
        """Let go of the application and of what is queued: the event loop no longer watches `drain`."""

@final
class Call:
    """One request, from the side of whoever sent it. All its methods can be called on any thread, and none blocks but
    the two that wait; these let other threads run Python meanwhile."""

    def __new__(cls, notifier: Notifier | None = None) -> Self: ...
    @property
    def id(self) -> int:
        """Its number: that of the exchange that the application's ``receive`` and ``send`` belong to."""

    @property
    def ended(self) -> bool:
        """Whether the application's task has ended."""

    def wait_for_news(self, timeout: float | None = None) -> bool:
        """Wait for events or for the end of the application's task, at most `timeout` seconds. Whether either came."""

    def wait_for_end(self, timeout: float | None = None) -> bool:
        """Wait for the end of the application's task, at most `timeout` seconds. Whether it came."""

    def take_events(self) -> list[HostEvent]:
        """Take the events that are there."""

    def taken(self, weight: int) -> None:
        """An event of this `HostEvent.weight` is used up: the application may send as many bytes again."""

    def push(self, chunk: bytes, last: bool = False) -> bool:
        """Add request body. False: stop until an event ``resume``."""

    def message(self, data: str | bytes) -> bool:
        """Add a message to a WebSocket. False: stop until an event ``resume``."""

    def close(self, code: int, reason: str = "") -> None:
        """The client closes its WebSocket: no event follows."""

    def half_close(self) -> None:
        """The client closes its side and still reads."""

    def disconnect(self) -> None:
        """The client leaves: the application gets its disconnect, and no event follows."""

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
        """``start``: `status`, `headers`, `data` (the first piece of the body). ``body``: `data`, with the trailers in
        `headers` when it is the last. ``file``: `range`. ``failed``: `text` (why), `data` (its code), `traceback`, and
        `status` 1 when the response had begun. ``early_hint``: `headers`. ``accept``: `text` (the sub-protocol),
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
    def range(self) -> tuple[int, int, int] | None:
        """A file's descriptor, which is the receiver's to close, the offset and the length of the range."""

    @property
    def weight(self) -> int:
        """The bytes to give to `Call.taken`."""

    @property
    def last(self) -> bool:
        """Whether no event follows."""

@final
class Notifier:
    """Where calls tell an asyncio loop of news: ``loop.add_reader(notifier.fileno(), …)``, and `take` there."""

    def __new__(cls) -> Self: ...
    def fileno(self) -> int:
        """The descriptor that becomes readable when there is news."""

    def take(self) -> list[int]:
        """The numbers of the calls that have news, some perhaps twice; the descriptor is silent then."""

@final
class Worker:
    """The connection of a worker to Node, made on Python's main thread. It takes the socket that is standard input."""

    def __new__(cls) -> Self: ...
    @property
    def drain(self) -> Drain:
        """For the loop's thread, as that of `Host`."""

    @property
    def loop(self) -> str:
        """The option ``loop`` of the handler."""

    @property
    def argv(self) -> list[str]:
        """``sys.argv``."""

    @property
    def address_space(self) -> int | None:
        """The most bytes of address space; `None`: no limit."""

    @property
    def exit_timeout(self) -> float:
        """Seconds that the end of the process may wait for threads."""

    def start(self) -> None:
        """Begin to serve: called once, on the loop's thread, when `drain` is bound."""

    def refuse(self, code: str, message: str, traceback: str) -> None:
        """Tell Node that there is no application, in place of `start`."""

    def fail(self, reason: str) -> None:
        """The event loop has ended: what is under way fails with this reason."""

    def finish(self) -> None:
        """The process ends: return when Node has been sent all that there is, or after a second."""
