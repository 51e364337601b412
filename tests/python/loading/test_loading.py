"""Loading an application, and what is said when that does not work.

Every case runs in an interpreter of its own, because what is imported stays.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import starlette

PACKAGE = Path(__file__).parents[3] / "python"
ASGI = "async def app(scope, receive, send): ...\n"
RUNNER = f"""
import asyncio, json, sys
sys.path.insert(0, {str(PACKAGE)!r})
from asgi_node.errors import AppLoadError
from asgi_node.loading.load import import_app
options = json.loads(sys.argv[2])
named = [options.get(name) for name in ("app", "module", "attribute")]
try:
    found = import_app(*named, sys.argv[1], options.get("factory", False), options.get("interface", "auto"))
    app = asyncio.run(found.app())
    print(json.dumps({{"ok": repr(app), "module": getattr(app, "__module__", None), "path0": sys.path[0]}}))
except AppLoadError as error:
    print(json.dumps({{"code": error.code, "message": error.message, "traceback": error.traceback}}))
"""


def write(docroot: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = docroot / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def load(docroot: Path, app: str | None = None, **options: Any) -> dict[str, Any]:
    arguments = json.dumps({"app": app, **options})
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", RUNNER, str(docroot), arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def fails(code: str, docroot: Path, app: str | None = None, **options: Any) -> str:
    result = load(docroot, app, **options)
    assert result.get("code") == code, result
    if code == "APP_IMPORT_FAILED":
        # Only the application's own frames are of use to its author.
        assert "importlib" not in result["traceback"]
        assert "asgi_node" not in result["traceback"]
        return f"{result['message']}\n{result['traceback']}"
    return str(result["message"])


@pytest.mark.parametrize(
    "target",
    ["main:app", "main", "main:holder.inner.app", "pkg.web:app", "pkg:web.app", "space.deep.mod:app", "my-app:app"],
)
def test_apps_that_are_found(tmp_path: Path, target: str) -> None:
    write(
        tmp_path,
        {
            "main.py": ASGI + "class holder:\n    class inner:\n        app = staticmethod(app)\n",
            "my-app.py": ASGI,
            "pkg/__init__.py": "from . import web\n",
            "pkg/web.py": "from .other import app\nfrom pkg.other import app as same\nassert app is same\n",
            "pkg/other.py": ASGI,
            "space/deep/mod.py": ASGI,
        },
    )
    assert load(tmp_path, target)["path0"] == str(tmp_path)


def test_module_and_attribute_as_two_options(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": ASGI + "other = app\n"})
    assert "ok" in load(tmp_path, module="main", attribute="other")
    assert "ok" in load(tmp_path, module="main")
    assert "module 'main'" in fails("APP_ATTRIBUTE_NOT_FOUND", tmp_path, module="main", attribute="nope")


def test_factories(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "main.py": ASGI
            + """
def make(): return app
async def make_async(): return app
async def broken_async(): raise OSError("no db")
async def make_coroutine(): return make_async()
def make_none(): return None
def make_wsgi(): return lambda environ, start_response: []
def make_two(): return lambda one, another: []
def needs(settings): return app
def broken(): import no_such_library
def leaves(): raise SystemExit(3)
class Application:
    async def __call__(self, scope, receive, send): ...
"""
        },
    )
    for good in ("make", "make_async", "Application"):
        assert "ok" in load(tmp_path, f"main:{good}", factory=True)
        message = fails("APP_NOT_CALLABLE", tmp_path, f"main:{good}")
        assert "takes no arguments" in message
        assert "`factory: true`" in message
    message = fails("APP_IMPORT_FAILED", tmp_path, "main:broken_async", factory=True)
    assert "the factory 'main:broken_async' failed: OSError: no db" in message
    assert 'main.py", line 5, in broken_async' in message
    assert "is a coroutine" in fails("APP_NOT_CALLABLE", tmp_path, "main:make_coroutine", factory=True)
    assert "returned is None" in fails("APP_NOT_CALLABLE", tmp_path, "main:make_none", factory=True)
    assert "ok" in load(tmp_path, "main:make_wsgi", factory=True)
    assert "`interface` to 'wsgi'" in fails("APP_NOT_CALLABLE", tmp_path, "main:make_two", factory=True)
    message = fails("APP_NOT_CALLABLE", tmp_path, "main:needs", factory=True)
    assert "missing a required argument: 'settings'" in message
    assert "leave out `factory: true`" in fails("APP_NOT_CALLABLE", tmp_path, "main:app", factory=True)
    message = fails("APP_IMPORT_FAILED", tmp_path, "main:broken", factory=True)
    assert "the factory 'main:broken' failed: ModuleNotFoundError: No module named 'no_such_library'" in message
    assert 'main.py", line 11, in broken' in message
    assert "sys.exit(3)" in fails("APP_IMPORT_FAILED", tmp_path, "main:leaves", factory=True)


def test_module_not_found(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": ASGI, "other.py": "", "pkg/__init__.py": "", "pkg/server.py": ASGI})
    message = fails("APP_NOT_FOUND", tmp_path, "mian:app")
    assert "there is no module 'mian' (from 'mian:app'). Did you mean 'main'? " in message
    assert f"Looked in the docroot {tmp_path}, then in sys.path of {sys.executable}: " in message
    assert "site-packages" in message
    assert "Did you mean 'main'?" in fails("APP_NOT_FOUND", tmp_path, "Main:app")
    assert "The docroot holds the modules 'main', 'other', 'pkg'. " in fails("APP_NOT_FOUND", tmp_path, "zzz:app")
    message = fails("APP_NOT_FOUND", tmp_path, "pkg.sevrer:app")
    assert "there is no module 'pkg.sevrer'" in message
    assert "Did you mean 'pkg.server'?" in message
    assert "'pkgs' was not found" in fails("APP_NOT_FOUND", tmp_path, "pkgs.server:app")
    assert "'main' is a module, not a package" in fails("APP_NOT_FOUND", tmp_path, "main.sub:app")
    assert "is not a directory" in fails("APP_NOT_FOUND", tmp_path / "gone", "main:app")


def test_field_28_src_layout(tmp_path: Path) -> None:
    for layout in ("src", "backend"):
        root = tmp_path / f"project-{layout}"
        (root / layout / "shop").mkdir(parents=True)
        (root / layout / "shop" / "__init__.py").write_text("")
        (root / layout / "server.py").write_text("")
        (root / ".venv").mkdir()
        (root / ".venv" / "server.py").write_text("")
        for module in ("server", "shop.asgi"):
            message = fails("APP_NOT_FOUND", root, f"{module}:app")
            assert f"There is one in {root / layout}: set docroot to it. " in message
    assert "There is one in" not in fails("APP_NOT_FOUND", tmp_path, "server:app")


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("main.py:app", "write 'main:app'"),
        ("main.py", "write 'main:app'"),
        ("./main.py", "write 'main:app'"),
        ("./main:api", "write 'main:api'"),
        ("src/main:app", "write 'src.main:app', or 'main:app' with docroot set to '{docroot}/src'"),
        ("src/main.py", "write 'src.main:app', or 'main:app' with docroot set to '{docroot}/src'"),
        ("src\\main.py:app", "write 'src.main:app'"),
        ("/srv/site/main.py:app", "write 'main:app', and set docroot to '/srv/site'"),
        ("../main.py:app", "write 'main:app', and set docroot to '..'"),
        (".main:app", "write the name in full, such as 'main:app'"),
        ("", "names no module"),
        (":app", "names no module"),
        ("main:", "names no attribute"),
    ],
)
def test_targets_that_are_not_written_as_they_should(tmp_path: Path, target: str, advice: str) -> None:
    assert advice.format(docroot=tmp_path) in fails("APP_NOT_FOUND", tmp_path, target)


def test_a_module_that_is_called_py(tmp_path: Path) -> None:
    write(tmp_path, {"main/__init__.py": "", "main/py.py": ASGI})
    assert "ok" in load(tmp_path, "main.py:app")


def test_attribute_not_found(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "main.py": "import os, json\nfrom pathlib import Path\nSETTING = 1\ndef run(): ...\n"
            + ASGI.replace("app", "application"),
            "empty.py": "",
            "pkg/__init__.py": "",
            "pkg/web.py": ASGI,
        },
    )
    message = fails("APP_ATTRIBUTE_NOT_FOUND", tmp_path, "main:app")
    assert f"module 'main' ({tmp_path}/main.py) has no attribute 'app' (from 'main:app')" in message
    assert message.endswith("Did you mean 'application'? It has 'application', 'run', 'Path', 'SETTING', 'json', 'os'")
    assert "main:run has no attribute 'nope'" in fails("APP_ATTRIBUTE_NOT_FOUND", tmp_path, "main:run.nope")
    assert "It has no public attributes" in fails("APP_ATTRIBUTE_NOT_FOUND", tmp_path, "empty:app")
    assert "Did you mean 'pkg.web:app'?" in fails("APP_ATTRIBUTE_NOT_FOUND", tmp_path, "pkg:web.app")


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        (
            "import no_such_library\n",
            "ModuleNotFoundError: No module named 'no_such_library'. The interpreter is",
            "line 1",
        ),
        ("def f():\n    return {}['key']\nf()\n", "KeyError: 'key'", "line 2, in f"),
        ("def f(:\n", "SyntaxError", "line 1"),
        ("import sys\nsys.exit(4)\n", "it called sys.exit(4)", "line 2"),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt", "line 1"),
        ("class E(BaseException): ...\nraise E('odd')\n", "E: odd", "line 2"),
        ("def f(): f()\nf()\n", "RecursionError", "line 1, in f"),
        ("from json import nope\n", "cannot import name 'nope' from 'json'", "line 1"),
        ("import main.sub\n", "'main' is not a package", "line 1"),
        (
            "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise OSError('no db') from e\n",
            "no db",
            "direct cause",
        ),
        ("import broken\n", "ValueError: deep", 'broken.py", line 1'),
        ("def __getattr__(name): raise LookupError(name)\n", "LookupError", "in __getattr__"),
        ("def __getattr__(name): return {}.nope\n", "has no attribute 'nope'", "in __getattr__"),
    ],
)
def test_import_failed(tmp_path: Path, text: str, message: str, place: str) -> None:
    write(tmp_path, {"main.py": text, "broken.py": "raise ValueError('deep')\n"})
    said = fails("APP_IMPORT_FAILED", tmp_path, "main:app")
    assert message in said
    assert place in said
    assert str(tmp_path / "main.py") in said


def test_a_missing_module_is_the_application_s_own_when_it_asked_for_it(tmp_path: Path) -> None:
    """`import pkg.gone` in pkg itself: the app's mistake, although the name is part of the target."""
    write(tmp_path, {"pkg/__init__.py": "import pkg.web\n"})
    assert "No module named 'pkg.web'" in fails("APP_IMPORT_FAILED", tmp_path, "pkg.web:app")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("import cv2\n", f"`{sys.executable} -m pip install opencv-python-headless` installs it"),
        ("import win32api.gone\n", f"`{sys.executable} -m pip install pywin32` installs it"),
        ("import fastpai\n", "Did you mean 'fastapi'?"),
        ("import Flask\n", "Did you mean 'flask'?"),
        ("import pkg.web\n", "There is DOCROOT/pkg/models.py: write `from . import models`, or import pkg.models"),
        ("import settings\n", "There is DOCROOT/src/settings.py: import src.settings, or set docroot to 'DOCROOT/src'"),
        ("import email.message\n", "DOCROOT/email.py hides the module 'email' of the standard library: rename it"),
        ("from email import message\n", "DOCROOT/email.py hides the module 'email' of the standard library: rename it"),
        ("import starlette.routing\n", "DOCROOT/starlette.py hides the library SITE/starlette/__init__.py: rename it"),
        *(
            [("import imp\n", "'imp' left the standard library with Python 3.12")]
            if sys.version_info >= (3, 12)
            else []
        ),
        ("import a_module_that_nobody_installed\n", f"The interpreter is {sys.executable}"),
        ("import json.nothing\n", f"The interpreter is {sys.executable}"),
    ],
)
def test_field_25_what_is_missing_hidden_or_misspelt(tmp_path: Path, text: str, advice: str) -> None:
    files = {"pkg/__init__.py": "", "pkg/web.py": "import models\n", "pkg/models.py": "", "src/settings.py": ""}
    hidden = {"email.py": "", "starlette.py": ""} if "email" in text or "starlette" in text else {}
    write(tmp_path, {"main.py": text, **files, **hidden})
    site = Path(starlette.__file__).parents[1]
    line = fails("APP_IMPORT_FAILED", tmp_path, "main:app").partition("\nTraceback")[0]
    # From Python 3.13 on it says so itself where the import is of a name.
    own = "(consider renaming 'DOCROOT/email.py' since it has the same name as the standard library module"
    expected = [words.replace("DOCROOT", str(tmp_path)).replace("SITE", str(site)) for words in (advice, own)]
    assert line.endswith(expected[0]) or expected[1] in line, line
    assert "pip install" in advice or "pip" not in line


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("from json import dmps\n", "Did you mean: 'dumps'?"),
        ("import json\njson.dmps\n", "Did you mean"),
        ("value = 1\nvalu\n", "Did you mean: 'value'?"),
    ],
)
def test_field_25_python_s_own_hints_are_kept(tmp_path: Path, text: str, hint: str) -> None:
    write(tmp_path, {"main.py": text})
    message = fails("APP_IMPORT_FAILED", tmp_path, "main:app").partition("\nTraceback")[0]
    # Before 3.12 the module traceback has no hints: only what Python prints by itself at its end has.
    assert (hint in message) == (sys.version_info >= (3, 12))
    assert "json import" not in text or message.endswith(f"The interpreter is {sys.executable}")


def test_field_26_gevent_is_named_and_there_is_a_traceback(tmp_path: Path) -> None:
    """Off the main thread, where applications run, its patched threads break importing itself."""
    write(tmp_path, {"main.py": "import gevent.monkey\ngevent.monkey.patch_all()\n" + ASGI})
    script = "import threading\nrunner = lambda: exec(RUNNER, {})\nthread = threading.Thread(target=runner)\n"
    script = f"RUNNER = {RUNNER!r}\n{script}thread.start()\nthread.join(30)\n"
    arguments = [sys.executable, "-I", "-W", "ignore", "-c", script, str(tmp_path), '{"app": "main:app"}']
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=50)
    told = json.loads(done.stdout)
    assert told["code"] == "APP_IMPORT_FAILED"
    assert "gevent.monkey.patch_all(), which works on Python's main thread only" in told["message"]
    assert told["traceback"].startswith("Traceback (most recent call last):\n  File ")


def test_field_26_names_with_lone_surrogates(tmp_path: Path) -> None:
    """A folder that is no UTF-8, and a module and an attribute that cannot be encoded, are told in words."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    write(folder, {"main.py": ASGI})
    assert load(folder, "main:app")["path0"] == str(folder)
    assert "no module 'ma\\udce9n'" in fails("APP_NOT_FOUND", folder, "ma\udce9n:app")
    assert "no attribute '\\udce9'" in fails("APP_ATTRIBUTE_NOT_FOUND", folder, "main:\udce9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("app = 5", "'main:app' is an instance of int, which cannot be called"),
        ("app = None", "'main:app' is None, which"),
        ("import json as app", "'main:app' is the module json"),
        ("class A: ...\napp = A()", "is an instance of main.A"),
        ("async def make(): ...\napp = make()", "is a coroutine: give the function, uncalled"),
        ("async def app(scope): ...", "its signature is (scope)"),
        ("def app(request, response): ...", "If it is a WSGI application, set the option `interface` to 'wsgi'"),
        ("def app(a, b, c, d): ...", "cannot be called with (scope, receive, send): its signature is (a, b, c, d)"),
    ],
)
def test_not_callable(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, {"main.py": text})
    assert message in fails("APP_NOT_CALLABLE", tmp_path, "main:app")


@pytest.mark.parametrize(
    ("interface", "text", "message"),
    [
        ("wsgi", "async def app(scope, receive, send): ...", "is the function app, which is async"),
        ("wsgi", "def app(scope): ...", "takes (scope), but the option `interface` says 'wsgi'"),
        (
            "asgi3",
            "def app(environ, start_response): ...",
            "is a WSGI application, but the option `interface` says 'asgi3'",
        ),
        (
            "asgi2",
            "def app(environ, start_response): ...",
            "is a WSGI application, but the option `interface` says 'asgi2'",
        ),
    ],
)
def test_the_interface_option_contradicts_what_is_there(
    tmp_path: Path, interface: str, text: str, message: str
) -> None:
    write(tmp_path, {"main.py": text})
    assert message in fails("APP_NOT_CALLABLE", tmp_path, "main:app", interface=interface)


@pytest.mark.parametrize(
    "text", ["def app(one, other): ...", "def app(*args): ...", "app = type('C', (), {'__call__': max})()"]
)
def test_what_may_be_wsgi_is_taken_for_it_when_the_option_says_so(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"main.py": text})
    assert "ok" in load(tmp_path, "main:app", interface="wsgi")


def test_a_file_that_is_hidden_by_the_standard_library(tmp_path: Path) -> None:
    """Never silently another module than the one in the docroot, be it Python's own."""
    write(tmp_path, {"json.py": ASGI})
    message = fails("MODULE_CONFLICT", tmp_path, "json:app")
    assert f"{tmp_path}/json.py" in message
    assert "json/__init__.py" in message


def test_the_docroot_is_on_the_path_once(tmp_path: Path) -> None:
    write(tmp_path, {"main.py": ASGI + "import sys\nassert sys.path.count(__file__.rpartition('/')[0]) == 1\n"})
    link = tmp_path.parent / f"{tmp_path.name}-link"
    link.symlink_to(tmp_path)
    for docroot in (tmp_path, link):
        assert load(docroot, "main:app")["path0"] == str(tmp_path)
