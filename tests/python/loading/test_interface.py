"""Which callables are taken for ASGI 3 and which for ASGI 2, and that both are then served (checklist 5, 6)."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from asgi_node.loading.interface import Interface, adapt, classify, is_coroutine_function

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

Seen = list[Any]


async def plain(scope: Any, receive: Any, send: Any) -> None:
    await send((scope["asgi"]["version"], await receive()))


def returns_coroutine(scope: Any, receive: Any, send: Any) -> Any:
    return plain(scope, receive, send)


async def with_extra(extra: str, scope: Any, receive: Any, send: Any) -> None:
    assert extra == "extra"
    await plain(scope, receive, send)


def sync_with_extra(extra: str, scope: Any, receive: Any, send: Any) -> Any:
    return with_extra(extra, scope, receive, send)


class Instance:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await plain(scope, receive, send)

    async def method(self, scope: Any, receive: Any, send: Any) -> None:
        await plain(scope, receive, send)

    @classmethod
    async def of_class(cls, scope: Any, receive: Any, send: Any) -> None:
        await plain(scope, receive, send)

    @staticmethod
    async def static(scope: Any, receive: Any, send: Any) -> None:
        await plain(scope, receive, send)


class SyncInstance:
    def __call__(self, *args: Any) -> Any:
        return plain(*args)


class WithAwait:
    """Starlette's HTTPEndpoint is such a class."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self.arguments = (scope, receive, send)

    def __await__(self) -> Generator[Any, None, None]:
        return plain(*self.arguments).__await__()


def decorated(app: Any) -> Any:
    @functools.wraps(app)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return app(*args, **kwargs)

    return wrapper


def asgi2_function(scope: Any) -> Any:
    return functools.partial(plain, scope)


class ASGI2Class:
    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await plain(self.scope, receive, send)


class ASGI2SyncCall(ASGI2Class):
    def __call__(self, receive: Any, send: Any) -> Any:
        return plain(self.scope, receive, send)


class ASGI2Router:
    """Channels 2: an instance that is called with the scope."""

    def __call__(self, scope: Any) -> Any:
        return ASGI2Class(scope)


# The lambdas are the point: each is another signature.
ASGI3: dict[str, Any] = {
    "async function": plain,
    "sync function that returns a coroutine": returns_coroutine,
    "lambda": lambda scope, receive, send: plain(scope, receive, send),  # noqa: PLW0108
    "defaults": lambda scope, receive=None, send=None: plain(scope, receive, send),
    "star": lambda scope, *rest: plain(scope, *rest),  # noqa: PLW0108
    "partial": functools.partial(with_extra, "extra"),
    "partial of partial": functools.partial(functools.partial(with_extra), "extra"),
    "partial of sync": functools.partial(sync_with_extra, "extra"),
    "instance": Instance(),
    "partial of instance": functools.partial(Instance()),
    "sync instance": SyncInstance(),
    "method": Instance().method,
    "class method": Instance.of_class,
    "static method": Instance.static,
    "class with __await__": WithAwait,
    "decorated": decorated(plain),
    "decorated instance": decorated(Instance()),
}
ASGI2: dict[str, Any] = {
    "function": asgi2_function,
    "class": ASGI2Class,
    "class with sync call": ASGI2SyncCall,
    "instance": ASGI2Router(),
    "partial": functools.partial(lambda extra, scope: asgi2_function(scope), "extra"),
    "lambda": lambda scope: ASGI2Class(scope),  # noqa: PLW0108
}


def serve(app: Any, interface: Interface = "auto") -> Seen:
    sent: Seen = []

    async def receive() -> str:
        return "received"

    async def send(event: Any) -> None:
        sent.append(event)

    async def main() -> None:
        coroutine = adapt(app, interface)({"asgi": {"version": "3.0"}}, receive, send)
        assert inspect.iscoroutine(coroutine)  # what asyncio.Task wants: not just anything that can be awaited
        await asyncio.create_task(coroutine)

    asyncio.run(main())
    return sent


@pytest.mark.parametrize("name", ASGI3)
def test_asgi_6_asgi3_in_all_its_forms(name: str) -> None:
    app = ASGI3[name]
    assert classify(app) == "asgi3"
    assert serve(app) == serve(app, "asgi3") == [("3.0", "received")]


@pytest.mark.parametrize("name", ASGI2)
def test_asgi_5_asgi2_is_detected_and_wrapped(name: str) -> None:
    app = ASGI2[name]
    assert classify(app) == "asgi2"
    assert serve(app) == serve(app, "asgi2") == [("2.0", "received")]


def test_asgi_5_the_scope_of_the_caller_is_left_alone() -> None:
    scope = {"asgi": {"version": "3.0"}}

    async def main() -> None:
        async def receive() -> None: ...
        async def send(event: Any) -> None: ...

        await adapt(asgi2_function)(scope, receive, send)

    asyncio.run(main())
    assert scope == {"asgi": {"version": "3.0"}}


def test_an_async_app_is_served_as_it_is() -> None:
    instance = Instance()
    assert adapt(plain) is plain
    assert adapt(instance) is instance
    partial = ASGI3["partial"]
    assert adapt(partial) is partial


def test_asgi_5_the_interface_option_wins() -> None:
    async def looks_like_3(scope: Any, receive: Any = None, send: Any = None) -> None: ...

    def is_2(scope: Any, receive: Any = None, send: Any = None) -> Any:
        return functools.partial(plain, scope)

    assert adapt(looks_like_3) is looks_like_3
    assert serve(is_2, "asgi2") == [("2.0", "received")]


def test_what_is_neither() -> None:
    class NoArguments:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    class OneArgument:
        def __init__(self, settings: Any) -> None: ...

    class TakesFour:
        async def __call__(self, a: Any, b: Any, c: Any, d: Any) -> None: ...

    async def one(scope: Any) -> None: ...
    async def two(scope: Any, receive: Any) -> None: ...
    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        return []

    def maybe_wsgi(request: Any, response: Any) -> list[bytes]:
        return []

    cases: dict[str, Callable[..., Any]] = {"factory": NoArguments, "wsgi": wsgi, "two": maybe_wsgi}
    assert {kind: classify(app) for kind, app in cases.items()} == {kind: kind for kind in cases}
    assert classify(lambda: plain) == "factory"
    for app in (OneArgument, TakesFour(), one, two):
        assert classify(app) == "other"


def test_what_cannot_be_inspected_is_asgi3() -> None:
    assert classify(type("Opaque", (), {"__signature__": "nonsense", "__call__": lambda self: None})()) == "asgi3"


def test_a_sync_function_that_returns_nothing_says_so() -> None:
    def forgot_async(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(TypeError, match=r"returned NoneType, which cannot be awaited.*option `interface`"):
        serve(forgot_async)


def wsgi_function(environ: Any, start_response: Any) -> list[bytes]:
    return []


class WSGIInstance:
    def __call__(self, env: Any, start_response: Any) -> list[bytes]:
        return []

    def wsgi_app(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


class WSGIClass:
    """PEP 3333 has this form too: its instance is the iterable."""

    def __init__(self, environ: Any, start_response: Any) -> None: ...


def django_wsgi() -> Any:
    from django.core.handlers.wsgi import WSGIHandler

    return object.__new__(WSGIHandler)  # its __init__ wants settings


def wrapped_flask() -> Any:
    from werkzeug.middleware.proxy_fix import ProxyFix

    return ProxyFix(Flask("wrapped"))


WSGI_APPS: dict[str, Any] = {
    "function": wsgi_function,
    "decorated": decorated(wsgi_function),
    "partial": functools.partial(lambda extra, environ, start_response: [], "extra"),
    "instance": WSGIInstance(),
    "method": WSGIInstance().wsgi_app,
    "class": WSGIClass,
    "Flask": Flask("flask"),
    "Flask in middleware": wrapped_flask(),
    "Django": django_wsgi(),
}


@pytest.mark.parametrize("name", WSGI_APPS)
def test_asgi_5_wsgi_is_detected(name: str) -> None:
    assert classify(WSGI_APPS[name]) == "wsgi"


def test_asgi_6_nothing_of_asgi_is_taken_for_wsgi() -> None:
    class AsyncFlask(Flask):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # type: ignore[override]
            await plain(scope, receive, send)

    class OpaqueFlask(Flask):
        """What Flask is, but not what is called."""

        __signature__ = "nonsense"

        def __call__(self, *args: Any) -> Any:
            return plain(*args)

    async def awaited(environ: Any, start_response: Any) -> None: ...
    def with_more(environ: Any, start_response: Any, more: Any = None) -> Any: ...

    expected = {AsyncFlask("a"): "asgi3", OpaqueFlask("o"): "asgi3", with_more: "asgi3", awaited: "other"}
    assert {app: classify(app) for app in expected} == expected


def test_a_known_wsgi_class_that_cannot_be_inspected() -> None:
    class Compiled(Flask):
        __signature__ = "nonsense"

    assert classify(Compiled("compiled")) == "wsgi"


def test_a_call_that_does_not_fit_names_the_option() -> None:
    hidden = Flask("hidden")

    with pytest.raises(TypeError) as caught:
        serve(lambda *args: hidden(*args))  # noqa: PLW0108 (the stars are the point)
    assert "option `interface`" in "".join(caught.value.__notes__)


def test_is_coroutine_function_of_a_class_is_false() -> None:
    assert not is_coroutine_function(Instance)
    assert is_coroutine_function(Instance())
