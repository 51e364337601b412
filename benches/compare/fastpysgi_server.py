"""fastpysgi APP:NAME PORT: it has no command that takes a port."""

import importlib
import sys

import fastpysgi

module, _, name = sys.argv[1].partition(":")
fastpysgi.server.max_content_length = 2 << 30
fastpysgi.run(getattr(importlib.import_module(module), name), host="127.0.0.1", port=int(sys.argv[2]))
