"""Records what a test must know of an application: what it raised, sent wrongly, or never awaited.

A server logs such mistakes and goes on, but a test has to fail. The bridge validates the events, as in production.
The recorder keeps the refused ones.
"""

from __future__ import annotations

import contextlib
import linecache
import sys
from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

from asgi_node._native import ClientDisconnected

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    from asgi_node._native import Channel

DEBUG = "http.response.debug"
"""Starlette's extension: an application tells its test client which template it rendered."""


class Recorder:
    """Is between one call of the application and its channel."""

    def __init__(self, channel: Channel, late: Callable[[str], object]) -> None:
        self.channel = channel
        self.raised: BaseException | None = None
        self.refused: list[str] = []
        """Events that the bridge refused, and why."""
        self.forgotten: list[str] = []
        """Calls that were never awaited."""
        self.denied: tuple[int, str] | None = None
        """The code and reason of a WebSocket that was closed instead of accepted: on the wire it is a 403."""
        self.debug: dict[str, Any] | None = None
        self.announces_trailers = False
        self.trailers: list[tuple[bytes, bytes]] = []
        """The trailers, even if the client did not ask for them (``TE: trailers``): a server would leave them out."""
        self.accepted_with: list[tuple[bytes, bytes]] = []
        """The headers of ``websocket.accept`` as the application wrote them; on the wire they are lower-case."""
        self.substitutes: dict[str, dict[str, Any]] = {}
        """Events that replace a text message: a test gives the application events that no client can send."""
        self.ended = False
        self._late = late
        self._calls: set[Watched] = set()

    def receive(self) -> Watched:
        """The application's ``receive``."""
        return Watched(self, "receive()", self.channel.receive())

    def send(self, event: Any) -> Watched:
        """The application's ``send``."""
        kind = event.get("type") if isinstance(event, dict) else None
        if kind == DEBUG:
            self.debug = event.get("info")
            return Watched(self, "send()", _nothing())
        sent = self.channel.send(event)
        if kind == "websocket.close" and self.denied is None:
            self.denied = (event.get("code", 1000), event.get("reason") or "")
        elif kind == "http.response.start":
            self.announces_trailers = bool(event.get("trailers"))
        elif kind == "http.response.trailers":
            self.trailers += pairs_of(event)
        elif kind == "websocket.accept":
            self.accepted_with = pairs_of(event)
        return Watched(self, f"send({kind!r})", sent)

    def finish(self, message: str | None = None, traceback: str | None = None, logged: bool = False) -> bool:
        """The application has returned, or has raised the exception that is being handled."""
        self.raised = sys.exc_info()[1]
        self.ended = True
        self.forgotten += [f"{call.name} was called and never awaited" for call in self._calls]
        return self.channel.finish(message, traceback, logged)

    def on_disconnect(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the client leaves."""
        self.channel.on_disconnect(callback)

    @property
    def number(self) -> int:
        """The sequence number of this request within its application."""
        return self.channel.number

    @property
    def client_left(self) -> bool:
        """Whether the client left before its response was complete, or the application received its disconnect."""
        return self.channel.client_left

    @property
    def is_unnotified_event_stream(self) -> bool:
        """Whether it is an event stream whose application has not received the disconnect of a shutdown."""
        return self.channel.is_unnotified_event_stream

    def begin_shutdown(self) -> None:
        """Let the application receive the disconnect of a shutdown."""
        self.channel.begin_shutdown()

    def refuse(self, name: str, reason: BaseException) -> None:
        """The bridge has refused an event."""
        text = f"{name} was refused: {type(reason).__name__}: {reason}"
        if self.ended:
            self._late(f"{text} (sent after the application had returned)")
        else:
            self.refused.append(text)


def pairs_of(event: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """The headers of an event. Empty if they are malformed: the bridge refuses such an event when it is awaited."""
    with contextlib.suppress(TypeError, ValueError):
        return [(bytes(name), bytes(value)) for name, value in event.get("headers") or ()]
    return []


async def _nothing() -> None:
    """The result of ``send`` for an event that only the test client has."""


class Watched(Coroutine[Any, Any, Any]):
    """One call of ``receive`` or ``send``: a coroutine like the bridge's, which records whether it was awaited."""

    def __init__(self, recorder: Recorder, name: str, inner: Coroutine[Any, Any, Any]) -> None:
        self.name = name
        self._recorder = recorder
        self._inner = inner
        recorder._calls.add(self)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self

    def __iter__(self) -> Watched:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        self._recorder._calls.discard(self)
        try:
            return self._inner.send(value)
        except StopIteration as returned:
            substitutes = self._recorder.substitutes
            if substitutes and isinstance(returned.value, dict) and returned.value.get("text") in substitutes:
                raise StopIteration(substitutes.pop(returned.value["text"])) from None
            raise
        except (TypeError, ValueError, RuntimeError) as reason:
            if not isinstance(reason, ClientDisconnected):
                self._recorder.refuse(self.name, reason)
            raise

    def throw(self, kind: Any, value: Any = None, traceback: TracebackType | None = None, /) -> Any:
        self._recorder._calls.discard(self)
        return self._inner.throw(kind, value, traceback) if value is not None else self._inner.throw(kind)

    def close(self) -> None:
        self._recorder._calls.discard(self)
        self._inner.close()

    @property
    def cr_await(self) -> None:
        """For code that follows what a coroutine waits for."""


def where(task: asyncio.Task[Any]) -> str:
    """Where a task waits: the innermost line of the application's own code, and what it awaits there."""
    frames, last = [], None
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = next((f for name in _FRAMES if (f := getattr(awaited, name, None)) is not None), None)
        if frame is not None:
            frames.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname))
        last = awaited
        awaited = next((a for name in _AWAITS if (a := getattr(awaited, name, None)) is not None), None)
    return _describe([frame for frame in frames if not frame[0].startswith(_OWN)], last)


def where_thread(ident: int | None) -> str:
    """Where the thread of an event loop computes or blocks; empty if it is in the loop itself."""
    frame = sys._current_frames().get(ident or 0)
    frames = []
    while frame is not None:
        frames.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname))
        frame = frame.f_back
    frames = [place for place in reversed(frames) if not any(part in place[0] for part in _LOOP)]
    return _describe(frames, None) if frames else ""


_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_AWAITS = ("cr_await", "gi_yieldfrom", "ag_await")
_OWN = __file__.rpartition("/")[0].rpartition("/")[0] + "/"
_LOOP = (_OWN, "/threading.py", "/selectors.py", "/asyncio/")
_LIBRARIES = ("/site-packages/", "/lib/python", "<frozen")


def _describe(frames: list[tuple[str, int, str]], last: Any) -> str:
    own = [frame for frame in frames if not any(part in frame[0] for part in _LIBRARIES)]
    if not frames:
        return last.name if isinstance(last, Watched) else "its first line"
    file, line, name = (own or frames)[-1]
    source = linecache.getline(file, line).strip()
    return f"{file}:{line} in {name}" + (f": {source}" if source else "")
