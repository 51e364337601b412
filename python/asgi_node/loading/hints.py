"""Texts for load errors: tracebacks without our own frames, similar names, the places that were searched."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import pkgutil
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from asgi_node.tracebacks import formatted, last_lines_of, polished

_OURS = str(Path(__file__).parent)
_GEVENT = (
    "The application has called gevent.monkey.patch_all(), which works on Python's main thread only. Applications run "
    "on another one here: leave it out, and start the process again"
)
_SHOWN = 12
"""How many names a list shows."""


def traceback_of(error: BaseException) -> str:
    """The traceback as Python prints it, without the frames that belong to loading: ours and importlib's."""
    whole = formatted(error, error.__traceback__)
    _trim(whole)
    return "".join(polished(whole.format()))


def _trim(whole: traceback.TracebackException) -> None:
    others = [frame for frame in whole.stack if str(Path(frame.filename).parent) != _OURS]
    own = [frame for frame in others if not _internal(frame.filename)]
    # An exception of the import system itself (for example after gevent has replaced its locks) has no other frames
    # to show. (A SyntaxError shows its place by itself.)
    whole.stack = traceback.StackSummary.from_list(own if own or hasattr(whole, "msg") else others)
    for other in (whole.__cause__, whole.__context__, *(getattr(whole, "exceptions", None) or ())):
        if other is not None:
            _trim(other)


def _internal(filename: str) -> bool:
    return (
        filename.startswith("<frozen importlib")
        or filename == importlib.__file__
        or str(Path(filename).parent) == _OURS
    )


def raised_by_application(error: BaseException) -> bool:
    """Whether the traceback has frames other than ours and importlib's."""
    return any(not _internal(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(error.__traceback__))


def describe(error: BaseException) -> str:
    """``KeyError: 'DATABASE_URL'``: the last lines of a traceback, or a text for code that tried to end the process."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    text = "".join(last_lines_of(error)).strip()
    patched = getattr(sys.modules.get("gevent.monkey"), "saved", None)
    return f"{text}. {_GEVENT}" if patched else text


def path_like_hint(module: str, attribute: str, docroot: str) -> str | None:
    """How to write `module` if it is a path; None if it can be the name of a module."""
    if module.startswith(".") and "/" not in module and not module.endswith(".py"):
        return (
            f"a relative name has no package here: write the name in full, such as '{module.lstrip('.')}:{attribute}'"
        )
    is_file = module.endswith(".py") and not Path(docroot, *module.split(".")[:-1]).is_dir()
    if not is_file and not re.search(r"[/\\]", module):
        return None
    path = Path(module.replace("\\", "/"))
    stem, folder = path.name.removesuffix(".py"), path.parent
    if str(folder) == ".":
        return f"write '{stem}:{attribute}'"
    if folder.is_absolute() or ".." in folder.parts:
        return f"write '{stem}:{attribute}', and set docroot to '{folder}'"
    dotted = ".".join((*folder.parts, stem))
    return f"write '{dotted}:{attribute}', or '{stem}:{attribute}' with docroot set to '{Path(docroot, folder)}'"


def looked_in(docroot: str) -> str:
    """The places where modules were looked for, in order."""
    others = [entry for entry in sys.path if entry != docroot]
    return f"Looked in the docroot {docroot}" + (
        f", then in sys.path of {sys.executable}: {', '.join(others)}" if others else ""
    )


def similar_modules(docroot: str, name: str) -> str:
    """Which modules a misspelt name may mean, or which modules exist."""
    top, _, rest = name.partition(".")
    folder, prefix, wanted = Path(docroot), "", top
    while rest and (folder / wanted).is_dir():
        folder, prefix = folder / wanted, f"{prefix}{wanted}."
        wanted, _, rest = rest.partition(".")
    names = sorted(found.name for found in pkgutil.iter_modules([str(folder)]))
    if similar := _similar(wanted, names):
        return f"Did you mean {_listed(prefix + near for near in similar)}? "
    holder = "The docroot" if not prefix else f"The package {prefix.rstrip('.')!r}"
    return f"{holder} holds the modules {_listed(prefix + found for found in names)}. " if names else ""


def folder_hint(docroot: str, name: str) -> str:
    """A hint for a module that is one folder below, as in a ``src`` layout."""
    path = Path(docroot)
    top = name.partition(".")[0]
    try:
        folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    except OSError:
        return ""
    found = [
        folder for folder in folders if (folder / f"{top}.py").is_file() or (folder / top / "__init__.py").is_file()
    ]
    if not found:
        return ""
    return f"There is one in {found[0]}: set docroot to it. "


def submodule_hint(imported: Any, module: str, attribute: str) -> str:
    """A hint for ``'package:module.app'``: the module exists, but nothing has imported it."""
    first, _, rest = attribute.partition(".")
    try:
        found = hasattr(imported, "__path__") and importlib.util.find_spec(f"{imported.__name__}.{first}") is not None
    except (ImportError, ValueError):
        found = False
    return f"Did you mean '{module}.{first}:{rest or 'app'}'? " if found else ""


def names_of_attributes(value: Any, wanted: str) -> str:
    """The attributes of `value`: similar names first, then its public callables, then the rest."""
    try:
        public = [name for name in dir(value) if not name.startswith("_")]
        # Modules and classes that a module has imported are less likely meant: modules come last, classes before them.
        ranks = {name: _rank(inspect.getattr_static(value, name, None), value) for name in public}
    except Exception:  # dir() and __getattr__ are the application's code
        return ""
    if not public:
        return "It has no public attributes"
    names = sorted(public, key=lambda name: (ranks[name], name))
    similar = _similar(wanted, names)
    meant = f"Did you mean {_listed(similar)}? " if similar else ""
    return f"{meant}It has {_listed(names)}"


def _rank(attribute: Any, holder: Any) -> int:
    if inspect.ismodule(attribute):
        return 3
    if not callable(attribute):
        return 2
    home = getattr(attribute, "__module__", None)
    foreign = (inspect.isclass(attribute) or inspect.isroutine(attribute)) and home != getattr(holder, "__name__", home)
    return 1 if foreign else 0


def _similar(wanted: str, names: list[str]) -> list[str]:
    folded = wanted.casefold()
    near = [name for name in names if name.casefold() == folded or name.casefold().startswith(folded)]
    return list(dict.fromkeys([*near, *difflib.get_close_matches(wanted, names, cutoff=0.7)]))[:3]


def _listed(names: Any) -> str:
    quoted = [repr(name) for name in names]
    more = f" and {len(quoted) - _SHOWN} more" if len(quoted) > _SHOWN else ""
    return ", ".join(quoted[:_SHOWN]) + more
