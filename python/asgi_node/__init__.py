"""asgi-node runs ASGI applications inside a Node.js process.

Inside Node this package is imported from asgi-node's own files, never from the user's environment, and
``asgi_node._native`` is part of the addon.
"""

from __future__ import annotations

__version__ = "0.1.0"
