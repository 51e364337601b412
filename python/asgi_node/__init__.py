"""asgi-node runs ASGI applications inside a Node.js process.

Inside Node this package is imported from asgi-node's own files, never from the user's environment, and
``asgi_node._native`` is part of the addon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._native import ClientDisconnected

__version__ = "0.1.0"

__all__ = ["ClientDisconnected"]


def __getattr__(name: str) -> object:
    # Imported on first use: the probe and the loader also run without the bridge.
    if name == "ClientDisconnected":
        from ._native import ClientDisconnected

        return ClientDisconnected
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
