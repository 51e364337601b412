"""The situations of WebSockets. An application without WebSockets may close them, or raise for the scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgi_node.host import AppTimeout, head

from .interceptor import Plan
from .situation import Situation
from .stage import HOST, Answer, described, is_disconnect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .stage import Stage

_UPGRADE = [
    HOST,
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]


def _socket(
    stage: Stage,
    messages: Iterable[str | bytes] = (),
    *,
    end: str = "close",
    offered: str = "",
    plan: Plan | None = None,
) -> Answer:
    """A WebSocket: `messages` if it is accepted, then its end; judged except for the subject of the situation."""
    stage.interceptor.plan = plan = plan or Plan()
    headers = [*_UPGRADE, (b"sec-websocket-protocol", offered.encode())] if offered else _UPGRADE
    call = stage.host.submit(head("GET", stage.path, headers, root_path=""), is_websocket=True)
    answer = Answer(plan.trace)
    if end == "at once":
        call.leave()
    try:
        accepted = end != "at once" and _until_accepted(stage, call, answer)
        if accepted:
            for message in messages:
                call.native.message(message)
                call.native.wait_for_end(0.02)
                for event in call.native.take_events():
                    call.native.taken(event.weight)
            call.left = True
            if end == "close":
                call.native.close(1000, "done")
            else:
                call.native.disconnect()
    except AppTimeout as late:
        stage.late("WEBSOCKET_NO_ANSWER", late)
        call.native.disconnect()
    _come_to_an_end(stage, call, answer)
    _judge(stage, call, answer)
    stage.host.reports.clear()
    return answer


def _until_accepted(stage: Stage, call: Any, answer: Answer) -> bool:
    while True:
        events = call.next_events(stage.timeout, "answered websocket.connect")
        for event in events:
            call.native.taken(event.weight)
            if event.kind == "accept":
                return True
            if event.kind == "failed":
                answer.failed = event
            if event.last:
                return False
        if not events and call.native.ended:
            return False


def _come_to_an_end(stage: Stage, call: Any, answer: Answer) -> None:
    answer.ended = call.native.wait_for_end(stage.grace)
    if answer.ended:
        stage.turn()
    else:
        if call.left:
            stage.wrong("WEBSOCKET_IGNORED", f"{stage.host.where(call)} {stage.grace:g} s after its socket had gone")
        stage.cancel(call)


def _judge(stage: Stage, call: Any, answer: Answer) -> None:
    trace = answer.trace
    stage.judge_events(call, trace)
    if trace.spinning:
        return
    raised = trace.raised
    answered = any(str(event.get("type", "")).startswith("websocket.") for event in trace.sent)
    if raised is None or is_disconnect(raised) or call.violations:
        denied = any(event.get("type") == "websocket.http.response.start" for event in trace.sent)
        if raised is None and trace.received and not answered and not denied and not call.left and answer.ended:
            stage.wrong("WEBSOCKET_NO_ANSWER", "the application returned without an answer")
    elif not trace.received:
        return  # it raised for the scope: it does not support WebSockets
    elif trace.received[-1] == "websocket.disconnect":
        stage.wrong("DISCONNECT_RAISED", described(raised))
    else:
        stage.wrong("WEBSOCKET_RAISED" if "websocket.receive" in trace.received else "APP_RAISED", described(raised))


def _connect(stage: Stage) -> None:
    _socket(stage)


def _leave_at_once(stage: Stage) -> None:
    _socket(stage, end="at once")


def _vanish(stage: Stage) -> None:
    _socket(stage, end="vanish")


def _subprotocols(stage: Stage) -> None:
    _socket(stage, offered="chat.v1, chat.v2")


def _text(stage: Stage) -> None:
    _socket(stage, ["text", "", "{}", "null", "\u00e9\u20ac\U0001f600"])


def _bytes(stage: Stage) -> None:
    _socket(stage, [b"bytes", b"", b"\xff\x00"])


def _huge_message(stage: Stage) -> None:
    _socket(stage, ["x" * (1 << 20)])


def _bare(stage: Stage) -> None:
    for message in ("text", b"bytes"):
        before = len(stage.findings)
        usual = _socket(stage, [message])
        del stage.findings[before:]
        if usual.trace.raised is not None:
            continue
        answer = _socket(stage, [message], plan=Plan(bare=True))
        del stage.findings[before:]
        if answer.trace.raised is not None and not is_disconnect(answer.trace.raised):
            stage.wrong("OPTIONAL_KEY", described(answer.trace.raised))


WEBSOCKET = (
    Situation("WebSocket", "connect, and close with 1000", _connect),
    Situation("WebSocket: client leaves at once", "before it is accepted", _leave_at_once),
    Situation("WebSocket: client vanishes", "without a close frame", _vanish),
    Situation("WebSocket: sub-protocols", "two are offered", _subprotocols),
    Situation("WebSocket: text", "messages of text, one of them empty", _text),
    Situation("WebSocket: bytes", "messages of bytes, one of them empty", _bytes),
    Situation("WebSocket: huge message", "1 MiB of text", _huge_message),
    Situation("WebSocket: optional keys missing", "scope and events as poor as they may be", _bare),
)
