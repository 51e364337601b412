"""What an application is held to: a code for each rule, what it says, and where it is said.

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
    """One rule. A ``remark`` is about what is allowed, but rarely meant."""

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
        "receive() and send() are awaitable callables: without await nothing is known to be received or sent.",
        "ASGI 3.0, Applications",
    ),
    "SENT_AFTER_RETURN": _error(
        "A request is over when the application returns; what a task of it sends later reaches nobody.",
        _HTTP + "HTTP Connection Scope",
    ),
    "HEADER_NAME_CASE": _remark(
        "Header names are lower-cased byte strings. (Most servers lower them.)", _HTTP + "Response Start - send event"
    ),
    "TRANSFER_ENCODING": _remark(
        "The framing of a response is its server's; transfer-encoding is ignored.",
        _HTTP + "Response Start - send event",
    ),
    "BODY_FORBIDDEN": _error("A response with this status has no body.", "RFC 9110, 15.3.5, 15.3.6, 15.4.5"),
    "BACK_PRESSURE_IGNORED": _error(
        "send() returns when there is room for more. Who does not await it before the next fills the memory for a slow "
        "reader.",
        _HTTP + "Response Body - send event",
    ),
    # What becomes of a request
    "APP_RAISED": _error(
        "Whatever a client sends is answered; an exception that leaves the application is a 500 that says nothing.",
        "ASGI 3.0, Error Handling",
    ),
    "NO_RESPONSE": _error(
        "A request is answered by http.response.start and at least one http.response.body.",
        _HTTP + "Response Start - send event",
    ),
    "RESPONSE_INCOMPLETE": _error(
        "A response ends with an http.response.body whose more_body is false, after as many bytes as were announced.",
        _HTTP + "Response Body - send event",
    ),
    "NO_ANSWER": _error("A request whose body is complete is answered.", _HTTP + "Request - receive event"),
    "LOOP_BLOCKED": _error(
        "The application runs on the event loop of all requests, and awaits where it has to wait.", "ASGI 3.0, Overview"
    ),
    "SERVER_ERROR": _remark(
        "What a client asks wrongly is answered with 4xx; 5xx says that the application is at fault.", "RFC 9110, 15.6"
    ),
    "RETURNED_VALUE": _remark("What an application returns is ignored.", "ASGI 3.0, Applications"),
    "HEAD_DIFFERS": _remark(
        "HEAD is answered as GET is, without the body. Servers are expected to know both.", "RFC 9110, 9.1, 9.3.2"
    ),
    "HEAD_LENGTH": _error("The content-length of a HEAD is that of the GET, or is left out.", "RFC 9110, 8.6"),
    # Whether it takes what it may be given
    "OPTIONAL_KEY": _remark(
        "Keys that the specification calls optional may be missing; each has a default. (Most servers give them all.)",
        _HTTP + "HTTP Connection Scope",
    ),
    "UNKNOWN_KEY": _error("Keys that an application does not know are no reason to raise.", "ASGI 3.0, Error Handling"),
    "UNKNOWN_SCOPE": _remark(
        "An application raises for a scope of a type that it does not know: so a server learns that it goes without.",
        _LIFESPAN + "Scope",
    ),
    # The client's leaving
    "TRUNCATED_BODY": _error(
        "http.disconnect before the end of a body means that the rest does not come: what is there is not the body.",
        _HTTP + "Disconnect - receive event",
    ),
    "DISCONNECT_LOOP": _error(
        "After http.disconnect or websocket.disconnect nothing else comes: receive() gives it again, at once.",
        _HTTP + "Disconnect - receive event",
    ),
    "DISCONNECT_RAISED": _remark(
        "A client that leaves is no error. send() then raises a subclass of OSError, which may leave the application; "
        "other exceptions end in the log.",
        _HTTP + "Disconnected Client - send exception",
    ),
    "DISCONNECT_IGNORED": _remark(
        "When the client leaves, receive() gives http.disconnect: work that is only for it can end.",
        _HTTP + "Disconnect - receive event",
    ),
    "CANCEL_IGNORED": _error(
        "asyncio.CancelledError ends a task, after its clean-up: a server that closes cancels what goes on too long.",
        "Python, asyncio.Task.cancel",
    ),
    # Lifespan
    "LIFESPAN_FAILED": _error("The application's start-up ends with lifespan.startup.complete.", _LIFESPAN + "Startup"),
    "LIFESPAN_SILENT": _error(
        "Without lifespan, an application raises for its scope; with it, it answers lifespan.startup. Returning says "
        "neither.",
        _LIFESPAN + "Scope",
    ),
    "LIFESPAN_HANGS": _error(
        "A server waits for the answer to lifespan.startup and lifespan.shutdown: there has to be one.",
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
        "A server need not support lifespan, and some are told not to run it; requests then come without start-up.",
        _LIFESPAN + "Scope",
    ),
    # WebSocket
    "WEBSOCKET_NO_ANSWER": _error(
        "websocket.connect is answered by websocket.accept or websocket.close.", _HTTP + "Connect - receive event"
    ),
    "WEBSOCKET_RAISED": _remark(
        "A client may send any message; an exception closes its socket with 1011, and is in the log.",
        _HTTP + "Receive - receive event",
    ),
    "WEBSOCKET_IGNORED": _remark(
        "After websocket.disconnect the socket is gone: the application can end.", _HTTP + "Disconnect - receive event"
    ),
}
