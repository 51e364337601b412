"""The runner and the lifespan of an application in tests: they keep what a server would only log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from asgi_node.runtime.lifespan import Lifespan, lines_of
from asgi_node.runtime.runner import Runner

from .recorder import DEBUG, Recorder

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from asgi_node._native import Channel
    from asgi_node.loading.interface import Scope

    from .call import AppCall

# Seconds that an application has to end by itself after its client has left, or when its host closes.
GRACE = 1.0


class HostRunner(Runner):
    """Runs the application for calls, with a `Recorder` beside it."""

    calls: dict[int, AppCall]
    late: Callable[[str], object]
    entered: contextvars.Context

    def context_of(self, channel: Channel) -> contextvars.Context:
        """A copy of the context at the end of start-up, with the variables that the caller has set since."""
        context = super().context_of(channel)
        caller, entered = self.calls[channel.id].context, self.entered
        changed = [var for var in caller if var not in entered or entered[var] is not caller[var]]
        for var in changed:
            if not var.name.startswith("asgi_node"):
                context.run(var.set, caller[var])
        return context

    async def run(self, scope: Scope, channel: Channel) -> None:
        call = self.calls.pop(channel.id)
        call.task = asyncio.current_task()
        call.recorder = recorder = Recorder(channel, self.late)
        if scope["type"] == "http":
            scope["extensions"][DEBUG] = {}
        try:
            await super().run(scope, recorder)  # type: ignore[arg-type]  # it has the methods of a channel
        finally:
            call.native.end()


class HostLifespan(Lifespan):
    """A lifespan that keeps what the application raised.

    ``auto`` goes on without lifespan only if the application raised, or returned, before it received
    ``lifespan.startup``. An application that has received it knows the protocol, and has failed.
    """

    raised: BaseException | None = None
    asked = False

    async def ended(self) -> BaseException | None:
        """The exception of the application; waits a moment for it."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=GRACE)
        return self.raised

    async def _receive(self) -> dict[str, Any]:
        self.asked = True
        return await super()._receive()

    def _ended(self, raised: BaseException | None) -> None:
        if isinstance(raised, Exception):
            self.raised = raised
            if self.asked and not self._started.done():
                text = f"lifespan start-up raised {raised!r}"
                self._fail(self._started, "LIFESPAN_STARTUP_FAILED", text, lines_of(raised))
        super()._ended(raised)
