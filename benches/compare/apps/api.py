"""A small FastAPI application, as one writes it."""

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    name: str
    price: float
    tags: list[str] = []


@app.get("/item")
async def read_item() -> Item:
    return Item(name="Hammer", price=9.5, tags=["tool", "steel"])


@app.post("/item")
async def create_item(item: Item) -> Item:
    return item
