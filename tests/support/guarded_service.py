"""The service with all its guards, in this process or behind a port, and routes that take their time."""

import asyncio
import socket
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from functools import wraps

import anyio
import httpx
import uvicorn
from fastapi.responses import StreamingResponse

from mlrag.settings import Settings
from mlrag.types import Document
from service.app import create_app

TAMIL, SINHALA = "டெங்கு கொசு எப்போது கடிக்கும்?", "සීගිරිය පර්වතයේ උස කොපමණද?"
DOCUMENTS = [
    Document("ta-a", "ta", "டெங்கு கொசு பகலில் கடிக்கும். காவிரி ஆற்றின் நீளம் 805 கி.மீ.", "டெங்கு"),
    Document("si-a", "si", "සීගිරිය පර්වතයේ උස මීටර 180 කි. එය දඹුල්ල අසල පිහිටා ඇත.", "සීගිරිය"),
]


@asynccontextmanager
async def opened(folder, app=None, client=("127.0.0.1", 5), **settings):
    """A client of the app in this process."""
    app = app or create_app(Settings(data_dir=folder, **settings))
    transport = httpx.ASGITransport(app, client=client)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as c:
        yield c


def in_process(test):
    """Run a coroutine test."""

    @wraps(test)
    def wrapped(**fixtures):
        asyncio.run(test(**fixtures))

    return wrapped


def code(reply):
    return reply.json()["error"]["code"]


@contextmanager
def served(app, **config):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none", **config))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}", server, thread
    server.should_exit = True
    thread.join(10)


def slow_app(folder, seconds, **settings):
    """The service with routes that take their time, in a place where questions go."""
    app = create_app(Settings(data_dir=folder, **settings))

    async def slow():
        await anyio.to_thread.run_sync(time.sleep, seconds)
        return {"done": True}

    async def stream():
        async def pieces():
            for number in range(5):
                yield f"{number}\n"
                await asyncio.sleep(seconds)

        return StreamingResponse(pieces())

    async def bug(q: str = ""):
        raise RuntimeError(f"about {q}")

    app.add_api_route("/ask/slow", slow)
    app.add_api_route("/ask/stream", stream)
    app.add_api_route("/ask/bug", bug)
    return app
