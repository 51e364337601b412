"""Runs an application through a table of situations, and reports what it does wrong.

    from asgi_node.conformance import check

    report = check("main:app", paths=["/", "/items/1"])
    assert report.ok, report.text()

The requests go through the bridge: the scope building, validation, back-pressure and disconnect rules of production,
without Node. ``python -m asgi_node check main:app`` is the same as a command.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asgi_node.host import AppHost
from asgi_node.host.loop_thread import LoopThread
from asgi_node.loading.interface import Interface, adapt, release

from .http import HTTP
from .interceptor import Interceptor
from .lifespan import Life, unknown_scope
from .report import Finding, Report, Severity
from .rules import RULES, Rule
from .situation import Situation
from .stage import Stage, described, finding
from .websocket import WEBSOCKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from asgi_node.runtime.lifespan import Mode

__all__ = ["LIFESPAN", "RULES", "SITUATIONS", "Finding", "Report", "Rule", "Severity", "Situation", "check"]

LIFESPAN = {
    "lifespan": "start-up and shutdown",
    "lifespan off": "a request to an application that was not started up",
    "unknown scope": "a scope of a type that does not exist",
}
"""The situations of an application's lifespan; each runs once for the application."""

SITUATIONS = {**LIFESPAN, **{situation.name: situation.what for situation in (*HTTP, *WEBSOCKET)}}
"""The name and a description of each situation; all but those of `LIFESPAN` run on each path."""


def check(
    app: Any,
    *,
    paths: Iterable[str] = ("/",),
    situations: Iterable[str] | None = None,
    interface: Interface = "auto",
    factory: bool = False,
    docroot: str | Path | None = None,
    lifespan: Mode = "auto",
    loop: str = "auto",
    timeout: float = 5.0,
    grace: float = 1.0,
) -> Report:
    """Run `app` through the situations, and report what it does wrong.

    `app` is an application, or ``'module:attribute'``, which is looked for in `docroot` (default: the current
    directory). Each of `paths` is requested, escaped as in a URL; a path that the application does not know tests its
    answer for such paths. `situations` are names of `SITUATIONS`; default all. `timeout` is the number of seconds that
    an answer may take. `grace` is the number of seconds that the application has to end after its client has left, or
    after it was cancelled. `lifespan` ``'off'`` sends the requests without start-up. `interface`, `factory` and `loop`
    are the options of a handler.

    The requests are real: a POST on these paths has its usual effects. A check of a few paths takes a second or two,
    longer if it has to wait for the application.

    Raises `asgi_node.errors.AppLoadError` if the application cannot be loaded, and ValueError for an unknown situation
    or a path that does not start with "/".
    """
    asked = tuple(dict.fromkeys(paths))
    for path in asked:
        if not path.startswith("/"):
            raise ValueError(f"a path starts with '/', {path!r} does not")
    names = tuple(SITUATIONS if situations is None else situations)
    for name in names:
        if name not in SITUATIONS:
            raise ValueError(f"there is no situation {name!r}; there are {', '.join(SITUATIONS)}")
    if not asked or not names:
        raise ValueError("at least one path and one situation are needed")
    return _Check(app, asked, names, interface, factory, docroot, lifespan, loop, timeout, grace).run()


class _Check:
    def __init__(
        self,
        app: Any,
        paths: tuple[str, ...],
        names: tuple[str, ...],
        interface: Interface,
        factory: bool,
        docroot: str | Path | None,
        lifespan: Mode,
        loop: str,
        timeout: float,
        grace: float,
    ) -> None:
        self.app = app
        self.paths = paths
        self.names = names
        self.interface: Interface = interface
        self.factory = factory
        self.docroot = str(Path(docroot or ".").resolve())
        self.lifespan: Mode = lifespan
        self.loop = loop
        self.timeout = timeout
        self.grace = grace
        self.findings: list[Finding] = []

    def run(self) -> Report:
        with _quiet():
            if self._around_life():
                try:
                    self._requests()
                except _NotAgain as failed:
                    self.findings.append(failed.found)
        named = self.app if isinstance(self.app, str) else getattr(self.app, "__qualname__", type(self.app).__name__)
        merged = sorted(_merge(self.findings), key=lambda found: found.severity)
        return Report(named, self.paths, tuple(name for name in SITUATIONS if name in self.names), tuple(merged))

    def _recorded(self, lifespan: Mode) -> _RecordedHost:
        return _RecordedHost(
            self.app,
            lifespan=lifespan,
            interface=self.interface,
            factory=self.factory,
            docroot=self.docroot,
            loop=self.loop,
        )

    def _stage(self, host: AppHost, interceptor: Interceptor, path: str) -> Stage:
        return Stage(host, interceptor, path, self.timeout, self.grace)

    def _around_life(self) -> bool:
        """Examine start-up and shutdown; return whether the application can get requests."""
        thread = LoopThread(self.loop)
        thread.start()

        async def run() -> bool:
            host = self._recorded("off")
            app = adapt(await host.load(contextvars.copy_context()), self.interface)
            stage = self._stage(host, Interceptor(app), "lifespan")
            started = True
            try:
                if self.lifespan != "off":
                    stage.situation = "lifespan"
                    started = await Life(app, stage).live()
                if "lifespan" not in self.names:
                    stage.findings.clear()
                if "unknown scope" in self.names:
                    stage.situation = "unknown scope"
                    await unknown_scope(app, stage)
            finally:
                release(app)
            self.findings += stage.findings
            return started

        try:
            return thread.run(run())
        finally:
            thread.stop()

    def _requests(self) -> None:
        chosen = [situation for situation in (*HTTP, *WEBSOCKET) if situation.name in self.names]
        if chosen:
            with self._host(self.lifespan) as (host, interceptor):
                for path in self.paths:
                    stage = self._stage(host, interceptor, path)
                    for situation in chosen:
                        stage.situation = situation.name
                        situation.run(stage)
                    self.findings += stage.findings
        if "lifespan off" in self.names and self.lifespan != "off":
            self._without_life()

    def _without_life(self) -> None:
        """Compare each path without start-up with the same path after start-up."""
        for path in self.paths:
            failures = []
            for mode in ("off", self.lifespan):
                with self._host(mode) as (host, interceptor):
                    stage = self._stage(host, interceptor, path)
                    stage.situation = "lifespan off"
                    answer = stage.request(judged=False)
                    failures.append(answer.failed is not None or (answer.status or 500) >= 500)
            if failures == [True, False]:
                stage.wrong("LIFESPAN_NEEDED", "the request failed, and succeeds after start-up")
                self.findings += stage.findings

    @contextlib.contextmanager
    def _host(self, lifespan: Mode) -> Iterator[tuple[AppHost, Interceptor]]:
        host = self._recorded(lifespan)
        try:
            host.start()
        except Exception as raised:
            seen = f"it started up once, but not again on another event loop: {described(raised)}"
            raise _NotAgain(finding("LIFESPAN_FAILED", "lifespan", "lifespan", seen)) from raised
        try:
            yield host, host.interceptor
        finally:
            # _around_life has already reported errors in its shutdown.
            with contextlib.suppress(Exception):
                host.close(self.grace)
            release(host.interceptor.app)


class _RecordedHost(AppHost):
    """Runs an application with an interceptor around it."""

    interceptor: Interceptor

    def adapted(self, app: Any) -> Interceptor:
        """The application as an ASGI 3 one, with the interceptor around it."""
        self.interceptor = Interceptor(adapt(app, self.interface))
        return self.interceptor


class _NotAgain(Exception):  # noqa: N818 (it is caught here)
    """The application cannot be started up a second time."""

    def __init__(self, found: Finding) -> None:
        super().__init__(found.seen)
        self.found = found


def _merge(findings: list[Finding]) -> Iterator[Finding]:
    """Each finding once, with the other situations in which it was seen."""
    same: dict[tuple[str, str], list[Finding]] = {}
    for found in findings:
        same.setdefault((found.code, found.seen), []).append(found)
    for first, *others in same.values():
        places = dict.fromkeys(
            other.situation if other.path == first.path else f"{other.situation} on {other.path}" for other in others
        )
        yield dataclasses.replace(first, also=tuple(place for place in places if place != first.situation))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the bridge's log of failing requests: they are in the report."""
    logger = logging.getLogger("asgi_node")

    def drop(_: logging.LogRecord) -> bool:
        return False

    # Not by `disabled`: the application may configure logging, which resets it.
    logger.addFilter(drop)
    try:
        yield
    finally:
        logger.removeFilter(drop)
