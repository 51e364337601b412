"""The rules for an application: for each one its code, its text, and its place in the specification.

"HTTP & WebSocket" and "Lifespan" are the sub-specifications of ASGI 3.0 that asgi-node implements: 2.5 and 2.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .report import Severity

_HTTP = "HTTP & WebSocket 2.5, "
_LIFESPAN = "Lifespan 2.0, "


@dataclass(frozen=True)
class Rule:
    """One rule. A ``remark`` is about something that is allowed, but rarely intended."""

    severity: Severity
    specification: str
    section: str


def _error(specification: str, section: str) -> Rule:
    return Rule("error", specification, section)


def _remark(specification: str, section: str) -> Rule:
    return Rule("remark", specification, section)


RULES: dict[str, Rule] = {
    # What is sent
    "EVENT_REFUSED": _error(
        "Each event has the keys, types and place in the sequence that the specification gives it; a server raises for "
        "others.",
        "ASGI 3.0, Error Handling",
    ),
    "NOT_AWAITED": _error(
        "receive() and send() are awaitable callables: without await, it is not known that an event came or was sent.",
        "ASGI 3.0, Applications",
    ),
    "SENT_AFTER_RETURN": _error(
        "A request is over when the application returns; events that one of its tasks sends later are lost.",
        _HTTP + "HTTP Connection Scope",
    ),
    "HEADER_NAME_CASE": _remark(
        "Header names are lower-cased byte strings. (Most servers lower them.)", _HTTP + "Response Start - send event"
    ),
    "TRANSFER_ENCODING": _remark(
        "The server decides the framing of a response; transfer-encoding is ignored.",
        _HTTP + "Response Start - send event",
    ),
    "BODY_FORBIDDEN": _error("A response with this status has no body.", "RFC 9110, 15.3.5, 15.3.6, 15.4.5"),
    "BACK_PRESSURE_IGNORED": _error(
        "send() returns when there is room for more. An application that does not await each send() fills the memory "
        "if its client reads slowly.",
        _HTTP + "Response Body - send event",
    ),
    # The outcome of a request
    "APP_RAISED": _error(
        "Every request is answered, whatever the client sends; an exception that leaves the application becomes a 500.",
        "ASGI 3.0, Error Handling",
    ),
    "NO_RESPONSE": _error(
        "A request is answered by http.response.start and at least one http.response.body.",
        _HTTP + "Response Start - send event",
    ),
    "RESPONSE_INCOMPLETE": _error(
        "A response ends with an http.response.body whose more_body is false, after all bytes of its content-length.",
        _HTTP + "Response Body - send event",
    ),
    "NO_ANSWER": _error("A request whose body is complete is answered.", _HTTP + "Request - receive event"),
    "LOOP_BLOCKED": _error(
        "All requests share one event loop: an application awaits, and does not block.", "ASGI 3.0, Overview"
    ),
    "SERVER_ERROR": _remark(
        "A wrong request is answered with 4xx; 5xx says that the application is at fault.", "RFC 9110, 15.6"
    ),
    "RETURNED_VALUE": _remark("The return value of an application is ignored.", "ASGI 3.0, Applications"),
    "HEAD_DIFFERS": _remark(
        "HEAD is answered like GET, without the body. Servers are expected to support both.", "RFC 9110, 9.1, 9.3.2"
    ),
    "HEAD_LENGTH": _error("The content-length of a HEAD is that of the GET, or is left out.", "RFC 9110, 8.6"),
    # Whether it accepts every valid scope and event
    "OPTIONAL_KEY": _remark(
        "Keys that the specification calls optional may be missing; each has a default. (Most servers give them all.)",
        _HTTP + "HTTP Connection Scope",
    ),
    "UNKNOWN_KEY": _error("An application must not raise because of unknown keys.", "ASGI 3.0, Error Handling"),
    "UNKNOWN_SCOPE": _remark(
        "An application raises for a scope of an unknown type: so a server learns that it does not support the scope.",
        _LIFESPAN + "Scope",
    ),
    # A client that leaves
    "TRUNCATED_BODY": _error(
        "http.disconnect before the end of a body means that the rest does not come: the body is incomplete.",
        _HTTP + "Disconnect - receive event",
    ),
    "DISCONNECT_LOOP": _error(
        "After http.disconnect or websocket.disconnect no other event comes: receive() returns the same one, at once.",
        _HTTP + "Disconnect - receive event",
    ),
    "DISCONNECT_RAISED": _remark(
        "It is not an error that a client leaves. send() then raises a subclass of OSError, which may leave the "
        "application; other exceptions are logged.",
        _HTTP + "Disconnected Client - send exception",
    ),
    "DISCONNECT_IGNORED": _remark(
        "When the client leaves, receive() returns http.disconnect: the application can end work that is only for it.",
        _HTTP + "Disconnect - receive event",
    ),
    "CANCEL_IGNORED": _error(
        "asyncio.CancelledError ends a task, after its clean-up: a server that closes cancels tasks that run too long.",
        "Python, asyncio.Task.cancel",
    ),
    # Lifespan
    "LIFESPAN_FAILED": _error("The application's start-up ends with lifespan.startup.complete.", _LIFESPAN + "Startup"),
    "LIFESPAN_SILENT": _error(
        "An application without lifespan raises for its scope; one with lifespan answers lifespan.startup. To return "
        "is neither.",
        _LIFESPAN + "Scope",
    ),
    "LIFESPAN_HANGS": _error(
        "A server waits for the answers to lifespan.startup and lifespan.shutdown: an application has to send them.",
        _LIFESPAN + "Startup, Shutdown",
    ),
    "LIFESPAN_EVENT": _error(
        "lifespan.startup is answered by startup.complete or startup.failed, lifespan.shutdown by shutdown.complete or "
        "shutdown.failed.",
        _LIFESPAN + "Startup Complete - send event",
    ),
    "LIFESPAN_SHUTDOWN": _error(
        "The application stays in its lifespan until lifespan.shutdown, and answers it.",
        _LIFESPAN + "Shutdown Complete - send event",
    ),
    "LIFESPAN_NEEDED": _remark(
        "A server need not support lifespan, and others can switch it off; requests then come without start-up.",
        _LIFESPAN + "Scope",
    ),
    # WebSocket
    "WEBSOCKET_NO_ANSWER": _error(
        "websocket.connect is answered by websocket.accept or websocket.close.", _HTTP + "Connect - receive event"
    ),
    "WEBSOCKET_RAISED": _remark(
        "A client may send any message; an exception closes its socket with 1011, and is logged.",
        _HTTP + "Receive - receive event",
    ),
    "WEBSOCKET_IGNORED": _remark(
        "After websocket.disconnect the socket is gone: the application can end.", _HTTP + "Disconnect - receive event"
    ),
}
