"""Runs one application on an event loop: its start and end, its requests, its log records and its child processes.

Rust imports these modules by name. The folder knows `loading` and the native module, but not the sender of a request:
inside Node that is the addon, in tests `asgi_node.host`.
"""
