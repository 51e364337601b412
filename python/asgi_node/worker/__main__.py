"""Started by Node, by its path: ``python __main__.py FOLDER NATIVE``, with the socket to Node as standard input.

FOLDER contains the package `asgi_node`, and NATIVE is the file of `asgi_node._native`. Both come with the npm packages.
The environment may have other versions installed. Neither path is added to ``sys.path``.
"""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path


def _load(name: str, path: str, **places: list[str]) -> None:
    native = path.endswith(".so")
    loader = importlib.machinery.ExtensionFileLoader(name, path) if native else None
    spec = importlib.util.spec_from_file_location(name, path, loader=loader, **places)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _start(folder: str, native: str) -> None:
    if sys.path and Path(sys.path[0]).resolve() == Path(__file__).resolve().parent:
        del sys.path[0]
    package = Path(folder, "asgi_node")
    _load("asgi_node", str(package / "__init__.py"), submodule_search_locations=[str(package)])
    _load("asgi_node._native", native)
    vars(sys.modules["asgi_node"])["_native"] = sys.modules["asgi_node._native"]
    from asgi_node.worker.process import main

    main()


# A child of multiprocessing imports this file under another name.
if __name__ == "__main__":
    _start(*sys.argv[1:3])
