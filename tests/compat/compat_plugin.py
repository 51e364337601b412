"""Puts our test client in the place of Starlette's, and writes down what became of each test.

COMPAT_CLIENT is ``ours`` or ``theirs``, COMPAT_REPORT the file for the outcomes: a JSON object of them by test.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import starlette.testclient

import asgi_node.testing

if TYPE_CHECKING:
    import pytest

outcomes: dict[str, str] = {}

# Here, because conftest.py of the tests imports the client before pytest is configured. FastAPI's is the same object,
# which it takes from there when it is imported.
if os.environ["COMPAT_CLIENT"] == "ours":
    starlette.testclient.TestClient = asgi_node.testing.TestClient  # type: ignore[misc, assignment]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what asks for Trio, with both clients: applications run on asyncio here, as in production."""
    trio = {item for item in items if "[trio" in item.nodeid or "-trio" in item.nodeid}
    config.hook.pytest_deselected(items=list(trio))
    items[:] = [item for item in items if item not in trio]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    # Set-up, call and tear-down: the worst of the three counts.
    if report.failed:
        outcomes[report.nodeid] = "failed"
    elif report.when == "call" or report.skipped:
        outcomes.setdefault(report.nodeid, report.outcome)


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Under xdist, the controller has the outcomes of all.
    if not hasattr(session.config, "workerinput"):
        Path(os.environ["COMPAT_REPORT"]).write_text(json.dumps(outcomes, indent=0))
