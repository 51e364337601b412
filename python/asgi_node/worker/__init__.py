"""A Python process of its own that serves a handler in Node: option ``workers``."""
