"""The errors of loading an application.

The codes are part of the public interface: they reach JavaScript as ``PythonError.code`` and stay the same between
releases. The messages are written for people and may change.
"""

from __future__ import annotations

from typing import Literal

AppErrorCode = Literal[
    "APP_NOT_FOUND",
    "APP_ATTRIBUTE_NOT_FOUND",
    "APP_IMPORT_FAILED",
    "APP_NOT_CALLABLE",
    "MODULE_CONFLICT",
    "LOOP_NOT_AVAILABLE",
    "WSGI_NOT_AVAILABLE",
    "LIFESPAN_STARTUP_FAILED",
    "LIFESPAN_SHUTDOWN_FAILED",
]


# The most characters of an error that leave Python: V8 refuses long strings, and people do not read them.
LONGEST_MESSAGE = 16_000
LONGEST_TRACEBACK = 64_000


def shortened(text: str, most: int) -> str:
    """The text; if it is too long, its beginning, the number of characters that were left out, and its end."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} … ({len(text) - 2 * half} characters left out) … {text[-half:]}"


def printable(text: str) -> str:
    """The text in a form that UTF-8 can carry: an application's text may hold lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode()


class AppLoadError(Exception):
    """The application could not be loaded.

    ``code`` says which step failed:

    - ``APP_NOT_FOUND``: no such module, or the target is not written as ``'module:attribute'``
    - ``APP_ATTRIBUTE_NOT_FOUND``: the module is there, the attribute is not
    - ``APP_IMPORT_FAILED``: code of the application raised while it was imported, or while its factory ran
    - ``APP_NOT_CALLABLE``: there is an object, but it is not an ASGI application
    - ``MODULE_CONFLICT``: another handler's docroot, a library or Python itself has a module of that name, too
    - ``WSGI_NOT_AVAILABLE``: it is a WSGI application, and a2wsgi, which serves those, is not installed

    ``traceback`` is the Python traceback as text, without the frames of asgi_node and importlib; it is set
    when code of the application raised.
    """

    code: AppErrorCode
    message: str
    traceback: str | None

    def __init__(self, code: AppErrorCode, message: str, traceback: str | None = None) -> None:
        message = printable(shortened(message, LONGEST_MESSAGE))
        super().__init__(message)
        self.code = code
        self.message = message
        self.traceback = None if traceback is None else printable(shortened(traceback, LONGEST_TRACEBACK))
