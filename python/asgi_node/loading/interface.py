"""What kind of callable an application is, and how to call it as ASGI 3.

ASGI 3 is one call, ``await app(scope, receive, send)``. ASGI 2 is two, ``await app(scope)(receive, send)``. WSGI is one
call that blocks, ``app(environ, start_response)``. An application is taken for ASGI 3 unless it is certainly something
else (docs/asgi.md, 5 and 6). Other servers guess "not a coroutine function, so ASGI 2". That is wrong for a plain
function that returns a coroutine, for partials and for decorated callables.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[..., Any]
ASGI3App = Callable[[Scope, Receive, Send], Any]

Interface = Literal["auto", "asgi2", "asgi3", "wsgi"]
Kind = Literal["asgi3", "asgi2", "wsgi", "two", "factory", "other"]

# The names of WSGI's two arguments, in PEP 3333 and in frameworks.
_ENVIRON = frozenset({"environ", "env", "environment"})
_START_RESPONSE = frozenset({"start_response", "start_resp"})

# Classes whose __call__ is WSGI, for classes whose signature cannot be read (compiled ones).
_WSGI_CLASSES = frozenset(
    {
        "bottle.Bottle",
        "django.core.handlers.wsgi.WSGIHandler",
        "falcon.app.App",
        "flask.app.Flask",
        "pyramid.router.Router",
        "werkzeug.middleware.dispatcher.DispatcherMiddleware",
    }
)


def classify(app: App) -> Kind:
    """Which arguments `app` can be called with: three, unless it is certainly something else.

    ``asgi3`` is also the answer for everything that cannot be inspected, such as a callable written in C. ``two`` takes
    two arguments whose names are not those of WSGI: it may be WSGI all the same.
    """
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return "wsgi" if _is_known_wsgi(app) else "asgi3"
    if _accepts(signature, 3):
        return "asgi3"
    if _accepts(signature, 1):
        return "asgi2" if _is_double_callable(app) else "other"
    if _accepts(signature, 0):
        return "factory"
    if _accepts(signature, 2) and not is_coroutine_function(app):
        first, second = list(signature.parameters)[:2]
        return "wsgi" if first in _ENVIRON and second in _START_RESPONSE else "two"
    return "other"


def adapt(app: App, interface: Interface = "auto", wsgi_threads: int | None = None) -> ASGI3App:
    """`app` as a callable that returns a coroutine for (scope, receive, send).

    It is `app` itself if that already is one, so that a request costs no extra frame. `interface` overrides the guess.
    A WSGI application becomes an instance of `wsgi.WSGI` with this many threads (default 10), which `release` ends.

    Raises `AppLoadError` with the code WSGI_NOT_AVAILABLE if a2wsgi is not installed.
    """
    kind = classify(app) if interface == "auto" else interface
    if kind == "wsgi":
        from .wsgi import THREADS, WSGI

        return WSGI(app, THREADS if wsgi_threads is None else wsgi_threads)
    if kind == "asgi2":
        return _from_asgi2(app)
    if is_coroutine_function(app):
        return app
    return _from_awaitable(app)


def release(adapted: ASGI3App) -> None:
    """Release what `adapt` has made for an application: the threads of a WSGI application."""
    # Who has made a WSGI instance has imported its module, which nobody else needs.
    wsgi = sys.modules.get(f"{__package__}.wsgi")
    if wsgi is not None and isinstance(adapted, wsgi.WSGI):
        adapted.close()


def is_coroutine_function(app: App) -> bool:
    """Whether calling `app` returns a coroutine: an async function, method or ``__call__``, or a partial of one."""
    while isinstance(app, functools.partial):
        app = app.func
    if inspect.iscoroutinefunction(app):
        return True
    # Calling a class returns an instance, whatever its own __call__ is.
    return not inspect.isclass(app) and inspect.iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004


def _is_known_wsgi(app: App) -> bool:
    """Whether a framework's own WSGI ``__call__`` would be called, not one that a subclass has replaced it with."""
    owner = next((base for base in type(app).__mro__ if "__call__" in base.__dict__), type)
    return f"{owner.__module__}.{owner.__qualname__}" in _WSGI_CLASSES


def _accepts(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*(None,) * count)
    except TypeError:
        return False
    return True


def _is_double_callable(app: App) -> bool:
    """Whether an `app` that takes only the scope returns a callable for (receive, send)."""
    if is_coroutine_function(app):
        return False
    if not inspect.isclass(app):
        return True
    # A class with one instance per scope: its instances are called with (receive, send).
    # (Its own attribute: getattr could find the __call__ of its metaclass.)
    call = next((base.__dict__["__call__"] for base in app.__mro__ if "__call__" in base.__dict__), None)
    if call is None:
        return False
    try:
        return _accepts(inspect.signature(call), 3)  # self, receive, send
    except (TypeError, ValueError):
        return True


_OTHERWISE = "If it is not an ASGI 3 application, set the option `interface` to 'asgi2' or 'wsgi'"


def _from_asgi2(app: App) -> ASGI3App:
    async def asgi2(scope: Scope, receive: Receive, send: Send) -> Any:
        # The version tells the application which of the two is spoken. A copy, because our caller may keep its scope.
        scope = {**scope, "asgi": {**scope.get("asgi", {}), "version": "2.0"}}
        return await app(scope)(receive, send)

    return asgi2


def _from_awaitable(app: App) -> ASGI3App:
    async def asgi3(scope: Scope, receive: Receive, send: Send) -> Any:
        try:
            result = app(scope, receive, send)
        except TypeError as error:
            error.add_note(f"asgi-node called the application with (scope, receive, send). {_OTHERWISE}")
            raise
        if not inspect.isawaitable(result):
            raise TypeError(
                f"the application returned {type(result).__name__}, which cannot be awaited: an ASGI application is "
                f"`async def app(scope, receive, send)`, or returns a coroutine. {_OTHERWISE}"
            )
        return await result

    return asgi3
