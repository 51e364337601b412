"""The log handler for configurations of `logging`: ``{"class": "asgi_node.logs.Handler"}``."""

from __future__ import annotations

from .runtime.logs import Handler

__all__ = ["Handler"]
