"""Several applications in one interpreter: each docroot's modules are its own.

A process has one ``sys.modules`` and one ``sys.path``. If two docroots both hold ``main.py`` (or ``app/``), one would
get the other's, at import or, worse, at the first request that runs ``import helpers`` in a function. So:

- The first docroot that imports a top-level name gets the plain name. A process with one docroot is plain Python:
  nothing is hooked, and the finder of its directory works like the usual one.
- Another docroot that holds a module of that name gets its own, called ``helpers@2`` (submodules ``app@2.routers``): in
  ``sys.modules``, as ``__name__`` and so as ``cls.__module__``. That name has to be unique and registered, because
  dataclasses, pydantic, typing and pickle look up ``sys.modules[cls.__module__]``. Under the plain name, annotations
  written as strings would silently mean the other application's classes.
- The importing code decides which docroot an import is for. An import statement is for the docroot of its own module
  (``builtins.__import__`` gets its globals). A call of ``importlib.import_module`` or ``find_spec`` is for the nearest
  module of a docroot on the stack. If the stack has none, it is for the docroot that the context has entered (`enter`).
- The modules of a docroot are invisible to other docroots' code, unless it was on ``sys.path`` without us (PYTHONPATH).
- Modules that cannot be kept apart raise `ModuleConflict`; code never gets the other docroot's module. They are
  compiled extension modules at the top level, and libraries whose name another docroot's file has taken. From the
  second docroot on, ``__import__(name)`` and unpickling by plain name raise it too: both read ``sys.modules[name]``
  afterwards.

The limits: we cannot see code that reads ``sys.modules["helpers"]`` with a literal name. Loggers of renamed modules
have the new name. Another process, such as a spawned one, cannot load a pickle of a renamed class. Modules are never
unloaded, and closing a handler frees no names; a process that serves one application does not do so either.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from contextvars import ContextVar
from importlib import machinery
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import CodeType, FrameType, ModuleType

Result = TypeVar("Result")

_LOADERS: Any = (
    (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
    (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
    (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
)


class ModuleConflict(ImportError):  # noqa: N818 (named for its code, MODULE_CONFLICT)
    """Two docroots, or a docroot and a library, need different modules of one name, and both cannot be loaded."""


class Docroot(machinery.FileFinder):
    """An application's directory, and the finder of the modules in it."""

    def __init__(self, path: str, number: int) -> None:
        super().__init__(path, *_LOADERS)
        self.number = number
        # The name in sys.modules of each top-level name in this docroot's code; an entry never changes.
        self.bound: dict[str, str] = {}
        # On sys.path without us (PYTHONPATH, an editable install): then all code sees its modules.
        self.shared = any(os.path.realpath(entry) == path for entry in sys.path if entry)

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = super().find_spec(fullname, target)
        if spec is None or "." in fullname or _admits(self, fullname, spec):
            return spec
        return None

    def own_spec(self, top: str) -> ModuleSpec | None:
        """The module in this directory with a top-level name, whichever code asks.

        A directory without ``__init__.py`` counts only if nothing else provides the name, as in plain Python: a folder
        ``alembic/`` of migrations does not hide the library.
        """
        spec = super().find_spec(top)
        if spec is not None and spec.loader is None and (_loaded_elsewhere(top) or outside_spec(top) is not None):
            return None
        return spec


class AliasFinder:
    """Finds ``helpers@2``: the ``helpers`` of the second docroot."""

    @staticmethod
    def find_spec(
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG004 (a protocol)
    ) -> ModuleSpec | None:
        owner = _claims.get(fullname)
        if path is not None or owner is None or "@" not in fullname:
            return None
        own = owner.own_spec(fullname.partition("@")[0])
        if own is None:
            return None
        locations = own.submodule_search_locations
        if own.origin is not None and own.loader is not None:
            return importlib.util.spec_from_file_location(fullname, own.origin, submodule_search_locations=locations)
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = locations
        return spec


_registering = threading.RLock()
# Nothing is imported while this lock is held: other threads may need it in the middle of an import.
_lock = threading.Lock()
_docroots: dict[str, Docroot] = {}
# Which docroot a top-level name in sys.modules belongs to; set before the import, so that two threads cannot both win.
_claims: dict[str, Docroot] = {}
_preloaded: frozenset[str] = frozenset()
_entered: ContextVar[Docroot | None] = ContextVar("asgi_node.docroot", default=None)


def docroot(path: str) -> Docroot:
    """The docroot at `path`, made on first use, and put first on ``sys.path``."""
    global _preloaded  # noqa: PLW0603 (the interpreter has one set of modules)
    real = os.path.realpath(path)
    with _registering:
        found = _docroots.get(real)
        if found is None:
            if not _docroots:
                _preloaded = frozenset(sys.modules)
                sys.path_hooks.insert(0, _path_hook)
            found = Docroot(real, len(_docroots) + 1)
            _docroots[real] = found
            sys.path_importer_cache.pop(real, None)
            if len(_docroots) > 1:
                _claim_loaded()
            if len(_docroots) == 2:
                from . import import_hooks

                import_hooks.install()
        sys.path[:] = [real, *(entry for entry in sys.path if entry not in (real, path))]
    return found


def run(owner: Docroot, function: Callable[[], Result]) -> Result:  # noqa: ARG001
    """Call `function` on behalf of a docroot: `importer` finds `owner` in this call's frame."""
    return function()


def enter(owner: Docroot) -> None:
    """Make imports in the current context be for `owner` if no module of a docroot is on the stack."""
    _entered.set(owner)


def resolve(owner: Docroot, name: str) -> str:
    """The name in ``sys.modules`` of the module that `owner`'s code calls `name`.

    Raises ImportError for a module that this code must not see.
    """
    top, dot, rest = name.partition(".")
    bound = owner.bound.get(top)
    if bound is None:
        with _lock:
            bound = _bind(owner, top)
    return bound + dot + rest


def _bind(owner: Docroot, top: str) -> str:
    spec = owner.own_spec(top)
    claimant = _claims.get(top)
    if spec is None:
        if claimant is None or claimant is owner or claimant.shared:
            if _loaded_elsewhere(top):
                owner.bound[top] = top
            return top
        if outside_spec(top) is None:
            raise ModuleNotFoundError(f"No module named {top!r}", name=top)
        raise conflict(top, outside_spec(top))
    if claimant is None and _loaded_elsewhere(top):
        if top in _preloaded or top in sys.stdlib_module_names:
            owner.bound[top] = top  # as in plain Python: a loaded module wins
            return top
    elif claimant is None:
        claimant = _claims[top] = owner
    if claimant is owner:
        bound = top
    elif isinstance(spec.loader, machinery.ExtensionFileLoader):
        raise conflict(top, spec)  # its init function is named after the module
    else:
        bound = f"{top}@{owner.number}"
        _claims[bound] = owner
    owner.bound[top] = bound
    return bound


def is_claimed(top: str) -> bool:
    return top in _claims


def conflict(top: str, wanted: ModuleSpec | None) -> ModuleConflict:
    """The error for a name under which another module is loaded than the one that is needed."""
    module = sys.modules.get(top)
    loaded = getattr(module, "__spec__", None) or (_claims[top].own_spec(top) if top in _claims else None)
    return ModuleConflict(
        f"two modules are named {top!r}: this application needs {where(wanted)}, but in this process the name stands "
        f"for {where(loaded)}. Rename one of them, or run one of the applications in a process of its own "
        "(in Node: option `workers: 1`)",
        name=top,
    )


def where(spec: ModuleSpec | None) -> str:
    """The file or directory that a module comes from, for messages."""
    if spec is None:
        return "an unknown file"
    if spec.origin is not None:
        return spec.origin
    return ", ".join(spec.submodule_search_locations or ()) or "an unknown file"


def _loaded_elsewhere(top: str) -> bool:
    return top in sys.modules and top not in _claims


def outside_spec(top: str) -> ModuleSpec | None:
    """The module of this name if there were no docroots."""
    return PathFinder.find_spec(top, [entry for entry in sys.path if os.path.realpath(entry) not in _docroots])


def _path_hook(path: str) -> Docroot:
    try:
        return _docroots[path]
    except KeyError:
        raise ImportError(f"{path} is no docroot", path=path) from None


def _admits(owner: Docroot, top: str, spec: ModuleSpec) -> bool:
    """Whether the current import may find a module of `owner` under its plain name."""
    if len(_docroots) < 2:
        return True
    if _claims.get(top) not in (None, owner):
        return False
    asking = importer()
    if asking is not None:
        return asking is owner or owner.shared
    if spec.loader is not None and top not in _claims:
        # A library imports it, and nothing says for which docroot.
        for other in list(_docroots.values()):
            rival = other.own_spec(top) if other is not owner else None
            if rival is not None:
                raise ModuleConflict(f"{top!r} is {where(spec)} or {where(rival)}: not known whose is meant", name=top)
    return True


def importer() -> Docroot | None:
    """The docroot that the current import is for."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _RUN:
            found: Docroot = frame.f_locals["owner"]
            return found
        owner = owner_of(frame.f_globals)
        if owner is not None:
            return owner
        frame = frame.f_back
    return _entered.get()


_RUN: CodeType = run.__code__


def owner_of(namespace: Mapping[str, Any]) -> Docroot | None:
    """The docroot of the module with these globals."""
    name = namespace.get("__name__")
    return _claims.get(name.partition(".")[0]) if type(name) is str else None


def _claim_loaded() -> None:
    """Claim the modules that were imported before the hooks. (Namespace packages are not claimed when found.)"""
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        if "." in name or name in _claims or not isinstance(spec, ModuleSpec):
            continue
        places = [spec.origin] if spec.has_location and spec.origin else []
        if spec.submodule_search_locations is not None:
            places = list(spec.submodule_search_locations)
        owners = {_docroots.get(os.path.realpath(Path(place).parent)) for place in places}
        if len(owners) == 1 and (owner := owners.pop()) is not None:
            _claims[name] = owner
            owner.bound[name] = name
