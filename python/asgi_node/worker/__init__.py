"""A separate Python process that serves a handler in Node: option ``workers``."""
