"""WSGI through the bridge without Node. What a client sees of it over HTTP is in tests/e2e/wsgi.test.mjs."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgi_node import ClientDisconnected
from asgi_node.host import AppHost, head

if TYPE_CHECKING:
    from collections.abc import Iterator

APPS = Path(__file__).parents[3] / "fixtures" / "apps"
sys.path.insert(0, str(APPS))

import flask_app  # noqa: E402 (it is where the line above says)

WAIT = 20


def wsgi_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("WSGI")]


@pytest.fixture
def host() -> Iterator[AppHost]:
    """Flask; afterwards none of its threads is left."""
    with AppHost(flask_app.app) as running:
        yield running
    for thread in wsgi_threads():
        thread.join(WAIT)
    assert wsgi_threads() == []
    assert running.reports == []


def ask(host: AppHost, method: str, target: str, body: bytes = b"", **options: Any) -> tuple[int, bytes]:
    headers = [(b"host", b"test"), (b"content-length", str(len(body)).encode())]
    call = host.submit(head(method, target, headers, **options), body)
    events = list(call.events(WAIT))
    call.wait_for_end(WAIT)
    assert call.violations == []
    return events[0].status, b"".join(event.data for event in events)


def test_a_request_and_an_upload(host: AppHost) -> None:
    status, body = ask(host, "GET", "/environ/a%20b?x=1", root_path="")
    assert (status, json.loads(body)["PATH_INFO"]) == (200, "/environ/a b")
    status, body = ask(host, "POST", "/upload", b"x" * 300_000)
    assert (status, json.loads(body)["size"]) == (200, 300_000)
    assert wsgi_threads() != []


def test_a_client_that_leaves_in_a_stream_ends_it(host: AppHost) -> None:
    before = flask_app.seen["closed"]
    call = host.submit(head("GET", "/events", [(b"host", b"test")]))
    call.next_events(WAIT)
    call.leave()
    host.end(call, WAIT)
    assert isinstance(call.raised, ClientDisconnected)
    assert flask_app.seen["closed"] == before + 1


def test_a_client_that_leaves_in_its_upload(host: AppHost) -> None:
    flask_app.seen.pop("upload", None)
    call = host.submit(
        head("POST", "/upload", [(b"host", b"test"), (b"content-length", b"9")]), b"half", body_follows=True
    )
    call.leave()
    host.end(call, WAIT)
    assert flask_app.seen.get("upload", "ClientDisconnected") == "ClientDisconnected"
    assert call.raised is None or isinstance(call.raised, ClientDisconnected)


def test_what_hides_that_it_is_wsgi_by_its_option() -> None:
    with AppHost("wsgi_app:hidden", docroot=str(APPS), interface="wsgi") as host:
        assert ask(host, "GET", "/writing") == (200, b"one two three")
        assert ask(host, "GET", "/replacing") == (503, b"busy")
