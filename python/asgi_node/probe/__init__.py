"""Questions to an interpreter from outside: its facts, its libraries, and whether a handler would start.

Node runs `probe.py` and `libraries.py` as programs, by their path, in interpreters that have no asgi-node. So these two
import only the standard library, and the folder knows nothing of the rest of this package.
"""
