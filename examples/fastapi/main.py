"""A FastAPI application as anybody writes it: nothing in it knows about Node."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import chat
from fastapi import FastAPI, UploadFile
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

app = FastAPI(title="asgi-node demo")
app.include_router(chat.router)
PAGE = Path(__file__).parent / "index.html"


class Item(BaseModel):
    """What a client sends to create an item."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    price: Annotated[float, Field(gt=0)]
    tags: list[str] = []


class Created(BaseModel):
    """The item, and what it costs with tax."""

    item: Item
    price_with_tax: float


@app.get("/")
async def index() -> FileResponse:
    """A page with a form for each endpoint."""
    return FileResponse(PAGE)


@app.post("/items", status_code=201)
async def create_item(item: Item) -> Created:
    """JSON in, checked by pydantic: what does not fit is answered with 422 and the reason."""
    return Created(item=item, price_with_tax=round(item.price * 1.2, 2))


@app.get("/stream")
async def stream(count: Annotated[int, Field(ge=1, le=1000)] = 5) -> StreamingResponse:
    """Lines that arrive one by one, not all at the end."""

    async def lines() -> AsyncIterator[str]:
        for number in range(1, count + 1):
            yield f"line {number} of {count}\n"
            await asyncio.sleep(0.2)

    return StreamingResponse(lines(), media_type="text/plain")


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, str | int | None]:
    """A file of any size: its digest is computed piece by piece, while Node reads no faster than this does."""
    digest = hashlib.sha256()
    size = 0
    while chunk := await file.read(64 * 1024):
        digest.update(chunk)
        size += len(chunk)
    return {"name": file.filename, "size": size, "sha256": digest.hexdigest()}
