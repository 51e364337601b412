"""The host in Python: submits requests to an application through the bridge, as Node does, and gets the responses.

It knows `runtime` and `loading`, but no HTTP client and no test framework. This is the low level under
`asgi_node.testing` and `asgi_node.conformance`. A request goes through the scope building, validation, back-pressure
and disconnect rules of production; nothing is parsed or judged here.

    from asgi_node.host import AppHost, head

    with AppHost(app) as host:                       # a loop on its own thread, and the application's lifespan
        call = host.submit(head("POST", "/items?x=1", [(b"host", b"test")]), b"the body")
        for event in call.events(timeout=5):         # HostEvent: kind, status, headers, data …; ends after the last one
            print(event.kind, event.status, event.data)
        call.wait_for_end(timeout=5)                 # the application has returned, background tasks and all
        call.raised, call.violations                 # its exception object; events that were refused, in words

``host.submit(..., body_follows=True)`` leaves the body open: ``call.native.push(chunk, last)`` adds to it. If ``push``
returns false, push no more before an event ``resume``. ``call.native.disconnect()`` is a client that leaves,
``half_close()`` one that only stops sending. With ``is_websocket=True`` (and scheme ``http`` or ``https`` in the head)
``call.native.message(str | bytes)`` and ``close(code, reason)`` replace the body. The events are then ``accept``,
``text``, ``bytes``, ``close``, or those of an HTTP response if the application refuses.

To use the caller's loop instead of a thread: ``await host.start_here()`` and ``await host.close_here()``. A caller on
an asyncio loop waits through a `asgi_node.host.Listener`; it starts and ends an application on a thread by
``start_aside()`` and ``close_aside()``.
"""

from __future__ import annotations

from .app_host import AppHost
from .call import AppCall, AppTimeout
from .head import ALL_EXTENSIONS, Address, head
from .listener import Listener
from .loop_thread import LoopThread
from .runner import GRACE

__all__ = ["ALL_EXTENSIONS", "GRACE", "Address", "AppCall", "AppHost", "AppTimeout", "Listener", "LoopThread", "head"]
