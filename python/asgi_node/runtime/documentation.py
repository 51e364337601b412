"""The page on which an application documents its API: found on its object, so that nobody has to request it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_node._native import LogQueue

# How many pieces of middleware around an application are looked through.
_LAYERS = 16


def page_of(app: Any) -> str | None:
    """The path of the page, relative to the application; `None` where it has none, or where it cannot be known.

    FastAPI, Litestar and Quart-Schema say it. Middleware that wraps an application keeps it as ``app``.
    """
    path: str | None
    for _ in range(_LAYERS):
        for look in (_of_fastapi, _of_litestar, _of_quart):
            path = _asked(look, app)
            if path is not None:
                return path
        if (app := _asked(lambda outer: outer.app, app)) is None:
            break
    return None


def tell(app: Any, log_queue: LogQueue | None) -> None:
    """Hand the page to the host, as the field ``docs`` of a record of level DEBUG."""
    if log_queue is not None and (path := page_of(app)) is not None:
        logs.hand_fact(log_queue, f"The application documents its API on {path}", {"docs": path})


def _asked(look: Callable[[Any], Any], app: Any) -> Any:
    """What is found, unless the application's own code raises."""
    try:
        return look(app)
    except Exception:
        return None


def _path(*parts: Any) -> str | None:
    """The path that these parts make, if all of them are texts and the first begins one."""
    if not all(isinstance(part, str) for part in parts):
        return None
    path = "/" + "/".join(stripped for part in parts if (stripped := part.strip("/")))
    return path if len(path) > 1 else None


def _of_fastapi(app: Any) -> str | None:
    # Without the schema there are no pages either.
    return _path(app.openapi_url) and (_path(app.docs_url) or _path(app.redoc_url))


def _of_litestar(app: Any) -> str | None:
    config = app.openapi_config
    if config is None:
        return None
    holders = (config.openapi_controller, config.openapi_router)
    places = [config.path, *(holder.path for holder in holders if holder is not None), "/schema"]
    return _path(app.path, next(place for place in places if place))


def _of_quart(app: Any) -> str | None:
    schema = app.extensions["QUART_SCHEMA"]
    return _path(schema.openapi_path) and (_path(schema.swagger_ui_path) or _path(schema.redoc_ui_path))
