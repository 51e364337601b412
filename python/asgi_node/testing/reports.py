"""The exceptions and warnings that tell a test of an application's mistakes."""

from __future__ import annotations

import asyncio
import sys
import warnings
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asgi_node._native import ClientDisconnected
from asgi_node.runtime.runner import CLIENT_LEFT, CLOSING

from ._httpx import httpx

if TYPE_CHECKING:
    from asgi_node.host import AppCall, AppHost


class ASGIViolation(AssertionError):  # noqa: N818 (what a failed assertion is called)
    """The application sent an event that a server refuses, and caught the exception.

    The message holds the reason of each refusal, as the application got it. (If the application does not catch the
    exception, the test gets that exception itself.)
    """


class NoResponse(AssertionError):  # noqa: N818 (what a failed assertion is called)
    """The application returned without a complete response."""


class ASGIWarning(UserWarning):
    """The application did something that is probably a mistake, and that no response shows:

    - a call of ``send()`` or ``receive()`` that was never awaited
    - an event that was sent after the application had returned, and was refused
    - an application that went on although its client had left, and had to be cancelled
    - a request or a task that was still under way when the client was closed

    To make it an error in all tests: ``filterwarnings = ["error::asgi_node.testing.ASGIWarning"]``.
    """


def judge(call: AppCall, raises: bool) -> None:
    """Raise the exception that fails the test, after the application has ended. `raises`: raise_server_exceptions."""
    recorder = call.recorder
    if recorder is None:
        return
    refused = list(dict.fromkeys(recorder.refused))
    recorder.refused = []
    raised, recorder.raised = recorder.raised, None
    forgotten, recorder.forgotten = recorder.forgotten, []
    if raises and raised is not None and not (call.left and is_disconnect(raised)):
        if refused and not any(str(raised) in reason for reason in refused):
            raised.add_note("asgi-node: before that, " + "; ".join(refused))
        raise raised
    if raises and refused:
        raise ASGIViolation(f"{call.name}: " + "; ".join(refused))
    for report in forgotten:
        warn(f"{call.name}: {report}")


def is_disconnect(raised: BaseException | None) -> bool:
    """Whether it was caused by the exception of `send` after the client has left, or by the cancellation then."""
    while raised is not None:
        if isinstance(raised, ClientDisconnected):
            return True
        if isinstance(raised, asyncio.CancelledError) and raised.args in ((CLIENT_LEFT,), (CLOSING,)):
            return True
        if type(raised).__name__ == "ClientDisconnect":  # Starlette's, for a body that no longer comes
            return True
        if isinstance(raised, BaseExceptionGroup):
            return all(is_disconnect(part) for part in raised.exceptions)
        raised = raised.__cause__ or raised.__context__
    return False


def report_warnings(host: AppHost) -> None:
    """Warn of what the host has reported."""
    reports, host.reports[:] = list(host.reports), []
    for report in reports:
        warn(report)


collected: ContextVar[list[str] | None] = ContextVar("asgi_node_warnings", default=None)
"""Warnings of a coroutine that runs on another thread for a test; the test's own thread issues them afterwards."""


def warn(report: str) -> None:
    """Warn at the line of the test, not at a line of ours or of httpx (Python 3.12 and later)."""
    later = collected.get()
    if later is not None:
        later.append(report)
        return
    warnings.warn(report, ASGIWarning, stacklevel=2, **_SKIP)


_SKIP: dict[str, Any] = {}
if sys.version_info >= (3, 12):
    _SKIP["skip_file_prefixes"] = tuple(
        str(Path(module.__file__).parent) for module in (sys.modules["asgi_node"], httpx)
    )
