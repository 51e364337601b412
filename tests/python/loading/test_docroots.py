"""Docroots side by side in one interpreter: they work if each name means one file; if not, the second one is refused.

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
import builtins, importlib, sys
sys.path.insert(0, {str(PACKAGE)!r})
from asgi_node.loading import docroots
from asgi_node.errors import AppLoadError
from asgi_node.loading.load import import_app
root = sys.argv[1]
a, b, c, site = (f"{{root}}/{{name}}" for name in ("a", "b", "c", "site"))
sys.path.append(site)
plain_import, plain_finders = builtins.__import__, list(sys.meta_path)
def load(docroot, target="main:app", factory=False):
    return import_app(target, None, None, docroot, factory).value
def refused(docroot, target="main:app", code="MODULE_CONFLICT"):
    path, modules = list(sys.path), set(sys.modules)
    try:
        load(docroot, target)
    except AppLoadError as error:
        assert error.code == code, (error.code, error.message)
        assert docroot not in sys.path and sys.path == path
        assert not {{name for name in set(sys.modules) - modules if docroot in (sys.modules[name].__file__ or "")}}
        return error.message
    raise AssertionError("it was loaded")
def conflict(function, *args):
    try:
        function(*args)
    except docroots.ModuleConflict as error:
        return str(error)
    raise AssertionError("no conflict")
"""
Files = dict[str, str]


def run(root: Path, files: Files, script: str) -> None:
    for name, text in {"site/.keep": "", "a/.keep": "", "b/.keep": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(script), str(root)],
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


def own(text: str) -> Files:
    """An application in each of a and b, in a module that is called like its docroot."""
    return {f"{docroot}/of_{docroot}.py": textwrap.dedent(text).replace("WHO", docroot) for docroot in "ab"}


APP = "def app(scope, receive, send): return 'WHO'\n"
LATE = "def app(scope, receive, send):\n    import late\n    return late.name\n"


def test_one_docroot_is_plain_python(tmp_path: Path) -> None:
    run(
        tmp_path,
        both("main.py", APP),
        """
        assert load(a)(1, 2, 3) == "a"
        assert load(a) is load(a) and load(f"{a}/../a") is load(a)
        assert sys.modules["main"].__name__ == "main" and sys.path[0] == a
        assert builtins.__import__ is plain_import and sys.meta_path == plain_finders
        """,
    )


def test_docroots_with_different_names_work_side_by_side(tmp_path: Path) -> None:
    text = """
        from parts_WHO import name
        import parts_WHO.deep, shared
        def app(scope, receive, send):
            import late_WHO
            from importlib import import_module
            assert import_module("late_WHO") is late_WHO
            return name + parts_WHO.deep.name + late_WHO.name + shared.name
        """
    files = own(text) | {"site/shared.py": "name = '!'\n"}
    for docroot in "ab":
        files |= {
            f"{docroot}/parts_{docroot}/__init__.py": f"name = '{docroot}'\n",
            f"{docroot}/parts_{docroot}/deep.py": f"name = '{docroot}'\n",
            f"{docroot}/late_{docroot}.py": f"name = '{docroot}'\n",
            # In both, and imported by neither.
            f"{docroot}/setup.py": "raise AssertionError\n",
            f"{docroot}/tests/test_it.py": "",
        }
    run(
        tmp_path,
        files,
        """
        first, second = load(a, "of_a:app"), load(b, "of_b:app")
        for _ in range(2):
            assert first(0, 0, 0) == "aaa!" and second(0, 0, 0) == "bbb!"
        assert sys.path[:2] == [b, a] and builtins.__import__ is plain_import
        path, modules = len(sys.path), len(sys.modules)
        for _ in range(100):
            assert load(a, "of_a:app") is first and load(b, "of_b:app") is second
        assert (path, modules) == (len(sys.path), len(sys.modules))
        """,
    )


def test_two_mains_conflict_and_the_first_one_goes_on(tmp_path: Path) -> None:
    run(
        tmp_path,
        both("main.py", LATE) | both("late.py", "name = 'WHO'\n"),
        """
        first = load(a)
        message = refused(b)
        assert f"{a}/main.py and {b}/main.py" in message and "`workers: 1`" in message, message
        assert first(0, 0, 0) == "a"
        assert refused(b) == message and load(a) is first
        """,
    )


@pytest.mark.parametrize("init", [True, False], ids=["package", "namespace"])
def test_packages_of_one_name_conflict(tmp_path: Path, init: bool) -> None:
    files = both("app/main.py", "from app.core import name\n" + APP) | both("app/core.py", "name = 'WHO'\n")
    if init:
        files |= both("app/__init__.py", "")
    run(
        tmp_path,
        files,
        """
        assert load(a, "app.main:app")(0, 0, 0) == "a"
        message = refused(b, "app.main:app")
        assert f"{a}/app" in message and f"{b}/app" in message, message
        """,
    )


def test_a_helper_of_one_name_conflicts_also_if_it_is_imported_while_the_second_starts(tmp_path: Path) -> None:
    files = both("helper.py", "name = 'WHO'\n") | both("late.py", "name = 'WHO'\n")
    run(
        tmp_path,
        files | own("import helper\n" + LATE),
        """
        first = load(a, "of_a:app")
        assert f"{a}/helper.py and {b}/helper.py" in refused(b, "of_b:app")
        assert first(0, 0, 0) == "a"
        """,
    )
    run(
        tmp_path,
        files | {"a/of_a.py": LATE, "b/of_b.py": "import only\nimport late\n" + LATE, "b/only.py": ""},
        """
        first = load(a, "of_a:app")
        assert f"{a}/late.py and {b}/late.py" in refused(b, "of_b:app")
        assert "only" not in sys.modules
        assert first(0, 0, 0) == "a"
        """,
    )


def test_what_both_import_late_is_never_that_of_the_other(tmp_path: Path) -> None:
    run(
        tmp_path,
        own(LATE) | both("late.py", "name = 'WHO'\n"),
        """
        first, second = load(a, "of_a:app"), load(b, "of_b:app")
        for app in (second, first, second):
            assert f"{a}/late.py and {b}/late.py" in conflict(app, 0, 0, 0)
        """,
    )


def test_a_library_that_a_docroot_shadows(tmp_path: Path) -> None:
    """The other docroot needs the library; it never gets the file of that name."""
    library = {"site/library.py": "name = 'site'\n"}
    shadow = {"a/library.py": "name = 'a'\n", "a/of_a.py": "import library\n" + APP.replace("WHO", "a")}
    run(
        tmp_path,
        library | shadow | {"b/of_b.py": APP},
        """
        load(a, "of_a:app")
        assert f"{a}/library.py and {site}/library.py" in refused(b, "of_b:app")
        """,
    )
    run(
        tmp_path,
        library | shadow | {"b/of_b.py": "import library\n" + APP},
        """
        load(b, "of_b:app")
        assert f"{site}/library.py and {a}/library.py" in refused(a, "of_a:app")
        """,
    )
    run(
        tmp_path,
        library | {"a/library.py": "name = 'a'\n"} | own(LATE.replace("late", "library")),
        """
        first, second = load(a, "of_a:app"), load(b, "of_b:app")
        for app in (first, second):
            assert f"{a}/library.py and {site}/library.py" in conflict(app, 0, 0, 0)
        """,
    )


def test_directories_without_init_do_not_hide_libraries(tmp_path: Path) -> None:
    """`alembic/` with migrations beside the application and the library `alembic`; `templates/` in both."""
    files = own(
        "import alembic\n" + APP.replace("'WHO'", "alembic.name") + "def late():\n    import lib2\n    return lib2\n"
    )
    files |= both("alembic/env.py", "") | both("templates/x.html", "") | both("lib2/x.py", "")
    files |= {"site/alembic/__init__.py": "name = 'site'\n", "site/lib2/__init__.py": "name = 'site'\n"}
    run(
        tmp_path,
        files,
        """
        first, second = load(a, "of_a:app"), load(b, "of_b:app")
        assert first(0, 0, 0) == second(0, 0, 0) == "site"
        assert sys.modules["of_a"].late() is sys.modules["of_b"].late()
        """,
    )


def test_compiled_modules_conflict_like_others(tmp_path: Path) -> None:
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    run(
        tmp_path,
        {"a/of_a.py": "import fast\n" + APP, "a/fast.py": "", "b/of_b.py": APP, f"b/fast{suffix}": ""},
        """
        load(a, "of_a:app")
        message = refused(b, "of_b:app")
        assert f"{a}/fast.py" in message and f"{b}/fast." in message
        """,
    )


def test_a_failed_start_can_be_repeated_and_leaves_nothing_to_others(tmp_path: Path) -> None:
    run(
        tmp_path,
        both("main.py", "import sibling\n" + APP) | both("sibling.py", "") | {"c/other.py": APP},
        """
        from pathlib import Path
        Path(a, "sibling.py").write_text("import helper\\nraise OSError('not yet')")
        Path(a, "helper.py").write_text("")
        def fails(docroot):
            try:
                load(docroot)
            except AppLoadError as error:
                assert error.code == "APP_IMPORT_FAILED" and "not yet" in error.message
        fails(a)
        Path(a, "sibling.py").write_text("# now it is longer than it was")
        assert load(a)(0, 0, 0) == "a"
        """,
    )
    run(
        tmp_path,
        {"a/main.py": "import helper\nraise OSError\n", "a/helper.py": ""}
        | {"b/main.py": "import helper\n" + APP, "b/helper.py": ""},
        """
        refused_first = False
        try:
            load(a)
        except AppLoadError as error:
            refused_first = error.code == "APP_IMPORT_FAILED"
        assert refused_first and "helper" in sys.modules
        # The first one serves nobody.
        assert load(b)(0, 0, 0) == "WHO"
        assert sys.modules["helper"].__file__ == f"{b}/helper.py" and a not in sys.path
        assert "/helper.py" in refused(a)
        """,
    )


def test_a_docroot_whose_applications_are_closed_makes_room(tmp_path: Path) -> None:
    run(
        tmp_path,
        both("main.py", "import helper\n" + APP)
        | both("helper.py", "")
        | {"c/of_c.py": "import late_c\n", "c/late_c.py": ""},
        """
        first, same = (import_app("main:app", None, None, a, False) for _ in "12")
        first.leave()
        refused(b)
        same.leave()
        # Alone, it stays as it is: who opens it again has its modules.
        assert sys.modules["main"].app is first.value
        assert load(b)(0, 0, 0) == "b"
        assert sys.modules["helper"].__file__ == f"{b}/helper.py" and a not in sys.path
        # Beside another one it leaves nothing behind.
        third = import_app("of_c:late_c", None, None, c, False)
        third.leave()
        assert c not in sys.path and not {"of_c", "late_c"} & set(sys.modules)
        """,
    )


def test_a_docroot_that_is_on_the_path_anyway(tmp_path: Path) -> None:
    run(
        tmp_path,
        own("import common\n" + APP) | {"site/common.py": "name = 'common'\n", "site/main.py": APP},
        """
        load(site)
        assert load(b, "of_b:app")(0, 0, 0) == "b" and load(a, "of_a:app")(0, 0, 0) == "a"
        assert sys.modules["of_a"].common is sys.modules["of_b"].common
        """,
    )


def test_a_module_that_python_has_loaded_wins_as_in_plain_python(tmp_path: Path) -> None:
    run(
        tmp_path,
        own("import json\n" + APP) | both("json.py", "") | {"c/json.py": APP},
        """
        import json
        load(a, "of_a:app"), load(b, "of_b:app")
        assert sys.modules["of_b"].json is json and sys.modules["of_a"].json is json
        assert refused(c, "json:app").endswith(". Rename yours")
        """,
    )


def test_a_module_of_a_docroot_that_hides_one_of_python_conflicts(tmp_path: Path) -> None:
    run(
        tmp_path,
        own("import colorsys\n" + APP) | {"a/colorsys.py": ""},
        """
        load(a, "of_a:app")
        assert f"{a}/colorsys.py and " in refused(b, "of_b:app")
        """,
    )
