"""How fast llama.cpp loads, reads and writes here, one thread: python -m benchmarks.llamacpp PATH.gguf"""

from __future__ import annotations

import sys
import time

from rich.console import Console

from mlrag.generation.backends.base import Call, Finish, Timeouts
from mlrag.generation.backends.llamacpp import LlamaChat

_TEXT = "The market opens at six every morning. " * 60


def timed(model: LlamaChat, text: str, room: int) -> tuple[Finish, float]:
    """The end of a completion, and the seconds that it took."""
    begun = time.monotonic()
    *_, last = model.stream(Call((), room, completion=text), Timeouts())
    assert isinstance(last, Finish)
    return last, time.monotonic() - begun


def main() -> None:
    model = LlamaChat(sys.argv[1], threads=1)
    first, _ = timed(model, "Once", 1)
    read, reading = timed(model, _TEXT, 1)
    written, writing = timed(model, "Once upon a time", 200)
    reads, writes = (read.prompt_tokens or 0) / reading, (written.output_tokens or 0) / writing
    said = f"load {first.load_seconds or 0:.1f} s, reading {reads:.0f} tokens/s, writing {writes:.0f} tokens/s"
    Console(soft_wrap=True, markup=False).print(f"{model.label()}: {said}")


if __name__ == "__main__":
    main()
