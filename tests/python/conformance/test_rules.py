"""`asgi_node.conformance`: every rule is broken by an application that is wrong in that way, and found; what is right
comes out clean."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from asgi_node.conformance import LIFESPAN, RULES, SITUATIONS, Report, check
from asgi_node.errors import AppLoadError

ROOT = Path(__file__).parents[3]
APPS = ROOT / "fixtures" / "apps"
sys.path.insert(0, str(APPS))

import wrong_apps  # noqa: E402 (it is where the line above says)

CASES = [(code, situation, app) for code, apps in wrong_apps.WRONG.items() for situation, app in apps]
# What has to be waited for, and all the rest: that may take its time on a busy machine.
HANGING = {"NO_ANSWER", "LOOP_BLOCKED", "LIFESPAN_HANGS", "WEBSOCKET_NO_ANSWER", "CANCEL_IGNORED"}
HANGING |= {"DISCONNECT_IGNORED", "WEBSOCKET_IGNORED"}
IMPATIENT: dict[str, Any] = {"timeout": 1.5, "grace": 1.5, "loop": "asyncio"}
PATIENT: dict[str, Any] = {"timeout": 20, "grace": 10, "loop": "asyncio"}


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


@pytest.mark.parametrize(("code", "situation", "app"), CASES, ids=[f"{c}-{n}" for n, (c, _, _) in enumerate(CASES)])
def test_what_is_wrong_is_found(code: str, situation: str, app: Any) -> None:
    report = check(app, situations=[situation], **(IMPATIENT if code in HANGING else PATIENT))
    found = next((finding for finding in report.findings if finding.code == code), None)
    assert found is not None, report.text()
    assert (found.situation, found.severity) == (situation, RULES[code].severity)
    assert found.path == ("lifespan" if situation in ("lifespan", "unknown scope") else "/")
    assert found.seen
    # Nothing else is: a mistake is one mistake.
    assert codes(report) == {code}, report.text()
    assert report.ok == (found.severity == "remark")


def test_every_rule_is_broken_by_an_application() -> None:
    assert {code for code, _, _ in CASES} == set(RULES)


def test_nothing_is_wrong_with_what_is_right() -> None:
    report = check(wrong_apps.right, paths=["/", "/other?x=%20"], **PATIENT)
    assert report.findings == (), report.text()
    assert report.situations == tuple(SITUATIONS)


def test_an_application_that_knows_http_only() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await wrong_apps.right(scope, receive, send)

    assert check(app, **PATIENT).findings == ()


def test_an_event_stream_that_is_silent_is_left() -> None:
    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send(wrong_apps.START)
        await send({**wrong_apps.BODY, "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    report = check(wrong_apps.http(stream), situations=["GET", "client leaves in the response"], **PATIENT)
    assert report.findings == (), report.text()


def test_an_application_that_starts_up_only_once() -> None:
    starts = []

    async def once(scope: Any, receive: Any, send: Any) -> None:
        starts.append(await receive())
        if len(starts) > 1:
            raise RuntimeError("run() can be called once")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    report = check(wrong_apps.lifespan(once), situations=["lifespan", "GET"], **PATIENT)
    assert codes(report) == {"LIFESPAN_FAILED"}
    assert "not again on another event loop: RuntimeError: run() can be called once" in report.findings[0].seen


def test_a_report_is_data() -> None:
    report = check(wrong_apps.capital_letters, situations=["GET", "HTTP/2"], **PATIENT)
    (found,) = report.findings
    assert (report.ok, report.errors, report.remarks) == (True, (), (found,))
    assert (found.also, found.section) == (("HTTP/2",), RULES["HEADER_NAME_CASE"].section)
    data = json.loads(report.json())
    assert (data["ok"], data["findings"]) == (True, [{**dataclasses.asdict(found), "also": ["HTTP/2"]}])
    assert str(report) == report.text()


def test_arguments() -> None:
    for wrong in ({"paths": ["x"]}, {"paths": []}, {"situations": ["x"]}, {"situations": []}):
        with pytest.raises(ValueError, match=r"path|situation"):
            check(wrong_apps.right, **wrong)  # type: ignore[arg-type]
    with pytest.raises(AppLoadError) as failed:
        check("wrong_apps:nothing", docroot=APPS)
    assert failed.value.code == "APP_ATTRIBUTE_NOT_FOUND"
    assert check(lambda: wrong_apps.right, factory=True, situations=["GET", "lifespan off"]).ok
    assert check(wrong_apps.cannot_start, lifespan="off", situations=["GET", "lifespan"]).findings == ()
    assert set(LIFESPAN) < set(SITUATIONS)


@pytest.mark.asyncio
async def test_inside_a_running_loop() -> None:
    assert check(wrong_apps.right, situations=["GET", "WebSocket"]).ok
