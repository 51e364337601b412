"""The folders of applications in one interpreter, and whether the name of a module means one file.

A process has one ``sys.modules`` and one ``sys.path``. With one docroot this is plain Python. A second docroot works
beside it as long as each top-level name means one file. Otherwise one application would silently get the module of the
other, now or at the first request that imports it. So the second docroot is refused with `ModuleConflict`, which names
both files. Such applications need a process each (in Node, the option ``workers``). This is checked in two places:

- `open_docroot` checks the modules that are loaded: the new docroot may have another file for one of them, or one of
  them may come from another docroot although a library has the same name.
- `_OneMeaning`, a finder in front of the others, checks the modules that are imported later.

What the interpreter itself has loaded before the first docroot stays, as in plain Python: a loaded module wins. A
docroot whose applications have been closed makes room for another one: its modules are forgotten then.
"""

from __future__ import annotations

import os
import sys
import threading
from importlib import machinery
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

_LOADERS: Any = (
    (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
    (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
    (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
)


class ModuleConflict(ImportError):  # noqa: N818 (named for its code, MODULE_CONFLICT)
    """Two applications, or an application and a library, need different modules of one name."""


class Docroot:
    """The folder of an application."""

    def __init__(self, path: str) -> None:
        self.path = path
        # Applications in it that have been imported, and not been closed.
        self.users = 0
        self._finder = machinery.FileFinder(path, *_LOADERS)

    def own_spec(self, top: str) -> ModuleSpec | None:
        """The module in this folder with a top-level name.

        A folder without ``__init__.py`` counts only if nothing else has the name, as in plain Python: a folder
        ``alembic/`` of migrations does not hide the library.
        """
        spec = self._finder.find_spec(top)
        if spec is not None and spec.loader is None and outside_spec(top) is not None:
            return None
        return spec

    def invalidate_caches(self) -> None:
        """Forget which files there are."""
        self._finder.invalidate_caches()

    def holds(self, spec: ModuleSpec) -> bool:
        """Whether a top-level module is one of this folder."""
        places = list(spec.submodule_search_locations or ()) or [spec.origin or ""]
        return any(os.path.realpath(Path(place).parent) == self.path for place in places)


_lock = threading.Lock()
_docroots: dict[str, Docroot] = {}
# What was loaded before the first docroot.
_preloaded: frozenset[str] = frozenset()


def open_docroot(path: str) -> Docroot:
    """The docroot at `path`, first on ``sys.path``. Raises `ModuleConflict`, and changes nothing then."""
    global _preloaded  # noqa: PLW0603 (the interpreter has one set of modules)
    real = os.path.realpath(path)
    with _lock:
        found = _docroots.get(real)
        if found is None:
            found = Docroot(real)
            for idle in [other for other in _docroots.values() if other.users == 0]:
                _forget(idle)
            if _docroots:
                _check_loaded(found)
                sys.meta_path[:] = [_OneMeaning, *(finder for finder in sys.meta_path if finder is not _OneMeaning)]
            elif not _preloaded:
                _preloaded = frozenset(sys.modules)
            _docroots[real] = found
        found.users += 1
        sys.path[:] = [real, *(entry for entry in sys.path if entry not in (real, path))]
    found.invalidate_caches()
    return found


def leave(docroot: Docroot) -> None:
    """Its application has been closed, or could not be imported. Others go on as if it had never been opened."""
    with _lock:
        docroot.users -= 1
        if docroot.users == 0 and len(_docroots) > 1:
            _forget(docroot)


def _forget(docroot: Docroot) -> None:
    del _docroots[docroot.path]
    sys.path[:] = [entry for entry in sys.path if entry != docroot.path]
    tops = {top for top, spec in _loaded() if docroot.holds(spec)}
    for name in list(sys.modules):
        if name.partition(".")[0] in tops:
            del sys.modules[name]


def outside_spec(top: str) -> ModuleSpec | None:
    """The module of this name if there were no docroots."""
    return PathFinder.find_spec(top, [entry for entry in sys.path if os.path.realpath(entry) not in _docroots])


def conflict(top: str, one: ModuleSpec | None, other: ModuleSpec | None) -> ModuleConflict:
    """The error for a name that has two meanings."""
    cure = "Rename yours"
    if top not in sys.stdlib_module_names:
        cure = "Rename one of them, or give each application its own process (in Node: the option `workers: 1`)"
    return ModuleConflict(
        f"two modules are named {top!r}, and a process can have only one of them: {where(one)} and {where(other)}. "
        f"{cure}",
        name=top,
    )


def where(spec: ModuleSpec | None) -> str:
    """The file or directory that a module comes from, for messages."""
    if spec is None:
        return "an unknown file"
    if spec.origin is not None:
        return spec.origin
    return ", ".join(spec.submodule_search_locations or ()) or "an unknown file"


def _loaded() -> Iterator[tuple[str, ModuleSpec]]:
    """The top-level modules that are loaded."""
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if "." not in name and isinstance(spec, ModuleSpec):
            yield name, spec


def _check_loaded(new: Docroot) -> None:
    for top, spec in _loaded():
        is_foreign = any(other.holds(spec) for other in _docroots.values())
        is_python = top in _preloaded or (top in sys.stdlib_module_names and not is_foreign)
        if is_python or new.holds(spec):
            continue
        if (own := new.own_spec(top)) is not None:
            raise conflict(top, spec, own)
        if is_foreign and (library := outside_spec(top)) is not None:
            raise conflict(top, spec, library)


class _OneMeaning:
    """Finds nothing, and raises for a name that has more than one meaning."""

    @staticmethod
    def find_spec(
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG004 (a protocol)
    ) -> ModuleSpec | None:
        if path is None and len(_docroots) > 1:
            specs = [spec for docroot in list(_docroots.values()) if (spec := docroot.own_spec(fullname)) is not None]
            if specs and (library := outside_spec(fullname)) is not None:
                specs.append(library)
            if len(specs) > 1:
                raise conflict(fullname, specs[0], specs[1])
        return None
