"""Applications are imported as if no event loop ran on their thread: `field_7`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asgi_node.conformance import check
from asgi_node.testing import AsyncTestClient, TestClient

if TYPE_CHECKING:
    from collections.abc import Iterator

APPS = str(Path(__file__).parents[3] / "fixtures" / "apps")
AT_IMPORT = "asyncio.run, anyio.run, async_to_sync, a loop of its own, none runs"


@pytest.fixture(autouse=True)
def _import_anew() -> Iterator[None]:
    yield
    for name in ("busy_import_app", "given_loop_app"):
        sys.modules.pop(name, None)


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "uvloop":
        pytest.importorskip("uvloop")
    return name


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("app", ""),
        ("make", ", factory"),
        ("make_async", ", async factory"),
        ("make_on_current", ", current loop"),
    ],
)
def test_field_7_asgi_13_loops_are_run_while_an_application_is_imported(loop: str, target: str, more: str) -> None:
    options = {"loop": loop, "docroot": APPS, "factory": target != "app"}
    with TestClient(f"busy_import_app:{target}", lifespan="off", **options) as client:
        told = client.get("/").text
    assert told == f"{AT_IMPORT}{more}, same thread: True, set"


def test_field_7_the_loop_that_an_application_finds_is_the_one_that_serves(loop: str) -> None:
    with TestClient("given_loop_app:app", lifespan="off", loop=loop, docroot=APPS) as client:
        assert client.get("/").text == "ran, ran, ran, same loop: True"


@pytest.mark.parametrize(("target", "factory"), [("wsgi", False), ("make_wsgi", True)])
def test_field_7_an_application_of_wsgi(loop: str, target: str, factory: bool) -> None:
    with TestClient(f"busy_import_app:{target}", loop=loop, docroot=APPS, factory=factory, interface="wsgi") as client:
        told = client.get("/").text
    assert told == AT_IMPORT + (", factory" if factory else "")


def test_field_7_a_factory_of_the_test_is_called_where_no_loop_runs(loop: str) -> None:
    async def app(scope: object, receive: object, send: object) -> None: ...

    seen = []

    async def step() -> None:
        seen.append(asyncio.get_running_loop())

    def make() -> object:
        asyncio.run(step())
        return app

    async def make_async() -> object:
        await step()
        return app

    with TestClient(make, factory=True, loop=loop, lifespan="off"):
        assert len(seen) == 1
    with TestClient(make_async, factory=True, loop=loop, lifespan="off"):
        assert len(seen) == 2


@pytest.mark.parametrize("target", ["app", "make_async"])
def test_field_7_conformance(loop: str, target: str) -> None:
    report = check(f"busy_import_app:{target}", situations=["GET"], factory=target != "app", docroot=APPS, loop=loop)
    assert report.ok, report.text()


async def seen_from_a_running_loop(isolate_loop: bool) -> str:
    client = AsyncTestClient("busy_import_app:app", docroot=APPS, isolate_loop=isolate_loop)
    async with client:
        return (await client.get("/")).text


@pytest.mark.parametrize("isolate_loop", [False, True])
@pytest.mark.asyncio
async def test_field_7_from_a_running_loop(isolate_loop: bool) -> None:
    policy = getattr(asyncio.events, "_get_event_loop_policy", asyncio.get_event_loop_policy)()
    before = policy.get_event_loop()
    told = await seen_from_a_running_loop(isolate_loop)
    assert told == f"{AT_IMPORT}, lifespan, same thread: True, set"
    assert policy.get_event_loop() is before is asyncio.get_running_loop()


@pytest.mark.parametrize("isolate_loop", [False, True])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_field_7_under_anyio(anyio_backend: str, isolate_loop: bool) -> None:
    assert anyio_backend == "asyncio"
    assert AT_IMPORT in await seen_from_a_running_loop(isolate_loop)


def test_field_7_what_a_failing_import_raises_comes_through(loop: str) -> None:
    with pytest.raises(Exception, match="importing 'import_failing' failed"):
        TestClient("import_failing:app", docroot=APPS, loop=loop).__enter__()
