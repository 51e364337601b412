"""One request to an application, and the ways to wait for its events."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any, Protocol

from asgi_node._native import Call, Notifier

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from asgi_node._native import HostEvent

    from .recorder import Recorder


class AppTimeout(TimeoutError):  # noqa: N818 (as TimeoutError itself)
    """The application has exceeded a timeout. The message says at which line it waits."""


class Place(Protocol):
    """What a call needs from its host."""

    def where(self, call: AppCall) -> str:
        """Where the application is, in words."""


class AppCall:
    """One request to an application, from the sender's side."""

    def __init__(self, name: str, host: Place, notifier: Notifier | None) -> None:
        self.name = name
        self.native = Call(notifier)
        self.host = host
        self.task: asyncio.Task[Any] | None = None
        self.recorder: Recorder | None = None
        self.left = False
        self.context = contextvars.copy_context()
        """The caller's context variables. The application sees those that have changed since its start."""

    @property
    def raised(self) -> BaseException | None:
        """The exception that the application raised: the object itself. Set when the application has ended."""
        return self.recorder.raised if self.recorder else None

    @property
    def violations(self) -> list[str]:
        """The application's mistakes, as texts: events that were refused, calls that were not awaited."""
        return self.recorder.refused + self.recorder.forgotten if self.recorder else []

    @property
    def announces_trailers(self) -> bool:
        """Whether the application has said that there will be trailers."""
        return self.recorder is not None and self.recorder.announces_trailers

    @property
    def trailers(self) -> list[tuple[bytes, bytes]]:
        """The trailers that the application sent, even if the client did not ask for them."""
        return self.recorder.trailers if self.recorder else []

    @property
    def debug(self) -> dict[str, Any] | None:
        """What the application sent as ``http.response.debug``."""
        return self.recorder.debug if self.recorder else None

    def next_events(self, timeout: float | None = None, waiting_for: str = "answered") -> list[HostEvent]:
        """Wait for events and take them; an empty list if the application has ended. Raises `AppTimeout`."""
        if not self.native.wait_for_news(timeout):
            raise self.timed_out(timeout, waiting_for)
        return self.native.take_events()

    def events(self, timeout: float | None = None) -> Iterator[HostEvent]:
        """All events up to the last one. Each is taken when the iterator goes on. `timeout` is for each wait."""
        while True:
            batch = self.next_events(timeout)
            for event in batch:
                yield event
                self.native.taken(event.weight)
                if event.last:
                    return
            if not batch and self.native.ended:
                return

    def wait_for_end(self, timeout: float | None = None) -> None:
        """Wait until the application has returned. Raises `AppTimeout`."""
        if not self.native.ended and not self.native.wait_for_end(timeout):
            raise self.timed_out(timeout, "returned, although its response is complete")

    def leave(self) -> None:
        """Disconnect the client: the application receives a disconnect."""
        self.left = True
        self.native.disconnect()

    def timed_out(self, timeout: float | None, waiting_for: str) -> AppTimeout:
        """The error that says where the application is."""
        place = self.host.where(self)
        return AppTimeout(f"{self.name}: the application has not {waiting_for} within {timeout:g} s. {place}")
