"""`python -m asgi_node check`: what the frameworks do comes out clean or with remarks, and what the command prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import asgi_node
from asgi_node.conformance import SITUATIONS

APPS = Path(__file__).parents[3] / "fixtures" / "apps"

FRAMEWORKS: dict[str, tuple[list[str], set[str]]] = {
    "fastapi_app:app": (["/items/1", "/upload"], {"HEAD_DIFFERS"}),
    "starlette_app:app": (["/things/3", "/digest"], {"DISCONNECT_RAISED"}),
    "litestar_app:app": (["/", "/upload", "/stream"], {"HEAD_DIFFERS", "UNKNOWN_SCOPE", "DISCONNECT_RAISED"}),
    # It takes scope["scheme"] for granted.
    "quart_app:app": (["/", "/upload", "/stream"], {"OPTIONAL_KEY", "DISCONNECT_RAISED"}),
    # Its header names are capitalised.
    "django_app.asgi:application": (["/guestbook/", "/numbers/"], {"HEADER_NAME_CASE"}),
    "flask_app:app": (["/upload", "/cookie"], set()),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("app", FRAMEWORKS)
def test_frameworks_are_clean_or_have_remarks_that_are_known(app: str, tmp_path: Path) -> None:
    paths, remarks = FRAMEWORKS[app]
    # In a process of its own: Django configures logging for the whole process, and once.
    done = run(
        app,
        *(f"--path={path}" for path in paths),
        "--json",
        "--timeout=20",
        environment={"DJANGO_APP_DATABASE": str(tmp_path / "db")},
    )
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (0, True), done.stdout
    assert {finding["code"] for finding in report["findings"]} <= remarks, done.stdout


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "PYTHONPATH": str(Path(asgi_node.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        **(environment or {}),
    }
    command = [sys.executable, "-m", "asgi_node", "check", "--docroot", str(APPS), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=170)


def test_the_command_prints_text_and_says_by_its_status() -> None:
    wrong = run("wrong_apps:never_ends", "--situation=GET", "--situation=HEAD")
    assert wrong.returncode == 1
    assert wrong.stdout.startswith("error RESPONSE_INCOMPLETE (GET on /)\n")
    assert "  also: HEAD\n" in wrong.stdout
    assert wrong.stdout.endswith("wrong_apps:never_ends: 2 situations on /: 1 error, no remarks\n")
    right = run("wrong_apps:right", "--situation=GET")
    assert (right.returncode, right.stdout) == (0, "wrong_apps:right: 1 situations on /: no errors, no remarks\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name the application"),
        (["no_such_module:app"], "APP_NOT_FOUND: there is no module 'no_such_module'"),
        (["import_failing:app"], "no database at import time"),
        (["wrong_apps:right", "--path=x"], "a path starts with '/'"),
        (["wrong_apps:right", "--situation=GOT"], "there is no situation 'GOT'"),
    ],
)
def test_what_the_command_cannot_check(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_the_command_lists_the_situations() -> None:
    lines = run("--list").stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == list(SITUATIONS)
