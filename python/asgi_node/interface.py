"""What kind of callable an application is, and how to call it as ASGI 3.

ASGI 3 is one call, ``await app(scope, receive, send)``; ASGI 2 is two, ``await app(scope)(receive, send)``. An
application is taken for ASGI 3 unless it is certainly something else (checklist 5, 6): the guess of other servers, "not
a coroutine function, so ASGI 2", is wrong for a plain function that returns a coroutine, for partials and for decorated
callables.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[..., Any]
ASGI3App = Callable[[Scope, Receive, Send], Any]

Interface = Literal["auto", "asgi2", "asgi3"]
Kind = Literal["asgi3", "asgi2", "factory", "wsgi", "other"]


def classify(app: App) -> Kind:
    """What `app` can be called with: three arguments, or for certain something else.

    ``asgi3`` is also the answer for everything that cannot be inspected, such as a callable written in C.
    """
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return "asgi3"
    if _accepts(signature, 3):
        return "asgi3"
    if _accepts(signature, 1):
        return "asgi2" if _is_double_callable(app) else "other"
    if _accepts(signature, 0):
        return "factory"
    if _accepts(signature, 2) and not is_coroutine_function(app):
        return "wsgi"
    return "other"


def adapt(app: App, interface: Interface = "auto") -> ASGI3App:
    """`app` as a callable that returns a coroutine for (scope, receive, send).

    `app` itself where it is that already, so that a request costs no extra frame. `interface` overrides the guess.
    """
    if interface == "asgi2" or (interface == "auto" and classify(app) == "asgi2"):
        return _from_asgi2(app)
    if is_coroutine_function(app):
        return app
    return _from_awaitable(app)


def is_coroutine_function(app: App) -> bool:
    """Whether calling `app` gives a coroutine: an async function, method or ``__call__``, or a partial of one."""
    while isinstance(app, functools.partial):
        app = app.func
    if inspect.iscoroutinefunction(app):
        return True
    # A class is called through its metaclass and gives an instance, whatever its own __call__ is.
    return not inspect.isclass(app) and inspect.iscoroutinefunction(getattr(app, "__call__", None))  # noqa: B004


def _accepts(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*(None,) * count)
    except TypeError:
        return False
    return True


def _is_double_callable(app: App) -> bool:
    """Whether an `app` that takes the scope alone gives something to await with (receive, send)."""
    if is_coroutine_function(app):
        return False
    if not inspect.isclass(app):
        return True
    # The class of one application per scope: its instances are called with (receive, send).
    # (A class's own attribute, not what calling the class is, which getattr would find on its metaclass.)
    call = next((base.__dict__["__call__"] for base in app.__mro__ if "__call__" in base.__dict__), None)
    if call is None:
        return False
    try:
        return _accepts(inspect.signature(call), 3)  # self, receive, send
    except (TypeError, ValueError):
        return True


def _from_asgi2(app: App) -> ASGI3App:
    async def asgi2(scope: Scope, receive: Receive, send: Send) -> Any:
        # The version tells the application which of the two it is served as. A copy: our caller may keep its scope.
        scope = {**scope, "asgi": {**scope.get("asgi", {}), "version": "2.0"}}
        return await app(scope)(receive, send)

    return asgi2


def _from_awaitable(app: App) -> ASGI3App:
    async def asgi3(scope: Scope, receive: Receive, send: Send) -> Any:
        result = app(scope, receive, send)
        if not inspect.isawaitable(result):
            raise TypeError(
                f"the application returned {type(result).__name__}, which cannot be awaited: an ASGI application is "
                "`async def app(scope, receive, send)`, or returns a coroutine"
            )
        return await result

    return asgi3
