# ruff: noqa: C402, F401, PTH113, PTH118, PTH120, PTH123, PTH208, RUF005, UP010, UP024, UP030, UP032
"""The facts of a Python interpreter: can Node host it, and where is its library?

Node runs this file in each interpreter that it considers (`python -I probe.py`) and reads one JSON object, the last
line of standard output. A refusal has to name the version that it refuses, so the file must also run on Python 2.7:
no annotations, no f-strings, only ASCII. sysconfig is not trusted. Debian's claims a shared build although
/usr/bin/python3 is static; conda's claims a static one although its library is there; relocated builds name folders
of the machine that made them. A library counts only if the file is there and reports the right version.
"""

from __future__ import print_function

import json
import os
import re
import struct
import sys
import sysconfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Oldest version that the addon's stable ABI serves.
MINIMUM = (3, 11)

# The build variables that describe the library.
BUILD_VARIABLES = ("INSTSONAME", "LDLIBRARY", "LIBDIR", "LIBPL", "PYTHONFRAMEWORKPREFIX")


def facts():
    # type: () -> dict[str, Any]
    """All facts that decide whether and how Node can run this interpreter, ready for JSON.

    `libpython` is the shared library to open, or None. `libpython_names` and `libpython_folders` say where it was
    looked for; `libpython_refused` lists files that exist but are not it, each with the reason.
    """
    result = {
        "executable": sys.executable,
        "prefix": sys.prefix,
        "base_prefix": getattr(sys, "base_prefix", sys.prefix),
        "version": ".".join(map(str, sys.version_info[:3])),
        "implementation": implementation(),
        "free_threaded": bool(config("Py_GIL_DISABLED")),
        "debug": bool(config("Py_DEBUG")),
        "bits": struct.calcsize("P") * 8,
        "soabi": config("SOABI"),
        "multiarch": config("MULTIARCH"),
        "platform": sysconfig.get_platform(),
        "libc": libc(),
        "uvloop": None,
        "config": dict((name, config(name)) for name in BUILD_VARIABLES),
    }  # type: dict[str, Any]
    result.update(library())
    if sys.version_info >= MINIMUM:
        result["uvloop"] = installed_version("uvloop")
    return result


def config(name):
    # type: (str) -> Any
    """A build variable, None when it is unset or empty."""
    return sysconfig.get_config_var(name) or None


def implementation():
    # type: () -> str
    """The name in sys.implementation: 'cpython', 'pypy', 'graalpy'."""
    if hasattr(sys, "implementation"):
        return sys.implementation.name
    return "pypy" if hasattr(sys, "pypy_version_info") else "cpython"


def libc():
    # type: () -> str | None
    """'glibc 2.36', 'musl', or None if it is neither."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "musl"
    except (AttributeError, ValueError, OSError):
        return "musl" if "musl" in (config("SOABI") or "") else None


def installed_version(distribution):
    # type: (str) -> str | None
    """The version of an installed package, without importing it: an event loop must not run in a probe.

    From the name of the folder that describes it: to import importlib.metadata takes longer than all the rest.
    """
    from importlib import util

    spec = util.find_spec(distribution)
    if spec is None:
        return None
    described = re.compile(re.escape(distribution) + r"-([^-]+).*\.(?:dist|egg)-info$", re.IGNORECASE)
    for package in spec.submodule_search_locations or []:
        try:
            names = os.listdir(os.path.dirname(package))
        except OSError:
            continue
        for name in names:
            found = described.match(name)
            if found:
                return found.group(1)
    return "unknown"


def library():
    # type: () -> dict[str, Any]
    """The shared library of this interpreter, and where it was looked for."""
    names = library_names()
    folders = library_folders()
    mapped = mapped_library()
    candidates = [mapped] if mapped else []
    candidates += [os.path.join(folder, name) for folder in folders for name in names]
    found = None
    refused = []
    for path in candidates:
        if not os.path.isfile(path):
            continue
        reason = wrong_library(path)
        if reason is None:
            found = path
            break
        refused.append({"path": path, "reason": reason})
    return {
        "libpython": found,
        "libpython_names": names,
        "libpython_folders": folders,
        "libpython_refused": refused,
    }


def library_names():
    # type: () -> list[str]
    """File names of the shared library: first those in sysconfig, then those of CPython's own build."""
    stem = "libpython{0}.{1}{2}".format(sys.version_info[0], sys.version_info[1], getattr(sys, "abiflags", ""))
    usual = [stem + ".dylib"] if sys.platform == "darwin" else [stem + ".so.1.0", stem + ".so"]
    names = [config("INSTSONAME"), config("LDLIBRARY")] + usual
    # A static build names its archive here, which cannot be loaded. The library of a macOS framework has no suffix.
    return unique(name for name in names if name and not name.endswith(".a"))


def library_folders():
    # type: () -> list[str]
    """Folders that may hold it, the most specific first."""
    libdir = config("LIBDIR")
    multiarch = config("MULTIARCH")
    base = os.path.join(getattr(sys, "base_prefix", sys.prefix), "lib")
    folders = [libdir, config("LIBPL"), base, config("PYTHONFRAMEWORKPREFIX")]
    if multiarch:
        folders[1:1] = [os.path.join(libdir, multiarch)] if libdir else []
        folders.append(os.path.join(base, multiarch))
    return unique(folder for folder in folders if folder)


def unique(items):
    # type: (Any) -> list[str]
    """The items in order, without repetitions."""
    seen = []  # type: list[str]
    for item in items:
        if item not in seen:
            seen.append(item)
    return seen


def mapped_library():
    # type: () -> str | None
    """The library that this process itself uses: certain, if the system tells it and the build is shared."""
    try:
        with open("/proc/self/maps") as maps:
            text = maps.read()
    except (OSError, IOError, ValueError):
        return None
    found = re.search(r"(/\S.*/libpython{0}\.{1}[^/\n]*)$".format(*sys.version_info[:2]), text, re.MULTILINE)
    return found.group(1) if found else None


def wrong_library(path):
    # type: (str) -> str | None
    """Why a file is not this interpreter's library, or None when it is."""
    if sys.version_info < MINIMUM:
        return None
    try:
        import ctypes
    except ImportError:
        # Python was built without libffi. The version in the file's name has to be enough.
        return None
    try:
        version = ctypes.c_ulong.in_dll(ctypes.CDLL(path), "Py_Version").value
    except (OSError, ValueError) as error:
        return str(error)
    # Only major and minor: a bug-fix release works with the standard library of another one.
    if version >> 16 != sys.hexversion >> 16:
        return "it is Python {0}.{1}".format(version >> 24, version >> 16 & 0xFF)
    return None


if __name__ == "__main__":
    print(json.dumps(facts()))
