"""Advice for an import in an application that fails, or that finds a different module than intended."""

from __future__ import annotations

import difflib
import os
import pkgutil
import sys
import traceback
from pathlib import Path

from . import docroots
from .distributions import DISTRIBUTIONS, REMOVED


def import_advice(error: BaseException, docroot: str) -> str:
    """Text to add to Python's own: the interpreter, and which module was meant, is hidden or is not installed."""
    if not isinstance(error, ImportError):
        return ""
    here = f". The interpreter is {sys.executable}"
    advice = _advice(error, error.name, docroot) if error.name else None
    return f"{here}. {advice}" if advice is not None else here


def _advice(error: ImportError, name: str, docroot: str) -> str | None:
    top = name.partition(".")[0]
    # From 3.13 on, Python says so itself if a name is missing in such a module.
    if "consider renaming" not in str(error) and (hidden := _hiding(top, docroot)) is not None:
        return hidden
    if not isinstance(error, ModuleNotFoundError):
        return None
    advice = _removed(top) or _beside(error, top, docroot) or _installable(top)
    if advice is None and top == name and (near := _similar(top, docroot)):
        advice = f"Did you mean {' or '.join(map(repr, near))}?"
    return advice


def _hiding(top: str, docroot: str) -> str | None:
    spec = getattr(sys.modules.get(top), "__spec__", None) or docroots.Docroot(os.path.realpath(docroot)).own_spec(top)
    file = getattr(spec, "origin", None)
    if file is None or not os.path.realpath(file).startswith(os.path.realpath(docroot) + os.sep):
        return None
    if top in sys.stdlib_module_names:
        return f"{file} hides the module {top!r} of the standard library: rename it"
    outside = docroots.outside_spec(top)
    return f"{file} hides the library {docroots.where(outside)}: rename it" if outside is not None else None


def _removed(top: str) -> str | None:
    since = REMOVED.get(top)
    if since is None or top in sys.stdlib_module_names:
        return None
    return f"{top!r} left the standard library with Python {since}"


def _beside(error: BaseException, top: str, docroot: str) -> str | None:
    """A module of that name where the import does not look: beside the importing file, or in a folder."""
    root = Path(os.path.realpath(docroot))
    files = [Path(os.path.realpath(frame.filename)) for frame in traceback.extract_tb(error.__traceback__)]
    importing = next((file.parent for file in reversed(files) if root in file.parents), root)
    found = _module_in(importing, top)
    if found is not None and importing != root:
        dotted = ".".join(importing.relative_to(root).parts)
        return f"There is {found}: write `from . import {top}`, or import {dotted}.{top}"
    try:
        folders = sorted(folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    except OSError:
        return None
    for folder in folders:
        if not (folder / "pyvenv.cfg").exists() and (found := _module_in(folder, top)) is not None:
            return f"There is {found}: import {folder.name}.{top}, or set docroot to {str(folder)!r}"
    return None


def _module_in(folder: Path, top: str) -> Path | None:
    return next((path for path in (folder / f"{top}.py", folder / top / "__init__.py") if path.is_file()), None)


def _installable(top: str) -> str | None:
    """The command that installs a known module. None for others, because anybody may own their name on PyPI."""
    if docroots.outside_spec(top) is not None:
        return None  # it is installed, but lacks a part
    distribution = DISTRIBUTIONS.get(top)
    return f"`{sys.executable} -m pip install {distribution}` installs it" if distribution is not None else None


def _similar(top: str, docroot: str) -> list[str]:
    importable = {found.name for found in pkgutil.iter_modules([docroot, *sys.path])}
    names = sorted({name for name in importable | sys.stdlib_module_names | set(DISTRIBUTIONS) if name[0] != "_"})
    folded = [name for name in names if name.casefold() == top.casefold()]
    return list(dict.fromkeys([*folded, *difflib.get_close_matches(top, names, cutoff=0.75)]))[:2]
