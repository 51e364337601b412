"""The situations of an application's lifespan. They call it directly, because they examine its start-up."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from .stage import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from .stage import Stage

_SCOPE = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
_STARTUP, _SHUTDOWN = "lifespan.startup", "lifespan.shutdown"
_ANSWERS = {f"{question}.{end}": question for question in (_STARTUP, _SHUTDOWN) for end in ("complete", "failed")}


class Life:
    """One lifespan: start-up, shutdown, and the application's answers."""

    def __init__(self, app: Callable[..., Any], stage: Stage) -> None:
        self._app = app
        self._stage = stage
        self._asked: list[str] = []
        self._answered = {_STARTUP: asyncio.Event(), _SHUTDOWN: asyncio.Event()}
        self._stop_requested = asyncio.Event()
        self._refused: list[str] = []
        self._failed: str | None = None
        self.started = False
        """Whether start-up was completed."""

    async def live(self) -> bool:
        """Start the application and shut it down; report mistakes. Return whether it can get requests."""
        stage = self._stage
        task = asyncio.create_task(self._run())
        await self._until_answered(task, _STARTUP)
        self.started = self._answered[_STARTUP].is_set() and self._failed is None
        early = task.done()
        if self.started and not early:
            self._stop_requested.set()
            await self._until_answered(task, _SHUTDOWN)
            # After its last answer, the application only has to return.
            await asyncio.wait([task], timeout=stage.grace)
        hangs = not task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
        raised = None if task.cancelled() else task.exception()
        for wrong in self._refused:
            stage.wrong("LIFESPAN_EVENT", wrong)
        if self._failed is not None:
            stage.wrong("LIFESPAN_SHUTDOWN" if self.started else "LIFESPAN_FAILED", self._failed)
        elif self.started:
            self._judge_end(raised, early, hangs)
        elif not self._refused:
            return self._judge_start(raised, hangs)
        return self.started

    async def _run(self) -> None:
        await self._app({**_SCOPE, "state": {}}, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if self._asked:
            await self._stop_requested.wait()
            if _SHUTDOWN in self._asked:
                await asyncio.Event().wait()
        self._asked.append(_SHUTDOWN if self._asked else _STARTUP)
        return {"type": self._asked[-1]}

    async def _send(self, event: Any) -> None:
        kind = event.get("type") if isinstance(event, dict) else None
        question = _ANSWERS.get(str(kind))
        refused = None
        if question is None:
            refused = f"{kind!r} is not a lifespan event"
        elif question not in self._asked:
            refused = f"{kind!r} was sent before {question} was received"
        elif self._answered[question].is_set():
            refused = f"{kind!r} was sent, but {question} had been answered"
        if question is None or refused is not None:
            self._refused.append(str(refused))
            raise RuntimeError(refused)
        if str(kind).endswith(".failed"):
            self._failed = f"{kind}: {event.get('message', '')}"
        self._answered[question].set()

    async def _until_answered(self, task: asyncio.Task[None], question: str) -> None:
        answer = asyncio.ensure_future(self._answered[question].wait())
        await asyncio.wait([task, answer], timeout=self._stage.timeout, return_when=asyncio.FIRST_COMPLETED)
        answer.cancel()

    def _judge_start(self, raised: BaseException | None, hangs: bool) -> bool:
        """Report how an application without start-up behaved. Return whether it can get requests."""
        stage = self._stage
        if hangs:
            stage.wrong("LIFESPAN_HANGS", f"no answer to {_STARTUP} within {stage.timeout:g} s")
        elif raised is None:
            stage.wrong("LIFESPAN_SILENT", f"returned without an answer to {_STARTUP}")
            return True
        elif self._asked:
            stage.wrong("LIFESPAN_FAILED", f"raised {described(raised)}")
        else:
            return True  # it raised for the scope: it has no lifespan, which is allowed
        return False

    def _judge_end(self, raised: BaseException | None, early: bool, hangs: bool) -> None:
        stage = self._stage
        if early:
            end = f"raised {described(raised)}" if raised else "returned"
            stage.wrong("LIFESPAN_SHUTDOWN", f"{end} after {_STARTUP}.complete, before {_SHUTDOWN}")
        elif raised is not None:
            stage.wrong("LIFESPAN_SHUTDOWN", f"raised {described(raised)}")
        elif hangs:
            done = self._answered[_SHUTDOWN].is_set()
            what = f"goes on after {_SHUTDOWN}.complete" if done else f"no answer to {_SHUTDOWN}"
            stage.wrong("LIFESPAN_HANGS", what)
        elif not self._answered[_SHUTDOWN].is_set():
            stage.wrong("LIFESPAN_SHUTDOWN", f"returned without an answer to {_SHUTDOWN}")


async def unknown_scope(app: Callable[..., Any], stage: Stage) -> None:
    """Call the application with a scope of a type that does not exist."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "x-unknown", "asgi": {"version": "3.0"}, "path": "/", "raw_path": b"/", "headers": [], "state": {}}
    task = asyncio.ensure_future(app(scope, receive, send))
    done, _ = await asyncio.wait([task], timeout=stage.grace)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
    if not done:
        stage.wrong("UNKNOWN_SCOPE", "the application waits for events of a scope that it cannot know")
    elif task.exception() is None:
        what = f"sent {len(sent)} events and returned" if sent else "returned"
        stage.wrong("UNKNOWN_SCOPE", f"the application {what}")
