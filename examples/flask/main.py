"""A Flask application: WSGI, so its functions block, each on a thread of its own."""

import time
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, request

app = Flask(__name__)


@app.get("/hello/<name>")
def hello(name: str) -> dict[str, str]:
    """JSON, and where this application is mounted."""
    return {"message": f"Hello, {name}!", "mounted_at": request.script_root}


@app.post("/upload")
def upload() -> dict[str, int]:
    """The size of a body of any length, read as it comes."""
    size = 0
    while chunk := request.stream.read(65536):
        size += len(chunk)
    return {"size": size}


@app.get("/countdown")
def countdown() -> Response:
    """Server-sent events, one by one."""

    def events() -> Iterator[str]:
        for number in (3, 2, 1):
            yield f"data: {number}\n\n"
            time.sleep(0.3)
        yield "data: lift-off\n\n"

    return Response(events(), mimetype="text/event-stream")


@app.errorhandler(404)
def not_found(error: Exception) -> tuple[dict[str, Any], int]:
    """What is not there."""
    return {"detail": f"nothing at {request.path}"}, 404
