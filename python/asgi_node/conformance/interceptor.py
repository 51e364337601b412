"""Is between the bridge and the application: sees every event, and can add or remove keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import TracebackType

    Scope = MutableMapping[str, Any]

# How often an application may call receive() again after its client has gone.
_ASKED_TOO_OFTEN = 50

# The keys that a scope and an event may lack (HTTP & WebSocket 2.5), with their defaults.
_OPTIONAL_SCOPE = ("scheme", "raw_path", "root_path", "client", "server", "extensions", "subprotocols")
_DEFAULTS = {"body": b"", "more_body": False, "text": None, "bytes": None, "reason": ""}


class Spinning(BaseException):
    """Ends an application that calls receive() again and again after its client has gone: it would block the loop."""


@dataclass
class Trace:
    """The record of one call of the application."""

    received: list[str] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    sent_bytes: int = 0
    largest: int = 0
    spinning: bool = False
    raised: BaseException | None = None
    returned: Any = None

    @property
    def start(self) -> dict[str, Any] | None:
        """The start of the response, if there was one."""
        return next((event for event in self.sent if event.get("type") == "http.response.start"), None)

    def left_before_start(self) -> bool:
        """Whether the application had received the disconnect of its client when it began its response."""
        return self.start is not None and self.start.get("asgi_node.received_disconnect") is True


@dataclass
class Plan:
    """How the next call of the application is made."""

    trace: Trace = field(default_factory=Trace)
    bare: bool = False
    """Without the optional keys."""
    rich: bool = False
    """With unknown keys."""


class Interceptor:
    """The application, as the bridge calls it."""

    def __init__(self, app: Callable[..., Awaitable[Any]]) -> None:
        self.app = app
        self.plan = Plan()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        plan, self.plan = self.plan, Plan()
        trace = plan.trace

        def receiving() -> Any:
            return _Noted(receive(), lambda event: _received(event, plan))

        def sending(event: Any) -> Any:
            if isinstance(event, dict):
                _sent(event, trace)
            return send(event)

        try:
            trace.returned = await self.app(_scope(scope, plan), receiving, sending)
        except BaseException as raised:
            trace.raised = raised
            raise


def _scope(scope: Scope, plan: Plan) -> Scope:
    if plan.bare:
        for name in _OPTIONAL_SCOPE:
            scope.pop(name, None)
        scope["asgi"].pop("spec_version", None)
    if plan.rich:
        scope["x-unknown"] = {"key": [1, None]}
        scope.setdefault("extensions", {})["x.unknown.extension"] = {"version": 7}
    return scope


def _received(event: dict[str, Any], plan: Plan) -> dict[str, Any]:
    trace, kind = plan.trace, event["type"]
    trace.received.append(kind)
    if kind.endswith(".disconnect") and trace.received.count(kind) > _ASKED_TOO_OFTEN:
        trace.spinning = True
        raise Spinning
    if plan.bare:
        event = {name: value for name, value in event.items() if name not in _DEFAULTS or value != _DEFAULTS[name]}
    if plan.rich:
        event = {**event, "x-unknown": {"key": [1, None]}}
    return event


def _sent(event: dict[str, Any], trace: Trace) -> None:
    kept = dict(event)
    if event.get("type") == "http.response.start":
        kept["asgi_node.received_disconnect"] = "http.disconnect" in trace.received
    for name in ("body", "text", "bytes"):
        part = kept.get(name)
        if isinstance(part, (bytes, str)):
            trace.sent_bytes += len(part)
            trace.largest = max(trace.largest, len(part))
            # Only whether the body had bytes: responses may be large.
            kept[name] = part[:1]
    trace.sent.append(kept)


class _Noted(Coroutine[Any, Any, Any]):
    """One call of ``receive``, made at once; its result is recorded when it comes."""

    def __init__(self, inner: Coroutine[Any, Any, Any], note: Callable[[Any], Any]) -> None:
        self._inner = inner
        self._note = note

    def __await__(self) -> Generator[Any, Any, Any]:
        return self

    def __iter__(self) -> _Noted:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        try:
            return self._inner.send(value)
        except StopIteration as done:
            raise StopIteration(self._note(done.value)) from None

    def throw(self, kind: Any, value: Any = None, traceback: TracebackType | None = None, /) -> Any:
        try:
            return self._inner.throw(kind) if value is None else self._inner.throw(kind, value, traceback)
        except StopIteration as done:
            raise StopIteration(self._note(done.value)) from None

    def close(self) -> None:
        self._inner.close()
