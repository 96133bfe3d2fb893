"""The service with its middleware, in this process, and slow routes."""

import asyncio
import threading
from contextlib import asynccontextmanager
from functools import wraps

import anyio
import httpx
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


def slow_app(folder, **settings):
    """The service with routes, counted as questions, that wait until `app.state.release` is set; and one with a bug."""
    app = create_app(Settings(data_dir=folder, **settings))
    release = app.state.release = threading.Event()

    async def slow():
        await anyio.to_thread.run_sync(release.wait, 60)
        return {"done": True}

    async def stream():
        async def pieces():
            for number in range(5):
                yield f"{number}\n"
                while not release.is_set():
                    await anyio.sleep(0.01)

        return StreamingResponse(pieces())

    async def bug(q: str = ""):
        raise RuntimeError(f"about {q}")

    app.add_api_route("/ask/slow", slow)
    app.add_api_route("/ask/stream", stream)
    app.add_api_route("/ask/bug", bug)
    return app
