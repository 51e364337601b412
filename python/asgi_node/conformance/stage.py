"""Sends requests to the application, and checks the rules that hold for every one of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from asgi_node._native import ClientDisconnected
from asgi_node.host import AppHost, AppTimeout, head

from .interceptor import Interceptor, Plan, Spinning, Trace
from .report import Finding
from .rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from asgi_node._native import HostEvent
    from asgi_node.host import Address, AppCall

Headers = list[tuple[bytes, bytes]]
Leave = Literal["before the response", "in the request", "in the response", "by cancelling"]

HOST: tuple[bytes, bytes] = (b"host", b"testserver")
CLIENT: Address = ("testclient", 50000)
SERVER: Address = ("testserver", 80)

# A loop that has not run for this many seconds is blocked, even on a busy machine.
_BLOCKED = 2.0

# An endless response is left after this many events, or seconds.
_ENOUGH = 200
_SILENCE = 2.0

_NO_BODY = frozenset({204, 205, 304})
# Not implemented, unavailable, HTTP version: an application may well answer so.
_HONEST = frozenset({501, 503, 505})


@dataclass
class Answer:
    """What a client has got."""

    trace: Trace
    status: int | None = None
    headers: Headers = field(default_factory=list)
    failed: HostEvent | None = None
    complete: bool = False
    ended: bool = False
    """Whether the application has returned, or raised."""
    unread: int = 0
    """The bytes that had been sent to a slow reader before it read anything."""

    def header(self, name: bytes) -> bytes | None:
        """The first header of this name."""
        return next((value for found, value in self.headers if found.lower() == name), None)


def finding(code: str, situation: str, path: str, seen: str) -> Finding:
    """That a rule is broken."""
    rule = RULES[code]
    return Finding(code, rule.severity, situation, path, seen, rule.specification, rule.section)


class Stage:
    """Examines one application; collects the findings."""

    def __init__(self, host: AppHost, interceptor: Interceptor, path: str, timeout: float, grace: float) -> None:
        self.host = host
        self.interceptor = interceptor
        self.path = path
        self.timeout = timeout
        self.grace = grace
        self.situation = ""
        self.findings: list[Finding] = []

    def wrong(self, code: str, seen: str) -> None:
        """Note that a rule is broken."""
        found = finding(code, self.situation, self.path, seen)
        if found not in self.findings:
            self.findings.append(found)

    def request(
        self,
        method: str = "GET",
        target: str | bytes | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (),
        pieces: Sequence[bytes] = (),
        *,
        leave: Leave | None = None,
        plan: Plan | None = None,
        chunked: bool = False,
        half_close: bool = False,
        slow: bool = False,
        http_version: str = "1.1",
        client: Address | None = CLIENT,
        server: Address | None = SERVER,
        judged: bool = True,
    ) -> Answer:
        """One request and its outcome; broken rules are noted if `judged`."""
        self.interceptor.plan = plan = plan or Plan()
        fields: Headers = [] if http_version == "1.0" else [HOST]
        fields += headers
        if chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        elif pieces:
            fields.append((b"content-length", str(sum(map(len, pieces))).encode()))
        flat = head(
            method,
            self.path if target is None else target,
            fields,
            http_version=http_version,
            client=client,
            server=server,
            root_path="",
        )
        call = self.host.submit(flat, body_follows=bool(pieces))
        answer = Answer(plan.trace)
        before = len(self.findings)
        try:
            self._converse(call, answer, list(pieces), leave, half_close, slow)
        except AppTimeout as late:
            self.late("NO_ANSWER", late)
            call.leave()
            leave = "by cancelling"
        self._settle(call, answer, leave != "by cancelling")
        self.judge(call, answer)
        if not judged:
            del self.findings[before:]
        self.host.reports.clear()
        return answer

    def _converse(
        self, call: AppCall, answer: Answer, pieces: list[bytes], leave: Leave | None, half_close: bool, slow: bool
    ) -> None:
        if leave == "before the response":
            call.leave()
            return
        if half_close:
            call.native.half_close()
        if slow:
            self._read_slowly(call, answer)
        room = True
        began = time.monotonic()
        for count in range(_ENOUGH):
            while pieces and room:
                room = call.native.push(pieces.pop(0), not pieces and leave is None)
                if leave in ("in the request", "by cancelling"):
                    self._interrupt(call, leave)
                    return
            events = self._next(call, answer)
            room = room or any(event.kind == "resume" for event in events)
            if answer.complete or answer.failed is not None or not events:
                return
            endless = count == _ENOUGH - 1 or time.monotonic() > began + _SILENCE
            if answer.status is not None and (leave == "in the response" or endless):
                call.leave()
                return

    def _next(self, call: AppCall, answer: Answer) -> list[HostEvent]:
        """Wait for events and take them; none if the application has ended, or is silent within a stream."""
        try:
            events = call.next_events(self.timeout if answer.status is None else _SILENCE)
        except AppTimeout:
            if answer.status is None:
                raise
            call.leave()
            return []
        for event in events:
            call.native.taken(event.weight)
            self._take(answer, event)
        return events

    def _interrupt(self, call: AppCall, how: str) -> None:
        """In the middle of the body the client leaves, or the server cancels the task."""
        if how == "by cancelling":
            call.native.wait_for_end(0.05)
            call.left = True
            self.cancel(call)
        call.leave()

    def _read_slowly(self, call: AppCall, answer: Answer) -> None:
        """Take nothing until the application has stopped sending."""
        before, same = 0, 0
        for _ in range(60):
            call.native.wait_for_end(0.05)
            sent = answer.trace.sent_bytes
            same = same + 1 if sent == before and sent > 0 else 0
            if call.native.ended or same == 3:
                break
            before = sent
        answer.unread = answer.trace.sent_bytes

    def _take(self, answer: Answer, event: HostEvent) -> None:
        if event.kind == "start":
            answer.status, answer.headers = event.status, list(event.headers)
        elif event.kind == "failed":
            answer.failed = event
            return
        answer.complete = answer.complete or (event.last and event.kind in ("start", "body", "file"))
        if event.kind == "file" and event.range is not None:
            os.close(event.range[0])

    def _settle(self, call: AppCall, answer: Answer, by_itself: bool) -> None:
        """Let the application end; cancel it if it does not end by itself."""
        answer.ended = call.native.wait_for_end(self.grace if call.left else self.timeout)
        if answer.ended:
            self.turn()
            return
        if not call.left:
            call.leave()
        elif by_itself:
            self.wrong("DISCONNECT_IGNORED", f"{self.host.where(call)} {self.grace:g} s after its client had left")
        self.cancel(call)

    def late(self, code: str, late: AppTimeout) -> None:
        """The application has not answered in time: it waits, or it blocks the loop."""
        self.wrong("LOOP_BLOCKED" if self.blocked() else code, _brief(str(late)))

    def blocked(self) -> bool:
        """Whether nothing else runs on the loop."""
        return not self.turn(_BLOCKED)

    def turn(self, timeout: float | None = None) -> bool:
        """Let the tasks that the application has left behind run; return whether they ran in time."""
        if self.host.loop is None:
            return True
        turns = asyncio.run_coroutine_threadsafe(_turns(), self.host.loop)
        try:
            turns.result(self.timeout if timeout is None else timeout)
        except TimeoutError:
            return False
        return True

    def cancel(self, call: AppCall) -> bool:
        """Cancel the application's task; return whether it has ended."""
        task, loop = call.task, self.host.loop
        if task is None or loop is None:
            return False
        loop.call_soon_threadsafe(task.cancel)
        if call.native.wait_for_end(self.grace):
            return True
        if self.blocked() or call.native.ended:
            return call.native.ended  # not cancelled yet: a blocked loop is another rule
        self.wrong("CANCEL_IGNORED", f"{self.host.where(call)} {self.grace:g} s after its task was cancelled")
        # It goes on while the next situations run.
        return False

    # ---- the rules for every request

    def judge(self, call: AppCall, answer: Answer) -> None:
        """Note the rules that a request has broken, whatever the situation was."""
        trace = answer.trace
        self.judge_events(call, trace)
        self._judge_end(call, answer)
        self._judge_start(trace)
        if trace.returned is not None:
            self.wrong("RETURNED_VALUE", f"a value of type {type(trace.returned).__name__}")

    def judge_events(self, call: AppCall, trace: Trace) -> None:
        """Note the rules for ``send()`` and ``receive()`` that a request or a WebSocket has broken."""
        for violation in call.violations:
            self.wrong("NOT_AWAITED" if "never awaited" in violation else "EVENT_REFUSED", violation)
        for report in self.host.reports:
            if "after the application had returned" in report:
                self.wrong("SENT_AFTER_RETURN", report)
        if trace.spinning:
            kind = trace.received[-1]
            self.wrong("DISCONNECT_LOOP", f"receive() was called {trace.received.count(kind)} times after {kind}")

    def _judge_end(self, call: AppCall, answer: Answer) -> None:
        raised, failed = answer.trace.raised, answer.failed
        if isinstance(raised, Spinning):
            return
        if call.left or "http.disconnect" in answer.trace.received:
            if raised is not None and not is_disconnect(raised):
                self.wrong("DISCONNECT_RAISED", described(raised))
            return
        if raised is not None and not call.violations:
            self.wrong("APP_RAISED", described(raised))
        elif failed is not None and raised is None:
            self.wrong("RESPONSE_INCOMPLETE" if failed.started else "NO_RESPONSE", failed.text)
        elif answer.status is not None and answer.status >= 500 and answer.status not in _HONEST:
            self.wrong("SERVER_ERROR", f"answered with {answer.status}")

    def _judge_start(self, trace: Trace) -> None:
        start = trace.start
        if start is None:
            return
        try:
            names = [bytes(name) for name, _ in start.get("headers", ())]
        except (TypeError, ValueError):
            return  # the bridge has refused it
        if any(name != name.lower() for name in names):
            first = next(name for name in names if name != name.lower())
            self.wrong("HEADER_NAME_CASE", f"the header {first.decode('latin-1')!r}, for one")
        if any(name.lower() == b"transfer-encoding" for name in names):
            self.wrong("TRANSFER_ENCODING", "the application sent a transfer-encoding")
        bodies = [event for event in trace.sent if event.get("type") == "http.response.body" and event.get("body")]
        if start.get("status") in _NO_BODY and bodies:
            self.wrong("BODY_FORBIDDEN", f"a body with status {start['status']}")


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def described(raised: BaseException) -> str:
    """An exception in one line, with the place where the application raised it; for a group, its main exception."""
    while isinstance(raised, BaseExceptionGroup):
        raised = next((inner for inner in raised.exceptions if not is_disconnect(inner)), raised.exceptions[0])
    place = raised.__traceback__
    last = None
    while place is not None:
        last, place = place, place.tb_next
    where = f" ({last.tb_frame.f_code.co_filename}:{last.tb_lineno})" if last is not None else ""
    with contextlib.suppress(Exception):  # its __str__ is the application's code
        return _brief(f"{type(raised).__name__}: {raised}{where}")
    return f"{type(raised).__name__}{where}"


def is_disconnect(raised: BaseException) -> bool:
    """Whether it is only the effect of a client that has left."""
    if isinstance(raised, BaseExceptionGroup):
        return all(is_disconnect(inner) for inner in raised.exceptions)
    return isinstance(raised, (ClientDisconnected, OSError, asyncio.CancelledError))


def _brief(text: Any) -> str:
    return text if len(text) <= 500 else f"{text[:497]}..."
