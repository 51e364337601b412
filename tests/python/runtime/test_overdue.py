"""When requests that nobody waits for are counted apart, cancelled and given up for lost (field_15)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asgi_node.runtime.overdue import CANCEL_GRACE, GRACE, TIME_OVER, Overdue


class Clock:
    """The part of an event loop that is looked at: its time, and what it is asked to call."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[tuple[float, Any, tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, pause: float, callback: Any, *args: Any) -> object:
        self.calls.append((self.now + pause, callback, args))
        return object()

    def until(self, end: float) -> None:
        while self.calls and self.calls[0][0] <= end:
            self.now, callback, args = self.calls.pop(0)
            callback(*args)
        self.now = end


class Request:
    """A channel and its task."""

    def __init__(self, *, is_unwanted: bool = True, is_abandoned: bool = False) -> None:
        self.is_unwanted, self.is_abandoned = is_unwanted, is_abandoned
        self.cancelled: list[str] = []

    def abandon(self) -> None:
        self.is_abandoned = True

    def cancel(self, message: str) -> None:
        self.cancelled.append(message)


def watched(*requests: Request) -> tuple[Clock, Overdue]:
    clock = Clock()
    running: Any = {request: request for request in requests}
    loop: Any = clock
    return clock, Overdue(loop, running)


@pytest.mark.parametrize(("limit", "grace"), [(0.0, GRACE), (2.0, 2.0), (60.0, GRACE)])
def test_field_15_one_that_was_given_up_is_cancelled_after_a_grace_time(limit: float, grace: float) -> None:
    given_up = Request(is_abandoned=True)
    clock, overdue = watched(given_up)
    overdue.watch(limit)
    clock.until(grace - 0.1)
    assert given_up.cancelled == []
    clock.until(grace + 1.1)
    assert given_up.cancelled == [TIME_OVER]


def test_field_15_one_whose_client_has_left_may_take_as_long_as_a_request() -> None:
    left, wanted = Request(), Request(is_unwanted=False)
    clock, overdue = watched(left, wanted)
    overdue.watch(20.0)
    clock.until(19.0)
    assert not left.is_abandoned
    clock.until(21.1)
    assert left.is_abandoned
    assert left.cancelled == []
    clock.until(40.0)
    assert left.cancelled == [TIME_OVER]
    assert not wanted.is_abandoned
    assert wanted.cancelled == []


def test_field_15_one_that_goes_on_is_cancelled_once_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    given_up = Request(is_abandoned=True)
    clock, overdue = watched(given_up)
    overdue.watch(1.0)
    clock.until(100.0)
    overdue.watch(1.0)
    clock.until(200.0)
    assert given_up.cancelled == [TIME_OVER]
    assert [record.getMessage() for record in caplog.records if record.name == "asgi_node"] == [
        "1 requests went on after their time was over and a cancellation: health() has them as abandoned"
    ]
    assert clock.calls == [], "nobody looks any more"


def test_field_15_nobody_looks_when_all_have_ended() -> None:
    given_up = Request(is_abandoned=True)
    clock, overdue = watched(given_up)
    overdue.watch(1.0)
    overdue.watch(1.0)
    assert len(clock.calls) == 1
    overdue.running.clear()
    clock.until(10.0)
    assert clock.calls == []


def test_field_15_the_cancellation_is_no_failure_of_the_application() -> None:
    from asgi_node.runtime.runner import _is_disconnect

    channel: Any = Request()
    assert _is_disconnect(asyncio.CancelledError(TIME_OVER), channel)
    assert CANCEL_GRACE > 0
