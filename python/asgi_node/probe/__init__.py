"""What is asked of an interpreter from outside: its facts, its libraries, and whether a handler would start.

Node runs `probe.py` and `libraries.py` as programs, by their path and in interpreters that have no asgi-node. So these
two import the standard library only, and the folder knows nothing of the rest of this package.
"""
