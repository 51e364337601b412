"""The probe, as Node runs it (a file, isolated, in any interpreter) and as the package imports it."""

from __future__ import annotations

import ctypes.util
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgi_node.probe import probe

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(probe.__file__)
VERSION = ".".join(map(str, sys.version_info[:3]))
# Asked here, before a fixture pretends another build.
LIBRARY = probe.facts()["libpython"]
NAME = f"libpython{sys.version_info[0]}.{sys.version_info[1]}"


def ask(python: str | Path, *flags: str) -> dict[str, Any]:
    done = subprocess.run(
        [python, *(flags or ["-I"]), SCRIPT], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    assert done.stderr == ""
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def pythons() -> Iterator[Path]:
    """Interpreters of this machine, the old ones too: the probe has to answer in all of them."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(root.glob("versions/*/bin/python"))
    yield from (path for path in map(Path, ("/usr/bin/python3", "/usr/local/bin/python3")) if path.exists())
    yield Path(sys.executable)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Build variables as another build would have them; nothing is mapped, as in a static build."""
    variables: dict[str, Any] = {}
    monkeypatch.setattr(probe, "config", variables.get)
    monkeypatch.setattr(probe, "mapped_library", lambda: None)
    return variables


@pytest.fixture
def real() -> Path:
    """This interpreter's library."""
    assert LIBRARY is not None, "these tests need a Python with its library"
    return Path(LIBRARY)


def test_facts_of_this_interpreter() -> None:
    facts = ask(sys.executable)
    assert facts["executable"] == sys.executable
    assert (facts["prefix"], facts["base_prefix"]) == (sys.prefix, sys.base_prefix)
    assert facts["version"] == VERSION
    assert facts["implementation"] == "cpython"
    assert facts["bits"] == 64
    assert facts["soabi"] == sysconfig.get_config_var("SOABI")
    assert facts["free_threaded"] is False
    assert facts["debug"] is False
    assert facts["config"]["INSTSONAME"] == sysconfig.get_config_var("INSTSONAME")
    assert Path(facts["libpython"]).is_file()
    if sys.platform == "linux":
        assert facts["libc"] == "musl" or facts["libc"].startswith("glibc ")


def test_imported_it_says_the_same() -> None:
    assert json.loads(json.dumps(probe.facts())) == ask(sys.executable)


@pytest.mark.parametrize("python", [pytest.param(path, id=str(path)) for path in pythons()])
def test_every_interpreter_answers(python: Path) -> None:
    version = subprocess.run(
        [python, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    flags = ["-E", "-s"] if version.startswith("2.") else ["-I"]
    facts = ask(python, *flags)
    assert facts["version"] == version
    if facts["libpython"]:
        assert NAME.rsplit(".", 1)[0] in facts["libpython"] or version.startswith("2.")


def test_prefix_is_the_environments(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", symlinks=True)
    facts = ask(tmp_path / "env" / "bin" / "python")
    assert facts["prefix"] == str(tmp_path / "env")
    assert facts["executable"] == str(tmp_path / "env" / "bin" / "python")
    assert facts["base_prefix"] == sys.base_prefix
    assert facts["uvloop"] is None


def test_uvloop_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uvloop").mkdir()
    (tmp_path / "uvloop" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "uvloop", raising=False)
    (tmp_path / "uvloop-9.8.7.dist-info").mkdir()
    metadata = tmp_path / "uvloop-9.8.7.dist-info" / "METADATA"
    metadata.write_text("Metadata-Version: 2.1\nName: uvloop\nVersion: 9.8.7\n")
    assert probe.facts()["uvloop"] == "9.8.7"


@pytest.mark.usefixtures("built")
def test_the_mapped_library_comes_first(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "mapped_library", lambda: str(real))
    assert probe.library() == {
        "libpython": str(real),
        "libpython_names": probe.library_names(),
        "libpython_folders": [str(Path(sys.base_prefix) / "lib")],
        "libpython_refused": [],
    }


@pytest.mark.parametrize("variable", ["LIBDIR", "LIBPL", "PYTHONFRAMEWORKPREFIX"])
def test_folders(
    variable: str, built: dict[str, Any], real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "base_prefix", "/gone")
    (tmp_path / f"{NAME}.so.7").symlink_to(real)
    built.update({"INSTSONAME": f"{NAME}.so.7", variable: str(tmp_path)})
    assert probe.library()["libpython"] == str(tmp_path / f"{NAME}.so.7")


def test_folder_of_the_architecture(built: dict[str, Any], real: Path, tmp_path: Path) -> None:
    (tmp_path / "x-linux").mkdir()
    (tmp_path / "x-linux" / f"{NAME}.so.7").symlink_to(real)
    built.update({"INSTSONAME": f"{NAME}.so.7", "LIBDIR": str(tmp_path), "MULTIARCH": "x-linux"})
    assert probe.library()["libpython"] == str(tmp_path / "x-linux" / f"{NAME}.so.7")


def test_a_static_build_names_its_archive(
    built: dict[str, Any], real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conda's does, and brings the shared library along in <base>/lib."""
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    built.update({"INSTSONAME": f"{NAME}.a", "LDLIBRARY": f"{NAME}.a", "LIBDIR": str(tmp_path / "lib")})
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / f"{NAME}.a").touch()
    assert probe.library()["libpython"] is None
    assert all(not name.endswith(".a") for name in probe.library_names())
    (tmp_path / "lib" / f"{NAME}.so.1.0").symlink_to(real)
    assert probe.library()["libpython"] == str(tmp_path / "lib" / f"{NAME}.so.1.0")


def test_claims_without_a_file_count_for_nothing(
    built: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's static python3 claims a shared build even when the package of the library is missing."""
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    built.update({"INSTSONAME": f"{NAME}.so.1.0", "LDLIBRARY": f"{NAME}.so", "LIBDIR": str(tmp_path), "LIBPL": "/gone"})
    assert probe.library() == {
        "libpython": None,
        "libpython_names": [f"{NAME}.so.1.0", f"{NAME}.so"],
        "libpython_folders": [str(tmp_path), "/gone", str(tmp_path / "lib")],
        "libpython_refused": [],
    }


def test_a_file_that_is_no_library_of_this_version(
    built: dict[str, Any], real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    wrong = tmp_path / f"{NAME}.so.1.0"
    wrong.write_text("no library")
    built.update({"LIBDIR": str(tmp_path)})
    (refused,) = probe.library()["libpython_refused"]
    assert refused["path"] == str(wrong)
    assert str(wrong) in refused["reason"]
    assert probe.wrong_library(str(real)) is None
    assert "Py_Version" in str(probe.wrong_library(str(Path(ctypes.util.find_library("c") or "libc.so.6"))))
    monkeypatch.setattr(sys, "hexversion", sys.hexversion + 0x00010000)
    assert probe.wrong_library(str(real)) == f"it is Python {sys.version_info[0]}.{sys.version_info[1]}"
