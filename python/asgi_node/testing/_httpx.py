"""httpx2 if it is installed, else httpx, as in Starlette's test client."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2 as httpx
else:
    try:
        import httpx2 as httpx
    except ModuleNotFoundError:
        try:
            import httpx
        except ModuleNotFoundError:
            raise RuntimeError(
                "asgi_node.testing needs httpx2, or httpx: pip install 'asgi-node[test]', or pip install httpx2"
            ) from None

__all__ = ["httpx", "module_of"]


def module_of(request: httpx.Request) -> Any:
    """The module of a request's class: a user's own client may be from the other module."""
    return sys.modules[type(request).__module__.partition(".")[0]]
