"""An exception reaches Sentry once, as on other servers: `field_22`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
# Those that configure logging anew come last.
APPS = ["starlette", "fastapi", "plain", "unshowable", "quart", "flask", "django", "litestar"]
SCRIPT = """
import json, logging, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import sentry_sdk
from sentry_sdk.transport import Transport
from asgi_node.host import AppHost, head

events, records, told = [], [], {}

class Collecting(Transport):
    def capture_envelope(self, envelope):
        event = envelope.get_event()
        if event is not None:
            kinds = [value["type"] for value in event.get("exception", {}).get("values", [])]
            events.append(kinds or event["logentry"])

sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Collecting)

class Noting(logging.Handler):
    def emit(self, record):
        if record.name == "asgi_node":
            records.append([record.exc_info and record.exc_info[0].__name__, self.format(record)])

logging.basicConfig(handlers=[Noting()], format="%(message)s")
for app in sys.argv[3:]:
    with AppHost(f"raising_apps:{app}", docroot=sys.argv[2], factory=True, lifespan="off") as host:
        call = host.submit(head("GET", "/boom", [(b"host", b"testserver")]))
        list(call.events(10))
        call.wait_for_end(10)
    told[app] = {"events": events[:], "records": records[:]}
    events.clear()
    records.clear()
print(json.dumps(told))
"""


def test_field_22_sentry_gets_each_exception_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT / "python"), str(ROOT / "fixtures" / "apps"), *APPS],
        capture_output=True,
        text=True,
        check=False,
        timeout=55,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    # (Sentry itself gives up on an exception that ends the process when it is shown.)
    once = {app: [["LookupError"]] for app in APPS if app != "unshowable"}
    assert {app: told[app]["events"] for app in once} == once
    # The others have answered 500 and raise nothing that a server could log.
    for app in ("starlette", "fastapi", "plain"):
        ((kind, text),) = told[app]["records"]
        assert kind == "LookupError"
        assert text.startswith("Exception in ASGI application: GET /boom\nTraceback (most recent call last):\n")
        assert text.endswith("LookupError: boom")
    ((kind, text),) = told["unshowable"]["records"]
    assert (kind, text.endswith("Unshowable: <exception str() failed>")) == ("Unshowable", True)
    assert not any(told[app]["records"] for app in ("litestar", "quart", "flask", "django"))
