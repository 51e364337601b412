"""How an application is found, imported and adapted: names, hints for load errors, interfaces, docroots.

The folder knows no event loop, no request and no host. Of this package it uses only `asgi_node.errors` and, for WSGI,
the native exception `ClientDisconnected`.
"""
