"""The application of the deployment examples."""

from fastapi import FastAPI

app = FastAPI(title="deployed")


@app.get("/items/{number}")
async def item(number: int) -> dict[str, int]:
    """Give one item."""
    return {"number": number}


@app.post("/items")
async def add(item: dict[str, int]) -> dict[str, int]:
    """Take one item."""
    return item
