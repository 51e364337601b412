"""Starlette-style tests, written for its test client: each passes under it and, unchanged, under ours."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.templating import Jinja2Templates
from starlette.testclient import TestClient as TheirClient
from starlette.testclient import WebSocketDenialResponse as TheirDenial
from starlette.websockets import WebSocket, WebSocketDisconnect

from asgi_node.testing import TestClient as OurClient
from asgi_node.testing import WebSocketDenialResponse as OurDenial

done: list[str] = []


async def home(request: Request) -> Response:
    return JSONResponse({"method": request.method, "query": dict(request.query_params), "url": str(request.url)})


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers.get("content-type"))


async def form(request: Request) -> Response:
    async with request.form() as sent:
        upload = sent["file"]
        return JSONResponse({"name": sent["name"], "file": (await upload.read()).decode(), "filename": upload.filename})


async def login(request: Request) -> Response:
    response = RedirectResponse("/whoami", status_code=303)
    response.set_cookie("user", "ada")
    return response


async def whoami(request: Request) -> Response:
    return PlainTextResponse(request.cookies.get("user", "nobody"))


async def client_address(request: Request) -> Response:
    assert request.client is not None
    return JSONResponse([request.client.host, request.client.port, request.headers["user-agent"], request["scheme"]])


def sync_endpoint(request: Request) -> Response:
    return PlainTextResponse("from a thread")


async def broken(request: Request) -> Response:
    raise ZeroDivisionError("broken on purpose")


async def later(request: Request) -> Response:
    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append("work")

    return PlainTextResponse("accepted", background=BackgroundTask(work))


async def numbers(request: Request) -> Response:
    async def lines() -> AsyncIterator[str]:
        for number in range(3):
            yield f"{number}\n"

    return StreamingResponse(lines())


async def count(request: Request) -> Response:
    request.session["count"] = request.session.get("count", 0) + 1
    return JSONResponse(request.session["count"])


async def state(request: Request) -> Response:
    return PlainTextResponse(request.state.greeting)


def page(request: Request) -> Response:
    return templates.TemplateResponse(request, "page.html", {"name": "Ada"})


async def socket(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol=(websocket.scope["subprotocols"] or [None])[0], headers=[(b"x-mode", b"echo")])
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                done.append(f"closed {message['code']}")
                return
            if message.get("text") == "bye":
                await websocket.close(4001, "goodbye")
                return
            await websocket.send({**message, "type": "websocket.send"})
    except WebSocketDisconnect:
        done.append("disconnect")


async def refusing(websocket: WebSocket) -> None:
    await websocket.close(1008, "not here")


async def denying(websocket: WebSocket) -> None:
    await websocket.send_denial_response(JSONResponse({"detail": "teapot"}, status_code=418))


async def failing(websocket: WebSocket) -> None:
    await websocket.accept()
    raise ZeroDivisionError("in a WebSocket")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    done.append("up")
    yield {"greeting": "hello"}
    done.append("down")


templates: Any = None

routes = [
    Route("/", home, methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    Route("/echo", echo, methods=["POST"]),
    Route("/form", form, methods=["POST"]),
    Route("/login", login, methods=["POST"]),
    Route("/whoami", whoami),
    Route("/client", client_address),
    Route("/sync", sync_endpoint),
    Route("/broken", broken),
    Route("/later", later),
    Route("/numbers", numbers),
    Route("/state", state),
    Route("/page", page),
    Mount("/sub", routes=[Route("/", home)]),
    Route("/session", count),
    WebSocketRoute("/ws", socket),
    WebSocketRoute("/ws/refusing", refusing),
    WebSocketRoute("/ws/denying", denying),
    WebSocketRoute("/ws/failing", failing),
]
app = Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(SessionMiddleware, secret_key="key")])


@pytest.fixture(params=[TheirClient, OurClient], ids=["starlette", "asgi_node"])
def make(request: pytest.FixtureRequest) -> Iterator[Any]:
    done.clear()
    made = []

    def new(*args: Any, **kwargs: Any) -> Any:
        made.append(request.param(*args, **kwargs))
        return made[-1]

    yield new
    for client in made:
        client.close()


@pytest.fixture
def client(make: Any) -> Any:
    return make(app)


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
def test_methods(client: Any, method: str) -> None:
    response = getattr(client, method)("/?a=1&b=%C3%A9")
    assert response.status_code == 200
    assert response.json()["method"] == method.upper()
    assert response.json()["query"] == {"a": "1", "b": "é"}
    assert response.json()["url"] == "http://testserver/?a=1&b=%C3%A9"


def test_head_has_no_body(client: Any) -> None:
    response = client.head("/")
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["content-length"]) > 0


def test_bodies(client: Any) -> None:
    assert client.post("/echo", content=b"bytes").content == b"bytes"
    assert client.post("/echo", json={"a": [1]}).json() == {"a": [1]}
    assert client.post("/echo", data={"a": "b c"}).text == "a=b+c"
    assert client.post("/echo", content=iter([b"one", b"", b"two"])).content == b"onetwo"
    assert client.post("/echo", content=b"x" * 300_000).content == b"x" * 300_000


def test_a_form_with_a_file(client: Any) -> None:
    response = client.post("/form", data={"name": "n"}, files={"file": ("f.txt", b"content", "text/plain")})
    assert response.json() == {"name": "n", "file": "content", "filename": "f.txt"}


def test_redirects_and_cookies(client: Any) -> None:
    response = client.post("/login")
    assert (response.text, [step.status_code for step in response.history]) == ("ada", [303])
    assert client.cookies["user"] == "ada"
    assert client.post("/login", follow_redirects=False).status_code == 303
    assert client.get("/sub").url == "http://testserver/sub/"


def test_what_the_client_is_made_with(make: Any) -> None:
    client = make(
        app,
        base_url="https://example.org:8443",
        headers={"X-Token": "t"},
        cookies={"user": "bob"},
        follow_redirects=False,
        client=("10.0.0.1", 1234),
    )
    assert client.get("/client").json() == ["10.0.0.1", 1234, "testclient", "https"]
    assert client.get("/whoami").text == "bob"
    assert client.post("/login").status_code == 303
    assert client.get("/").json()["url"] == "https://example.org:8443/"
    assert client.headers["x-token"] == "t"


def test_missing_and_wrong_method(client: Any) -> None:
    assert client.get("/missing").status_code == 404
    assert client.get("/echo").status_code == 405


def test_endpoints_in_threads(client: Any) -> None:
    assert [client.get("/sync").text for _ in range(3)] == ["from a thread"] * 3


def test_sessions(client: Any) -> None:
    assert [client.get("/session").json() for _ in range(3)] == [1, 2, 3]


def test_the_apps_exception_is_raised(client: Any) -> None:
    with pytest.raises(ZeroDivisionError, match="broken on purpose"):
        client.get("/broken")
    assert client.get("/").status_code == 200


def test_or_it_is_a_500(make: Any) -> None:
    response = make(app, raise_server_exceptions=False).get("/broken")
    assert (response.status_code, response.text) == (500, "Internal Server Error")


def test_background_tasks_are_done_when_the_response_is_there(client: Any) -> None:
    assert client.get("/later").text == "accepted"
    assert done == ["work"]


def test_streaming(client: Any) -> None:
    with client.stream("GET", "/numbers") as response:
        assert response.status_code == 200
        assert list(response.iter_lines()) == ["0", "1", "2"]
    assert client.get("/numbers").text == "0\n1\n2\n"


def test_with_runs_the_lifespan(make: Any) -> None:
    client = make(app)
    assert done == []
    for _ in range(2):
        with client as entered:
            assert entered is client
            assert client.get("/state").text == "hello"
            assert client.app_state == {"greeting": "hello"}
        assert done == ["up", "down"]
        done.clear()


def test_start_up_and_shutdown_raise(make: Any) -> None:
    @asynccontextmanager
    async def up(app: Starlette) -> AsyncIterator[None]:
        raise LookupError("no database")
        yield

    @asynccontextmanager
    async def down(app: Starlette) -> AsyncIterator[None]:
        yield
        raise LookupError("cannot stop")

    with pytest.raises(LookupError, match="no database"), make(Starlette(lifespan=up)):
        pass
    with pytest.raises(LookupError, match="cannot stop"), make(Starlette(lifespan=down)):
        pass


def test_templates(client: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.html").write_text("Hello, {{ name }}!")
    monkeypatch.setitem(globals(), "templates", Jinja2Templates(tmp_path))
    response = client.get("/page")
    assert response.text == "Hello, Ada!"
    assert response.template.name == "page.html"
    assert response.context["name"] == "Ada"


def test_websocket(client: Any) -> None:
    with client.websocket_connect("/ws", subprotocols=["one", "two"]) as websocket:
        assert websocket.accepted_subprotocol == "one"
        assert (b"x-mode", b"echo") in websocket.extra_headers
        websocket.send_text("text")
        assert websocket.receive_text() == "text"
        websocket.send_bytes(b"bytes")
        assert websocket.receive_bytes() == b"bytes"
        for mode in ("text", "binary"):
            websocket.send_json({"é": [1]}, mode=mode)
            assert websocket.receive_json(mode=mode) == {"é": [1]}
        websocket.send({"type": "websocket.receive", "text": "raw"})
        assert websocket.receive() == {"type": "websocket.send", "text": "raw"}


def test_websocket_closed_by_the_client(client: Any) -> None:
    with client.websocket_connect("/ws") as websocket:
        websocket.send_text("hello")
        assert websocket.receive_text() == "hello"
        websocket.close(4002)
    assert done == ["closed 4002"]


def test_websocket_closed_by_the_app(client: Any) -> None:
    with client.websocket_connect("/ws") as websocket:
        websocket.send_text("bye")
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive_text()
        assert (closed.value.code, closed.value.reason) == (4001, "goodbye")


def test_websocket_refused(client: Any) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/ws/refusing"):
        pass
    assert (refused.value.code, refused.value.reason) == (1008, "not here")


def test_websocket_denied(client: Any) -> None:
    with pytest.raises(WebSocketDisconnect) as denied, client.websocket_connect("/ws/denying"):
        pass
    assert isinstance(denied.value, TheirDenial | OurDenial)
    assert (denied.value.status_code, denied.value.json()) == (418, {"detail": "teapot"})


def test_websocket_with_an_exception(client: Any) -> None:
    with (
        pytest.raises(ZeroDivisionError, match="in a WebSocket"),
        client.websocket_connect("/ws/failing") as websocket,
    ):
        websocket.receive_text()


def test_websocket_with_cookies_and_headers(make: Any) -> None:
    seen = {}

    async def look(websocket: WebSocket) -> None:
        seen.update(cookies=websocket.cookies, header=websocket.headers["x-one"], url=str(websocket.url))
        await websocket.accept()
        await websocket.close()

    client = make(Starlette(routes=[WebSocketRoute("/look", look)]), cookies={"user": "ada"})
    with client.websocket_connect("/look?q=1", headers={"X-One": "1"}) as websocket:
        assert websocket.receive() == {"type": "websocket.close", "code": 1000, "reason": ""}
    assert seen == {"cookies": {"user": "ada"}, "header": "1", "url": "ws://testserver/look?q=1"}
