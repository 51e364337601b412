"""Imports the application that a handler names, and says precisely what is wrong if that fails.

The normal import system imports the module, with the docroot first on ``sys.path``. `docroots` checks whether several
of them can be in one process.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from asgi_node.errors import AppLoadError

from . import docroots
from .hints import (
    describe,
    folder_hint,
    looked_in,
    names_of_attributes,
    path_like_hint,
    raised_by_application,
    similar_modules,
    submodule_hint,
    traceback_of,
)
from .interface import Interface, classify, is_coroutine_function
from .missing import import_advice

App = Callable[..., Any]

DEFAULT_ATTRIBUTE = "app"


@dataclass(frozen=True)
class Imported:
    """The object that a target names, or that its factory has returned. `app` checks that it is an application."""

    value: Any
    written: str
    docroot: docroots.Docroot
    factory: bool
    interface: Interface

    async def app(self) -> App:
        """The application. The result of an ``async def`` factory is awaited here, on the loop that will serve it.

        Raises only `AppLoadError`, and CancelledError if the caller is cancelled.
        """
        value = self.value
        if self.factory and is_awaited(value):
            try:
                value = await value
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                raise _factory_failed(self.written, error, self.docroot.path) from error
        return _checked(value, self.written, self.factory, self.interface)

    def leave(self) -> None:
        """The application has been closed, or will not be used: other docroots may have modules of the same names."""
        docroots.leave(self.docroot)


def import_app(
    target: str | None,
    module: str | None,
    attribute: str | None,
    docroot: str,
    factory: bool,
    interface: Interface = "auto",
) -> Imported:
    """Import what `target` names, as ``'package.module:attribute.attribute'``, or `module` and `attribute`.

    The default attribute is ``app``. `docroot` is put first on ``sys.path``, or moved there. With `factory` the named
    object is called without arguments and returns the application. `interface` says how the application will be
    called, and so which arguments it has to take.

    Call it where no event loop runs. Applications expect that while they are imported: other servers import them
    before their loop runs.

    Raises only `AppLoadError`, whatever the application's code does.
    """
    written = target if target is not None else f"{module}:{attribute or DEFAULT_ATTRIBUTE}"
    if target is not None:
        module, _, attribute = target.partition(":")
        if ":" in target and not attribute:
            _not_found(f"{target!r} names no attribute: write 'module:attribute', such as 'main:app'")
    attribute = attribute or DEFAULT_ATTRIBUTE
    if not module:
        _not_found(f"{written!r} names no module: write 'module:attribute', such as 'main:app'")
    _check_docroot(docroot, written)
    if (hint := path_like_hint(module, attribute, docroot)) is not None:
        _not_found(f"{written!r} is a path, not the name of a module: {hint}")

    try:
        owner = docroots.open_docroot(docroot)
    except docroots.ModuleConflict as error:
        raise _conflict(error) from error
    importlib.invalidate_caches()
    try:
        found = _attribute_of(_import_module(owner, module, written), module, attribute, written)
        if factory:
            found = _call_factory(owner, found, written)
    except AppLoadError:
        docroots.leave(owner)
        raise
    return Imported(found, written, owner, factory, interface)


def _conflict(error: docroots.ModuleConflict) -> AppLoadError:
    return AppLoadError("MODULE_CONFLICT", str(error), traceback_of(error))


def _check_docroot(docroot: str, written: str) -> None:
    """Check that the docroot can be read: Python's imports treat an unreadable folder like an empty one."""
    try:
        Path(docroot, "..").stat()
        next(Path(docroot).iterdir(), None)
    except (FileNotFoundError, NotADirectoryError):
        _not_found(f"the docroot {docroot} is not a directory, so {written!r} was not looked for")
    except OSError as error:
        _not_found(f"the docroot {docroot} cannot be read ({error.strerror}), so {written!r} was not looked for")


def _not_found(message: str) -> NoReturn:
    raise AppLoadError("APP_NOT_FOUND", message)


def _import_module(owner: docroots.Docroot, name: str, written: str) -> Any:
    try:
        imported = importlib.import_module(name)
    except docroots.ModuleConflict as error:
        raise _conflict(error) from error
    except ModuleNotFoundError as error:
        if not raised_by_application(error):
            _not_found(
                f"there is no module {name!r} (from {written!r}){_why(error, name)}. "
                f"{folder_hint(owner.path, name)}{similar_modules(owner.path, name)}{looked_in(owner.path)}"
            )
        text = f"importing {name!r} failed: {describe(error)}{import_advice(error, owner.path)}"
        raise _import_failed(text, error) from error
    except BaseException as error:
        text = f"importing {name!r} failed: {describe(error)}{import_advice(error, owner.path)}"
        raise _import_failed(text, error) from error
    _check_not_hidden(owner, name)
    return imported


def _why(error: ModuleNotFoundError, name: str) -> str:
    """Which part of a dotted name is missing; empty if the whole name is."""
    parent = name.rpartition(".")[0]
    if str(error).endswith("is not a package"):
        return f": {parent!r} is a module, not a package"
    whole = error.name is None or error.name.count(".") == name.count(".")
    return "" if whole else f": {error.name!r} was not found"


def _check_not_hidden(owner: docroots.Docroot, name: str) -> None:
    """Refuse a module that was loaded under the name of the docroot's own: ``code.py``, ``platform.py``."""
    top = name.partition(".")[0]
    own = owner.own_spec(top)
    actual = getattr(sys.modules.get(top), "__spec__", None)
    files = [spec.origin for spec in (own, actual) if spec is not None and spec.origin is not None]
    if len(files) == 2 and os.path.realpath(files[0]) != os.path.realpath(files[1]):
        raise _conflict(docroots.conflict(top, actual, own))


def _import_failed(message: str, error: BaseException) -> AppLoadError:
    return AppLoadError("APP_IMPORT_FAILED", message, traceback_of(error))


def _attribute_of(imported: Any, module: str, attribute: str, written: str) -> Any:
    found = imported
    done: list[str] = []
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            if raised_by_application(error):  # raised in a property or in the module's own __getattr__
                raise _reading_failed(module, attribute, error) from error
            what = (
                f"{module}:{'.'.join(done)}"
                if done
                else f"module {module!r} ({docroots.where(getattr(imported, '__spec__', None))})"
            )
            hint = submodule_hint(imported, module, attribute) if not done else ""
            raise AppLoadError(
                "APP_ATTRIBUTE_NOT_FOUND",
                f"{what} has no attribute {part!r} (from {written!r}). {hint}{names_of_attributes(found, part)}",
            ) from None
        except BaseException as error:
            raise _reading_failed(module, attribute, error) from error
        done.append(part)
    return found


def _reading_failed(module: str, attribute: str, error: BaseException) -> AppLoadError:
    return _import_failed(f"reading {attribute!r} of {module!r} failed: {describe(error)}", error)


def _call_factory(owner: docroots.Docroot, factory: Any, written: str) -> Any:
    if not callable(factory):
        _not_callable(f"{written!r} is {_kind(factory)}, which cannot be called, and `factory` is true")
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        _not_callable(
            f"{written!r} is {_kind(factory)}, which cannot be called without arguments ({error}), so it is not "
            "a factory: leave out `factory: true`, or name the function that makes the application"
        )
    except ValueError:
        pass  # written in C: call it and see
    try:
        return factory()
    except docroots.ModuleConflict as error:
        raise _conflict(error) from error
    except BaseException as error:
        raise _factory_failed(written, error, owner.path) from error


def is_awaited(made: Any) -> bool:
    """Whether the result of a factory must still be awaited, because the factory is an ``async def``."""
    return inspect.isawaitable(made) and not callable(made)


async def awaited(made: Awaitable[Any]) -> Any:
    """What comes of it."""
    return await made


def _factory_failed(written: str, error: BaseException, docroot: str) -> AppLoadError:
    return _import_failed(f"the factory {written!r} failed: {describe(error)}{import_advice(error, docroot)}", error)


def _checked(app: Any, written: str, factory: bool, interface: Interface) -> App:
    subject = f"what the factory {written!r} returned" if factory else repr(written)
    if inspect.iscoroutine(app):
        app.close()  # else Python would warn later, elsewhere, that it was never awaited
        _not_callable(f"{subject} is a coroutine: give the function, uncalled")
    if not callable(app):
        _not_callable(f"{subject} is {_kind(app)}, which cannot be called, so it is not an ASGI application")
    if interface == "wsgi":
        _check_wsgi(app, subject)
        return app  # type: ignore[no-any-return]
    match classify(app):
        case "factory":
            _not_callable(
                f"{subject} is {_kind(app)}, which takes no arguments; an ASGI application takes (scope, receive, "
                "send). If it makes the application, set `factory: true`"
            )
        case "wsgi" if interface != "auto":
            _not_callable(
                f"{subject} is {_kind(app)}, which is a WSGI application, but the option `interface` says "
                f"{interface!r}: leave it out, or set it to 'wsgi'"
            )
        case "two":
            _not_callable(
                f"{subject} is {_kind(app)}, which takes two arguments; an ASGI application takes (scope, receive, "
                "send), a WSGI application (environ, start_response). If it is a WSGI application, set the option "
                "`interface` to 'wsgi'"
            )
        case "other":
            _not_callable(
                f"{subject} is {_kind(app)}, which cannot be called with (scope, receive, send): its signature is "
                f"{inspect.signature(app)}"
            )
    return app  # type: ignore[no-any-return]


def _check_wsgi(app: App, subject: str) -> None:
    """Refuse an object that cannot be a WSGI application although `interface` says so."""
    says = "but the option `interface` says 'wsgi'"
    if is_coroutine_function(app):
        _not_callable(f"{subject} is {_kind(app)}, which is async, {says}: leave it out for an ASGI application")
    try:
        inspect.signature(app).bind(None, None)
    except TypeError:
        signature = inspect.signature(app)
        _not_callable(f"{subject} is {_kind(app)}, which takes {signature}, {says}: WSGI is (environ, start_response)")
    except ValueError:
        pass  # written in C: call it and see


def _not_callable(message: str) -> NoReturn:
    raise AppLoadError("APP_NOT_CALLABLE", message)


def _kind(value: Any) -> str:
    """``a function``, ``the class X``, ``an instance of package.Class``, ``None``."""
    if value is None:
        return "None"
    if inspect.isclass(value):
        return f"the class {value.__qualname__}"
    if inspect.ismodule(value):
        return f"the module {value.__name__}"
    if inspect.isroutine(value):
        return f"the function {getattr(value, '__qualname__', value)}"
    kind = type(value)
    prefix = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"an instance of {prefix}{kind.__qualname__}"
