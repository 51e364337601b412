"""Python's `logging` inside Node: records that no handler of the application takes go to the option ``logger``.

In the terms of `logging`, our handler is the *handler of last resort*. A record that meets no handler on its way up to
the root logger comes to us; plain Python would print it to stderr. A record that meets a handler of the application
does not come to us. So ``basicConfig``, ``dictConfig`` and the rest work as always.

Add `Handler` to your configuration if records should go to ``logger`` although other handlers take them too::

    logging.basicConfig(level=logging.INFO, handlers=[asgi_node.logs.Handler()])
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import math
import sys
import threading
from typing import TYPE_CHECKING, Any

from asgi_node.errors import LONGEST_TRACEBACK, shortened

from . import sinks

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_node._native import LogQueue

# How many levels and items of a value in the extra fields of a record are kept.
_DEPTH = 8
_ITEMS = 1000

# The most characters of a record's message, and of all texts in its fields together; the most values in its fields.
_LONGEST = 1 << 18
_SHORT = 200
_VALUES = 10_000

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

# Integers beyond 2^53 would change their value on the way to JavaScript.
_LARGEST = 1 << 53


class _Own(logging.Logger):
    """A logger that `dictConfig` cannot switch off: its records are the only trace of these failures."""

    @property
    def disabled(self) -> bool:
        """No."""
        return False

    @disabled.setter
    def disabled(self, value: bool) -> None:
        pass


def _own_logger() -> logging.Logger:
    before = logging.getLoggerClass()
    logging.setLoggerClass(_Own)
    try:
        return logging.getLogger("asgi_node")
    finally:
        logging.setLoggerClass(before)


logger = _own_logger()


# A key in the `__dict__` of an exception: a record of the application has carried it.
_LOGGED = "_asgi_node_logged"


def log_failure(method: str, path: str, number: int, raised: BaseException, lines: str) -> None:
    """Log a request's exception that is not reported elsewhere.

    The record has the exception, so that Sentry and similar tools recognise one that they have seen before. It also
    has the traceback as text, so that handlers need not call the exception's methods, which are application code.
    """
    text, arguments = "Exception in ASGI application: %s %s", (method, path)
    extra = {"method": method, "path": path, "id": number}
    exception = (type(raised), raised, raised.__traceback__)
    record = logger.makeRecord(logger.name, logging.ERROR, __file__, 0, text, arguments, exception, extra=extra)
    record.exc_text = lines
    # Made by the factory, as the application's own records are.
    was_logged(raised)
    try:
        logger.handle(record)
    except BaseException as second:  # a log handler has formatted the exception, and its methods may raise anything
        record.exc_info = None
        logger.error("A log handler raised %s for this record", type(second).__name__)
        logger.handle(record)


def was_logged(raised: BaseException) -> bool:
    """Whether the application has logged it. If another request raises the same object again, it has not."""
    try:
        return bool(raised.__dict__.pop(_LOGGED, False))
    except Exception:  # its class is the application's code
        return False


def _note_exceptions(factory: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    """A factory of log records that remembers which exceptions have been logged as errors."""

    @functools.wraps(factory)
    def make(
        name: str,
        level: int,
        pathname: str,
        line: int,
        message: Any,
        arguments: Any,
        exception: Any,
        *rest: Any,
        **more: Any,
    ) -> logging.LogRecord:
        if exception and level >= logging.ERROR and isinstance(raised := exception[1], BaseException):
            with contextlib.suppress(Exception):  # its class is the application's code
                raised.__dict__[_LOGGED] = True
        return factory(name, level, pathname, line, message, arguments, exception, *rest, **more)

    return make


def _log_thread(arguments: threading.ExceptHookArgs) -> None:
    """Log the exception that has ended a thread of the application, unless it is SystemExit."""
    raised = arguments.exc_value
    if isinstance(raised, SystemExit):
        return
    name = arguments.thread.name if arguments.thread is not None else "(unknown)"
    exception = (arguments.exc_type, raised, arguments.exc_traceback) if raised is not None else None
    logger.error("Exception in thread %s", name, exc_info=exception)


class _Message(logging.Formatter):
    """Formats the message only: the rest of a record has fields of its own."""

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage()


class Handler(logging.Handler):
    """Hands records to the option ``logger`` of the handler (of asgi-node) in whose application they were made.

    It works in any configuration of `logging`: ``{"class": "asgi_node.logs.Handler"}``. If you give it a formatter
    (`setFormatter`, ``formatter`` in a `dictConfig`), the formatter's text is the message. If no handler of asgi-node
    is open, records go to stderr, as from `logging.lastResort`.
    """

    def __init__(self, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        # `basicConfig` gives the format ``LEVEL:name:message`` to a handler without a formatter.
        self.setFormatter(_message)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over a record. Waits at most 50 ms if JavaScript is behind; then the record is dropped and counted."""
        try:
            text: str | None = None

            def give(log_queue: LogQueue) -> bool:
                nonlocal text
                if record.levelno < log_queue.level:
                    return True
                text = text or self._json(record)
                return log_queue.record(min(max(record.levelno, 0), 255), text)

            if not sinks.hand_over(give) and record.levelno >= _last_resort.level:
                _last_resort.handle(record)
        except Exception:
            self.handleError(record)

    def _json(self, record: logging.LogRecord) -> str:
        message = (self.formatter or _message).format(record)
        parts: dict[str, Any] = {"n": shortened(record.name, _SHORT), "m": shortened(message, _LONGEST)}
        if record.levelname not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
            parts["l"] = shortened(record.levelname, _SHORT)
        if sinks.worker is not None:
            parts["w"] = sinks.worker
        extra = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.stack_info:
            extra["stack"] = record.stack_info
        if extra:
            parts["x"] = _looked_into(extra, _DEPTH, _Room())
        if exception := _exception(record):
            parts["e"] = exception
        return json.dumps(parts, separators=(",", ":"))


def _exception(record: logging.LogRecord) -> dict[str, str] | None:
    """The data of JavaScript's error: a message, and the traceback."""
    if record.exc_info and record.exc_info[1] is not None and not (record.name == logger.name and record.exc_text):
        kind = type(record.exc_info[1]).__name__
        try:
            text = str(record.exc_info[1])
            lines = shortened(_formatter.formatException(record.exc_info), LONGEST_TRACEBACK)
            return {"m": shortened(f"{kind}: {text}" if text else kind, _LONGEST), "s": lines}
        except BaseException as second:  # an exception's methods are the application's code, and may raise anything
            message = f"{kind} (showing it raised {type(second).__name__})"
            return {"m": message, "s": message}
    if record.exc_text:
        lines = shortened(record.exc_text, LONGEST_TRACEBACK)
        return {"m": lines.rpartition("\n")[2], "s": lines}
    return None


class _Room:
    """How much the fields of one record may still hold."""

    def __init__(self) -> None:
        self.characters = _LONGEST
        self.values = _VALUES

    def text(self, text: str) -> str:
        """The text, cut to the room that is left."""
        given = shortened(text, max(self.characters, _SHORT))
        self.characters -= len(given)
        return given


def _plain(value: Any, depth: int, room: _Room) -> Any:
    """The value in a form that JSON has; other values become their `repr`."""
    room.values -= 1
    if value is None or value is True or value is False:
        return value
    if type(value) is str:
        return room.text(value)
    if type(value) is int and -_LARGEST <= value <= _LARGEST:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else repr(value)
    if depth > 0 and isinstance(value, dict | list | tuple | set | frozenset):
        try:
            return _looked_into(value, depth - 1, room)
        except BaseException:  # its methods are the application's code
            pass
    try:
        return room.text(str(value) if isinstance(value, str | int | float) else repr(value))
    except BaseException:
        return f"({type(value).__name__}, whose repr raised)"


def _looked_into(value: Any, depth: int, room: _Room) -> dict[str, Any] | list[Any]:
    """The first items of a container, and how many more it has."""
    is_dict = isinstance(value, dict)
    items = list(value.items()) if is_dict else list(value)
    shown: list[Any] = []
    for item in items[:_ITEMS]:
        if room.values <= 0:
            break
        plain = (room.text(str(item[0])), _plain(item[1], depth, room)) if is_dict else _plain(item, depth, room)
        shown.append(plain)
    left = len(items) - len(shown)
    if is_dict:
        return dict(shown) if left == 0 else {**dict(shown), "…": f"{left} more"}
    return shown if left == 0 else [*shown, f"… {left} more"]


def hand_fact(log_queue: LogQueue, message: str, extra: dict[str, Any]) -> None:
    """Hand over what the host may want to know and nobody has logged.

    A record of level DEBUG, whatever the host's level is: its logger drops it, unless it is looked for.
    """
    # Made without the factory, which may be the application's.
    record = logging.LogRecord(logger.name, logging.DEBUG, __file__, 0, message, (), None)
    record.__dict__.update(extra)
    log_queue.record(logging.DEBUG, _handler._json(record))


_formatter = logging.Formatter()
_message = _Message()
_last_resort = logging.lastResort or logging.StreamHandler()
_handler = Handler()


def install() -> None:
    """Become the handler of last resort. Called once, before anything of the application is imported."""
    logging.lastResort = _handler
    logging.setLogRecordFactory(_note_exceptions(logging.getLogRecordFactory()))
    _configure_on_request_only()
    # Unless sitecustomize has set a hook. An application's own hook replaces ours.
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_thread
    # As in uvicorn: applications log to these loggers, and change their handlers, levels and filters.
    for name, handled in (("uvicorn", True), ("uvicorn.error", False), ("uvicorn.access", True)):
        own = logging.getLogger(name)
        own.setLevel(logging.INFO)
        if handled:
            own.addHandler(Handler())
            own.propagate = False


def _configure_on_request_only() -> None:
    """Keep ``logging.warning`` and similar functions from sending all records of the process to stderr.

    They call `basicConfig` if the root logger has no handler, so that a script's first record is seen. Here it is seen
    anyway. Such a call has no arguments and comes from `logging` itself; all others come from the application.
    """
    configure = logging.basicConfig

    @functools.wraps(configure)
    def configure_on_request(**options: Any) -> None:
        if options or sys._getframe(1).f_globals is not vars(logging):
            configure(**options)

    # Not a plain assignment, which mypy takes for a mistake.
    vars(logging)["basicConfig"] = configure_on_request


# The methods by which an application configures the root logger.
_DECISIONS = ("addHandler", "setLevel")


def open_up() -> None:
    """Let the root logger pass the records that the handlers want, until the application configures it.

    The root logger's level is WARNING in plain Python, so it would hold back records for a ``logger`` with level
    ``info``. The application's first call that configures it, such as ``basicConfig``, restores it.
    """
    root = logging.root
    opened = "addHandler" in root.__dict__
    if not sinks.levels() or not (opened or (not root.handlers and root.level == logging.WARNING)):
        return
    logging.Logger.setLevel(root, min(level or logging.INFO for level in sinks.levels()))
    if not opened:
        root.__dict__.update({name: _decision(root, name) for name in _DECISIONS})


def _decision(root: logging.Logger, name: str) -> Callable[[Any], None]:
    def decide(value: Any) -> None:
        for each in _DECISIONS:
            root.__dict__.pop(each, None)
        root.setLevel(logging.WARNING)
        getattr(root, name)(value)

    return decide
