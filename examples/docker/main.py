import platform

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def hello() -> dict[str, str]:
    return {"message": f"Hello from Python {platform.python_version()}!"}
