"""What a module of the application binds, for ``asgi-node`` without an application.

Run in an interpreter without asgi-node. The module is read and not imported: it is imported once, where it is served.
"""

from __future__ import annotations

import ast
import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLASSES = {"FastAPI", "Starlette", "Litestar", "Quart", "Flask"}
_FUNCTIONS = {"get_asgi_application": "Django", "get_wsgi_application": "Django"}


class Attribute(TypedDict):
    """A name that the module binds, and the framework of its value where that can be seen."""

    name: str
    kind: str


def attributes(source: bytes, path: str) -> list[Attribute]:
    """Give what is bound at the top of a module and may be an application, the latest binding of each name."""
    found = dict(_bindings(ast.parse(source, path).body))
    return [{"name": name, "kind": kind} for name, kind in found.items()]


def _bindings(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement in body:
        match statement:
            case ast.Assign(targets=targets, value=value):
                yield from ((target.id, _kind(value)) for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, _kind(value)
            case ast.AsyncFunctionDef(name=name):
                yield name, ""
            case ast.ImportFrom(names=names):
                yield from ((alias.asname or alias.name, "") for alias in names)
            case ast.If(body=inner, orelse=other):
                yield from _bindings(inner + other)
            case ast.Try(body=inner, orelse=other):
                yield from _bindings(inner + other)
            case ast.With(body=inner):
                yield from _bindings(inner)
            case _:
                pass


def _kind(value: ast.expr) -> str:
    match value:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name if name in _CLASSES else _FUNCTIONS.get(name, "")
        case _:
            return ""


def main(path: str) -> None:
    """Print the attributes of a file as JSON, or why it cannot be read."""
    try:
        result: dict[str, object] = {"attributes": attributes(Path(path).read_bytes(), path)}
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        where = "".join(traceback.format_exception_only(error))
        result = {"attributes": [], "error": f"{type(error).__name__}: {error.args[0]}{line}", "where": where}
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
