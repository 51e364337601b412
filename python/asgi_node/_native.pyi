"""The bridge, in Rust. Host-neutral: Node and the test client drive it alike."""

from collections.abc import Callable, Coroutine
from typing import Any, final

__version__: str

class ClientDisconnected(OSError):
    """Raised by ``send()`` after the client has gone. Silent when it escapes the application."""

@final
class Drain:
    """Takes what the hosts have sent; called by the event loop when its descriptor is readable."""

    def fileno(self) -> int: ...
    def bind(self, event_loop: Any) -> None: ...
    def flush(self) -> None: ...
    def __call__(self) -> None: ...

@final
class HttpExchange:
    """One HTTP request and its response."""

    def receive(self) -> Coroutine[Any, Any, dict[str, Any]]: ...
    def send(self, event: dict[str, Any]) -> Coroutine[Any, Any, None]: ...
    def on_disconnect(self, callback: Callable[[], object]) -> None: ...
    def finish(self, message: str | None = None, traceback: str | None = None) -> bool: ...
