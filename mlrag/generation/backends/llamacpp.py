"""A GGUF file answering inside this process, through llama.cpp's own server library (xllamacpp).

The library listens on a loopback port besides; it is used for tokens and the chat template, and asks for a key that
only we know.
"""

from __future__ import annotations

import atexit
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

import httpx

from mlrag.errors import (
    BrokenReplyError,
    GeneratorError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    PromptTooLongError,
)
from mlrag.generation.backends.base import Call, CompletionChunk, Finish, Timeouts
from mlrag.generation.backends.gguf_header import read_header
from mlrag.generation.backends.loglikelihood import log_likelihood
from mlrag.models.hardware import count_physical_cores

CONTEXT = 4096
_TEMPLATE = 64  # tokens that a chat template may add around the turns

_Chunks = SimpleQueue[dict[str, Any] | BaseException | None]


class LlamaChat:
    """One GGUF file, loaded at the first call and shared by all that name it.

    Without a chat template in the file it is a base model. `threads`: None for all physical cores but one.
    `window`: tokens, cut to what the model was trained for. Raises GeneratorUnavailableError for a missing library
    and for a file that is none.
    """

    host = ""

    def __init__(
        self, path: Path | str, timeouts: Timeouts | None = None, threads: int | None = None, window: int = CONTEXT
    ) -> None:
        try:
            import xllamacpp  # noqa: F401
        except ImportError as error:
            raise GeneratorUnavailableError(
                f"llama.cpp is not usable here: {error}", ".venv/bin/pip install -e '.[llamacpp]'"
            ) from error
        path = Path(path).expanduser().resolve()
        header = read_header(path)
        self.name = f"llamacpp:{path.stem}"
        self.base = not header.template
        self.window = min(window, header.context or window)
        self._seconds = (timeouts or Timeouts()).total
        self._engine = _share_engine(path, self.window, threads or max(1, count_physical_cores() - 1))

    def label(self) -> str:
        return f"{self.name} [base model]" if self.base else self.name

    def count(self, text: str) -> int:
        """By the model's own tokenizer; loads the model."""
        return len(self._engine.tokens(text, self._seconds))

    def log_likelihoods(self, call: Call, texts: Sequence[str], until: float) -> list[float]:
        """As TextScorer has it; one pass of one token for each token, two more for each part of a character."""
        text = call.completion or self._engine.apply_template(_request(call), self._seconds)
        prompt = self._engine.tokens(text, self._seconds, whole=True)
        scored = [self._engine.tokens(t, self._seconds) for t in texts]
        self._refuse_beyond(len(prompt) + max(map(len, scored), default=0))
        (anchor, *_) = self._engine.tokens(".", self._seconds)

        def complete(request: dict[str, Any]) -> dict[str, Any]:
            if time.monotonic() > until:
                raise GeneratorTimeoutError(f"{self.name} did not score {len(texts)} texts", "set MLRAG_TIMEOUT higher")
            return self._engine.complete(request)

        return [log_likelihood(complete, prompt, tokens, anchor) for tokens in scored]

    def stream(self, call: Call, timeouts: Timeouts) -> Iterator[CompletionChunk | Finish]:
        del timeouts  # nothing is waited for but the model, and its caller watches that
        self._refuse_overlong(call)
        chunks: _Chunks = SimpleQueue()
        stop = Event()
        worker = Thread(target=self._run, args=(call, chunks, stop), daemon=True, name=self.name)
        _running[worker] = stop
        worker.start()
        try:
            yield from self._read(chunks)
        finally:
            stop.set()
            worker.join()
            _running.pop(worker, None)

    def _refuse_overlong(self, call: Call) -> None:
        told = self.count(call.completion) + sum(self.count(t.content) for t in call.turns)
        self._refuse_beyond(told + _TEMPLATE + call.room)

    def _refuse_beyond(self, needed: int) -> None:
        if needed > self.window:
            raise PromptTooLongError(
                f"prompt and reply need {needed} tokens, more than the {self.window} of {self.name}",
                "ask with a smaller k, or set MLRAG_LLAMACPP_CONTEXT higher",
            )

    def _run(self, call: Call, chunks: _Chunks, stop: Event) -> None:
        def tell(chunk: dict[str, Any]) -> bool:
            chunks.put(chunk)
            return stop.is_set()  # True ends the generation

        try:
            self._engine.run(_request(call), tell)
            chunks.put(None)
        except BaseException as error:
            chunks.put(error)

    def _read(self, chunks: _Chunks) -> Iterator[CompletionChunk | Finish]:
        reason, usage, first = "", dict[str, Any](), dict[str, float]()
        while (chunk := chunks.get()) is not None:
            if isinstance(chunk, GeneratorError):
                raise chunk
            if isinstance(chunk, BaseException):
                raise BrokenReplyError(f"{self.name} broke off: {chunk}") from chunk
            if "error" in chunk:
                raise self._translate(chunk["error"])
            usage = chunk.get("usage") or usage
            for choice in chunk.get("choices") or []:
                first = first or _first_token(choice)
                reason = choice.get("finish_reason") or reason
                yield from _pieces(choice)
        if not reason:
            raise BrokenReplyError(f"{self.name} broke off in mid-reply")
        yield Finish(
            reason=reason,
            prompt_tokens=usage.get("prompt_tokens"),
            output_tokens=usage.get("completion_tokens"),
            load_seconds=self._engine.told_load_seconds(),
            first_token=first,
        )

    def _translate(self, error: dict[str, Any]) -> GeneratorError:
        said = error.get("message")
        if error.get("type") == "exceed_context_size_error":
            return PromptTooLongError(f"{self.name}: {said}", "set MLRAG_LLAMACPP_CONTEXT higher")
        if error.get("code", 500) >= 500:
            return BrokenReplyError(f"{self.name} failed: {said}")
        return GeneratorError(f"{self.name} refused: {said}")


class _Engine:
    """llama.cpp with one file in memory, once something was asked of it."""

    def __init__(self, path: Path, context: int, threads: int) -> None:
        self._path, self._context, self._threads = path, context, threads
        self._lock = Lock()
        self._server: Any = None
        self._key = secrets.token_urlsafe()
        self._http = httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {self._key}"})
        self._load_seconds: float | None = None

    def run(self, request: dict[str, Any], tell: Callable[[dict[str, Any]], bool]) -> None:
        server = self._ready()
        handle = server.handle_completions if "prompt" in request else server.handle_chat_completions
        handle(request, tell)

    def complete(self, request: dict[str, Any]) -> dict[str, Any]:
        """One completion, whole."""
        found: dict[str, Any] = self._ready().handle_completions(request)
        return found

    def tokens(self, text: str, seconds: float, whole: bool = False) -> list[int]:
        """The model's own ids of a text; of a `whole` prompt with its control tokens and its beginning."""
        if not text:
            return []
        asked = {"content": text, "add_special": whole, "parse_special": whole}
        return list(self._post("tokenize", asked, "tokens", seconds))

    def apply_template(self, request: dict[str, Any], seconds: float) -> str:
        """The prompt that the model's chat template makes of a request's turns."""
        return str(self._post("apply-template", request, "prompt", seconds))

    def _post(self, route: str, body: dict[str, Any], wanted: str, seconds: float) -> Any:
        url = f"{self._ready().listening_address}/{route}"
        try:
            return self._http.post(url, json=body, timeout=seconds).raise_for_status().json()[wanted]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise GeneratorError(f"llama.cpp gave no {wanted} of a text: {error}") from error

    def told_load_seconds(self) -> float | None:
        """What loading took, told once: to the call that had to wait for it."""
        seconds, self._load_seconds = self._load_seconds, None
        return seconds

    def _ready(self) -> Any:
        with self._lock:
            if self._server is None:
                begun = time.monotonic()
                self._server = self._load()
                self._load_seconds = time.monotonic() - begun
            return self._server

    def _load(self) -> Any:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(self._path)
        params.n_ctx, params.n_parallel = self._context, 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self._threads
        params.offline, params.warmup, params.verbosity = True, False, -1
        params.ui, params.endpoint_slots, params.api_keys = False, False, [self._key]
        try:
            return xllamacpp.Server(params)
        except RuntimeError as error:
            raise GeneratorUnavailableError(
                f"llama.cpp cannot load {self._path}: {error}",
                "is the file whole, is its architecture known to this llama.cpp, and is there memory enough?",
            ) from error


_running: dict[Thread, Event] = {}


@atexit.register
def _stop_all() -> None:
    """A model still writing when Python ends would abort the process."""
    for worker, stop in list(_running.items()):
        stop.set()
        worker.join()


_engines: dict[tuple[Path, int, int], _Engine] = {}
_engines_lock = Lock()


def _share_engine(path: Path, context: int, threads: int) -> _Engine:
    """The process's one engine for a file: a model is never in memory twice."""
    with _engines_lock:
        return _engines.setdefault((path, context, threads), _Engine(path, context, threads))


def _request(call: Call) -> dict[str, Any]:
    request: dict[str, Any] = {
        "max_tokens": call.room,
        "temperature": 0,
        "seed": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if call.stop:
        request["stop"] = list(call.stop)
    if call.schema:
        request["json_schema"] = {"additionalProperties": False, **call.schema}
    if call.completion:
        return request | {"prompt": call.completion} | ({"logprobs": call.alternatives} if call.alternatives else {})
    request["messages"] = [{"role": t.role, "content": t.content} for t in call.turns]
    request["chat_template_kwargs"] = {"enable_thinking": call.think and call.schema is None}
    return request | ({"logprobs": True, "top_logprobs": call.alternatives} if call.alternatives else {})


def _pieces(choice: dict[str, Any]) -> Iterator[CompletionChunk]:
    delta = choice.get("delta") or {}
    text, thinking = delta.get("content") or choice.get("text") or "", delta.get("reasoning_content") or ""
    if text or thinking:
        yield CompletionChunk(text, thinking)


def _first_token(choice: dict[str, Any]) -> dict[str, float]:
    listed = (choice.get("logprobs") or {}).get("content") or []
    return {t["token"]: t["logprob"] for t in listed[0]["top_logprobs"]} if listed else {}
