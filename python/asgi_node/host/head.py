"""The flat head of a request: the form in which hosts give requests to the bridge."""

from __future__ import annotations

from collections.abc import Iterable

from asgi_node import _protocol

ALL_EXTENSIONS = (
    _protocol.EXTENSION_TRAILERS
    | _protocol.EXTENSION_EARLY_HINT
    | _protocol.EXTENSION_PATHSEND
    | _protocol.EXTENSION_ZEROCOPYSEND
)

Address = tuple[str, int | None]
Headers = Iterable[tuple[bytes, bytes]]


def head(
    method: str,
    target: str | bytes,
    headers: Headers = (),
    *,
    scheme: str = "http",
    http_version: str = "1.1",
    client: Address | None = ("testclient", 50000),
    server: Address | None = ("testserver", 80),
    root_path: str = "",
    extensions: int = ALL_EXTENSIONS,
) -> bytes:
    """The flat head of a request, as `Host.submit` takes it.

    `target` is the target of the request line (``/path?query``, escaped); `headers` are as on the wire, in order.
    `extensions` says which of the ``EXTENSION_…`` bits of `asgi_node._protocol` the connection offers. Raises
    ValueError for a line end or a NUL in a header, the method or the target: an HTTP client cannot send them.
    """
    fields = [
        method.encode(),
        target.encode() if isinstance(target, str) else target,
        http_version.encode(),
        scheme.encode(),
        *_address(client),
        *_address(server),
        root_path.encode(),
        str(extensions).encode(),
    ]
    for name, value in headers:
        fields += (name, value)
    flat = b"\0".join(fields)
    if b"\n" in flat or b"\r" in flat or flat.count(b"\0") != len(fields) - 1:
        raise ValueError("a request's method, target and headers hold no line end and no NUL (RFC 9110, 5.5)")
    return flat


def _address(address: Address | None) -> tuple[bytes, bytes]:
    host, port = address or ("", None)
    return host.encode(), b"" if port is None else str(port).encode()
