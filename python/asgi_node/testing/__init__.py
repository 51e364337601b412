"""Test clients that run an ASGI application through the bridge: docs/testing.md."""

from __future__ import annotations

from .async_client import AsyncTestClient
from .async_transport import AsyncBridgeTransport
from .async_websocket import AsyncWebSocketTestSession
from .client import TestClient
from .conversation import WebSocketDenialResponse, WebSocketDisconnect
from .reports import ASGIViolation, ASGIWarning, NoResponse
from .transport import BridgeTransport
from .websocket import WebSocketTestSession

__all__ = [
    "ASGIViolation",
    "ASGIWarning",
    "AsyncBridgeTransport",
    "AsyncTestClient",
    "AsyncWebSocketTestSession",
    "BridgeTransport",
    "NoResponse",
    "TestClient",
    "WebSocketDenialResponse",
    "WebSocketDisconnect",
    "WebSocketTestSession",
]
