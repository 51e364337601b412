"""Applications side by side in one interpreter: each gets its own modules, never silently another's.

Every case runs in an interpreter of its own. In a script, `load` loads, `a` and `b` are docroots, and `site` is a
directory on sys.path that stands for the installed libraries.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "python"
PRELUDE = f"""
import builtins, importlib, sys, threading
sys.path.insert(0, {str(PACKAGE)!r})
from importlib import import_module as early_import_module
from asgi_node.loading import isolation
from asgi_node.errors import AppLoadError
from asgi_node.loading.load import enter, import_app
root = sys.argv[1]
a, b, c, site = (f"{{root}}/{{name}}" for name in ("a", "b", "c", "site"))
sys.path.append(site)
plain_import = builtins.__import__
def load(docroot, target="main:app", factory=False):
    return import_app(target, None, None, docroot, factory).value
def raises(kind, function, *args):
    try:
        function(*args)
    except kind as error:
        return str(error)
    raise AssertionError(f"{{kind}} was not raised")
"""
Files = dict[str, str]


def run(root: Path, files: Files, script: str, *options: str) -> None:
    for name, text in {"site/.keep": "", "a/.keep": "", "b/.keep": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    code = PRELUDE + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", code, str(root)],
        capture_output=True,
        text=True,
        check=False,
        cwd=root / "site",
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def both(name: str, text: str) -> Files:
    """The same file in docroots a and b, with its docroot's name for WHO."""
    return {f"{docroot}/{name}": text.replace("WHO", docroot) for docroot in "ab"}


APP = "def app(scope, receive, send): return 'WHO'\n"


def test_one_docroot_is_plain_python(tmp_path: Path) -> None:
    run(
        tmp_path,
        both("main.py", APP),
        """
        assert load(a)(1, 2, 3) == "a"
        assert load(a) is load(a)
        assert sys.modules["main"].__name__ == "main"
        assert builtins.__import__ is plain_import and isolation.AliasFinder not in sys.meta_path
        """,
    )


def test_two_mains_and_their_siblings_now_and_at_request_time(tmp_path: Path) -> None:
    """At start, or in a function that runs when another docroot is first on sys.path."""
    main = """
        import sibling
        from sibling import name
        def app(when, receive, send):
            import lazy, lazy as again
            from lazy import name as lazy_name
            import sibling as later
            assert later is sibling and again is lazy
            return sibling.name, name, lazy.name, lazy_name
        """
    files = both("main.py", main) | both("sibling.py", "name = 'WHO'\n") | both("lazy.py", "name = 'WHO'\n")
    script = """
        first, second = load({0}), load({1})
        for app, who in ((second, "{1}"), (first, "{0}"), (second, "{1}")):
            assert app(0, 0, 0) == (who,) * 4
        assert sys.modules["main"].sibling.name == "{0}" and sys.modules["main@2"].sibling.name == "{1}"
        assert load({0}) is first and load({1}) is second  # two handlers on a docroot share its modules
        assert sys.modules["lazy"].name == "{1}"  # plain names go to whoever is first, one by one
        assert sys.modules["lazy@1"].name == "{0}"
        """
    run(tmp_path, files, script.format("a", "b"))
    run(tmp_path, files, script.format("b", "a"))


@pytest.mark.parametrize("init", [True, False], ids=["package", "namespace"])
def test_packages_of_one_name(tmp_path: Path, init: bool) -> None:
    files = (
        both(
            "app/main.py",
            """
            import app.core.config
            import app.core.config as aliased
            from app.core import config
            from app.core.config import name
            from .core import config as relative
            from . import core
            import importlib
            def app_(scope, receive, send):
                from app.late import name as late
                import app.late
                dynamic = importlib.import_module("app.late"), importlib.import_module(".late", __package__)
                assert dynamic[0] is dynamic[1] is app.late
                assert app.core.config is aliased is config is relative is core.config
                return {app.core.config.name, name, late, app.late.name}
            """,
        )
        | both("app/core/config.py", "name = 'WHO'\n")
        | both("app/late.py", "from app.core.config import name\n")
    )
    if init:
        files |= both("app/__init__.py", "") | both("app/core/__init__.py", "")
    run(
        tmp_path,
        files,
        """
        first, second = load(a, "app.main:app_"), load(b, "app.main:app_")
        for _ in range(2):
            assert second(0, 0, 0) == {"b"} and first(0, 0, 0) == {"a"}
        assert sys.modules["app@2.main"].__package__ == "app@2"
        """,
    )


def test_annotations_as_strings_mean_the_own_classes(tmp_path: Path) -> None:
    run(
        tmp_path,
        both(
            "main.py",
            """
            from __future__ import annotations
            import dataclasses, enum, pickle, typing
            class Inner:
                who = "WHO"
            @dataclasses.dataclass
            class Outer:
                inner: Inner
                everybody: typing.ClassVar[list[Inner]] = []
            class Colour(enum.Enum):
                RED = "WHO"
            Pair = typing.NamedTuple("Pair", [("left", int)])
            def app(scope, receive, send):
                assert len(dataclasses.fields(Outer)) == 1
                hints = typing.get_type_hints(Outer)
                copy = pickle.loads(pickle.dumps((Outer(Inner()), Colour.RED, Pair(1))))
                assert type(copy[0]) is Outer and copy[1] is Colour.RED and type(copy[2]) is Pair
                return hints["inner"].who + copy[0].inner.who + copy[1].value
            """,
        ),
        """
        first, second = load(a), load(b)
        assert first(0, 0, 0) == "aaa" and second(0, 0, 0) == "bbb"
        """,
    )


def test_fastapi_and_pydantic_in_the_second_application(tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    run(
        tmp_path,
        both(
            "main.py",
            """
            from __future__ import annotations
            from fastapi import FastAPI
            from models import Item, Tree
            app = FastAPI()
            @app.post("/")
            async def create(item: Item) -> Item:
                return item
            """,
        )
        | both(
            "models.py",
            """
            from __future__ import annotations
            from pydantic import BaseModel
            class Part(BaseModel):
                only_WHO: int
            class Item(BaseModel):
                parts: list[Part]
            class Tree(BaseModel):
                children: list[Tree] = []
                part: Part | None = None
            """,
        ),
        """
        for docroot, who in ((a, "a"), (b, "b")):
            app = load(docroot)
            part = app.openapi()["components"]["schemas"]["Part"]
            assert list(part["properties"]) == [f"only_{who}"]
            main = sys.modules["main" if who == "a" else "main@2"]
            tree = main.Tree.model_validate({"children": [{"part": {f"only_{who}": 1}}]})
            assert getattr(tree.children[0].part, f"only_{who}") == 1
        """,
        # Below 3.12, pydantic's own dependencies warn.
        "-W",
        "default::DeprecationWarning",
    )


def test_imports_by_name(tmp_path: Path) -> None:
    run(
        tmp_path,
        both(
            "main.py",
            """
            import importlib, importlib.util, logging.config, pickle, site_library
            from importlib import import_module
            from importlib.util import find_spec
            def app(scope, receive, send):
                names = {import_module("plugin").name, importlib.import_module("plugin").name}
                names.add(site_library.load("plugin").name)
                assert "/WHO/" in importlib.util.find_spec("plugin").origin
                assert importlib.util.find_spec("nothing") is None
                logging.config.dictConfig({"version": 1, "formatters": {"f": {"()": "plugin.Formatter"}},
                    "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f"}},
                    "loggers": {"WHO": {"handlers": ["h"]}}})
                names.add(logging.getLogger("WHO").handlers[0].formatter.name)
                return names
            def by_name():
                return __import__("plugin").name
            def unpickle():
                return pickle.loads(b"cplugin\\nname\\n.")
            def unpickle_slowly():
                import io
                return pickle._Unpickler(io.BytesIO(b"cplugin\\nname\\n.")).load()
            """,
        )
        | both("plugin.py", "import logging\nname = 'WHO'\nclass Formatter(logging.Formatter): name = 'WHO'\n")
        | {"site/site_library.py": "from importlib import import_module\ndef load(name): return import_module(name)\n"},
        """
        sys.modules.pop("logging.config", None)
        first, second = load(a), load(b)
        assert first(0, 0, 0) == {"a"} and second(0, 0, 0) == {"b"} and first(0, 0, 0) == {"a"}
        # These read sys.modules["plugin"] when the import is done: an error for the second, never the first's module.
        own, other = sys.modules["main"], sys.modules["main@2"]
        for name in ("by_name", "unpickle", "unpickle_slowly"):
            assert getattr(own, name)() == "a"
            message = raises(isolation.ModuleConflict, getattr(other, name))
            assert f"{b}/plugin.py" in message and f"{a}/plugin.py" in message, message
        """,
    )


def test_what_a_docroot_holds_is_invisible_to_others(tmp_path: Path) -> None:
    main = """
        def app(scope, receive, send):
            try:
                import extra
            except ModuleNotFoundError as error:
                assert error.name == "extra" and str(error) == "No module named 'extra'"
                return None
            return extra.name
        """
    files = both("main.py", main) | {"b/extra.py": "name = 'b'\n", "b/only.py": APP}
    run(
        tmp_path,
        files,
        """
        first, second = load(a), load(b)
        assert first(0, 0, 0) is None and second(0, 0, 0) == "b" and first(0, 0, 0) is None
        try:
            load(a, "only:app")
        except AppLoadError as error:
            assert error.code == "APP_NOT_FOUND"
        load(b, "only:app")
        """,
    )


def test_a_library_that_another_docroot_shadows(tmp_path: Path) -> None:
    """b has a file with a library's name, which is its right; a must get the library, or an error that names both."""
    files = {
        "site/library.py": "name = 'site'\n",
        "b/library.py": "name = 'b'\n",
        **both("main.py", "def app(scope, receive, send):\n    import library\n    return library.name\n"),
    }
    run(
        tmp_path,
        files,
        """
        first, second = load(a), load(b)
        assert first(0, 0, 0) == "site" and second(0, 0, 0) == "b" and first(0, 0, 0) == "site"
        """,
    )
    run(
        tmp_path,
        {**files, "a/other.py": "import library\n" + APP},
        """
        first, second = load(a), load(b)
        assert second(0, 0, 0) == "b"
        message = raises(isolation.ModuleConflict, first, 0, 0, 0)
        assert f"{b}/library.py" in message and f"{site}/library.py" in message
        try:
            load(a, "other:app")
        except AppLoadError as error:
            assert error.code == "MODULE_CONFLICT" and f"{b}/library.py" in error.message
            assert 'other.py", line 1' in error.traceback and "import_hooks" not in error.traceback
        else:
            raise AssertionError
        """,
    )


def test_a_library_that_imports_late_is_told_by_the_context(tmp_path: Path) -> None:
    files = (
        both("main.py", APP)
        | both("settings.py", "name = 'WHO'\n")
        | {"site/framework.py": "import importlib\ndef setting(): return importlib.import_module('settings').name\n"}
    )
    run(
        tmp_path,
        files,
        """
        import contextvars, framework
        load(a), load(b)
        contexts = {}
        for docroot in (a, b):
            contexts[docroot] = contextvars.copy_context()
            contexts[docroot].run(enter, docroot)
        assert "not known whose" in raises(isolation.ModuleConflict, framework.setting)
        for _ in range(2):
            assert contexts[b].run(framework.setting) == "b" and contexts[a].run(framework.setting) == "a"
        """,
    )


def test_directories_without_init_do_not_hide_libraries(tmp_path: Path) -> None:
    """`alembic/` with migrations beside the application and the library `alembic`; `templates/` in both."""
    main = (
        "import alembic\n"
        + APP.replace("'WHO'", "alembic.name")
        + "def late():\n    import lib2\n    return lib2.name\n"
    )
    files = both("main.py", main) | both("alembic/env.py", "") | both("templates/x.html", "") | both("lib2/x.py", "")
    files |= {"site/alembic/__init__.py": "name = 'site'\n", "site/lib2/__init__.py": "name = 'site'\n"}
    run(
        tmp_path,
        files,
        """
        first, second = load(a), load(b)
        assert first(0, 0, 0) == second(0, 0, 0) == "site"
        assert sys.modules["main@2"].late() == sys.modules["main"].late() == "site"
        """,
    )


def test_threads_that_import_one_name_at_once(tmp_path: Path) -> None:
    main = """
        from importlib import import_module
        def app(number, receive, send):
            exec(f"import m{number}", globals())
            return globals()[f"m{number}"].name, import_module(f"m{number}").name
        """
    files = both("main.py", main)
    for number in range(40):
        files |= both(f"m{number}.py", "import time; time.sleep(0.001)\nname = 'WHO'\n")
    run(
        tmp_path,
        files,
        """
        from concurrent.futures import ThreadPoolExecutor
        sys.setswitchinterval(1e-5)
        apps = {"a": load(a), "b": load(b)}
        with ThreadPoolExecutor(8) as pool:
            jobs = [(who, pool.submit(apps[who], number, 0, 0)) for number in range(40) for who in "abab"]
        assert all(job.result() == (who, who) for who, job in jobs)
        """,
    )


def test_compiled_modules_of_one_name_conflict_at_start(tmp_path: Path) -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    files = both("main.py", "import fast\n" + APP) | {f"b/fast{suffix}": "", "a/fast.py": ""}
    run(
        tmp_path,
        files,
        """
        load(a)
        try:
            load(b)
        except AppLoadError as error:
            assert error.code == "MODULE_CONFLICT"
            assert f"{a}/fast.py" in error.message and f"{b}/fast." in error.message
        else:
            raise AssertionError
        """,
    )


def test_many_docroots_and_many_handlers(tmp_path: Path) -> None:
    files = both("main.py", APP) | {"c/main.py": APP.replace("WHO", "c")}
    run(
        tmp_path,
        files,
        """
        apps = [load(docroot) for docroot in (a, b, c)]
        assert [app(0, 0, 0) for app in apps] == ["a", "b", "c"]
        path, modules = len(sys.path), len(sys.modules)
        for _ in range(200):
            assert [load(docroot) for docroot in (a, b, c)] == apps
        assert (path, modules) == (len(sys.path), len(sys.modules))
        assert sys.path[:3] == [c, b, a]
        """,
    )


def test_a_failed_start_can_be_repeated(tmp_path: Path) -> None:
    run(
        tmp_path,
        both("main.py", "import sibling\n" + APP) | both("sibling.py", ""),
        """
        from pathlib import Path
        load(a)
        Path(b, "sibling.py").write_text("raise OSError('not yet')")
        try:
            load(b)
        except AppLoadError as error:
            assert error.code == "APP_IMPORT_FAILED" and "not yet" in error.message
        Path(b, "sibling.py").write_text("# now it is longer than it was")
        assert load(b)(0, 0, 0) == "b"
        """,
    )


def test_a_docroot_that_is_on_the_path_anyway_is_everybody_s(tmp_path: Path) -> None:
    run(
        tmp_path,
        both("main.py", "import common\n" + APP) | {"site/common.py": "name = 'common'\n"},
        """
        isolation.docroot(site)
        assert load(b)(0, 0, 0) == "b" and load(a)(0, 0, 0) == "a"
        assert sys.modules["main"].common is sys.modules["main@3"].common
        """,
    )
