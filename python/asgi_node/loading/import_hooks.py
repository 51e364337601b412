"""Hooks for imports by name, which ask whose name it is. Installed when a second docroot comes. See `isolation`."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import logging.config
import sys
from typing import TYPE_CHECKING, Any

from .isolation import AliasFinder, conflict, importer, is_claimed, owner_of, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_bootstrap: Any = importlib._bootstrap
_original_import = builtins.__import__
_original_gcd_import = _bootstrap._gcd_import
_original_find_spec = importlib.util.find_spec


def install() -> None:
    """Hook the import statement, ``importlib.import_module`` and ``find_spec``."""
    sys.meta_path.insert(0, AliasFinder)
    # import_module looks this up in its module at each call, so code that holds import_module itself is covered too.
    _bootstrap._gcd_import = _gcd_import
    importlib.util.find_spec = _find_spec
    # It keeps the __import__ that it was created with, and uses its result: "()": "helpers.JsonFormatter".
    logging.config.BaseConfigurator.importer = staticmethod(_import_for_result)
    builtins.__import__ = _import


def _import(
    name: str,
    globals: Mapping[str, Any] | None = None,  # noqa: A002 (the signature of __import__)
    locals: Mapping[str, Any] | None = None,  # noqa: A002
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    if level == 0 and type(name) is str:
        top = name.partition(".")[0]
        owner = None if globals is None else owner_of(globals)
        if owner is None and (globals is None or is_claimed(top)):
            owner = importer()
        if owner is not None:
            actual = resolve(owner, name)
            # __import__(name), and C's PyImport_Import (with an empty list), read sys.modules[name] afterwards.
            if actual != name and (globals is None or (type(fromlist) is list and not fromlist)):
                raise conflict(top, owner.own_spec(top))
            name = actual
    return _original_import(name, globals, locals, fromlist or (), level)


def _import_for_result(name: str) -> ModuleType:
    return _original_import(_resolved(name))


def _gcd_import(name: str, package: str | None = None, level: int = 0) -> ModuleType:
    module: ModuleType = _original_gcd_import(name if level else _resolved(name), package, level)
    return module


def _find_spec(name: str, package: str | None = None) -> ModuleSpec | None:
    try:
        return _original_find_spec(name if name.startswith(".") else _resolved(name), package)
    except ModuleNotFoundError as error:
        if error.name == name:  # an invisible module does not exist for its caller
            return None
        raise


def _resolved(name: str) -> str:
    owner = importer()
    return name if owner is None else resolve(owner, name)
