"""Gemma 4 through Ollama, with each of its traps minded.

Thinking is on by default over the API: it is always said. An over-long prompt is cut silently: `num_ctx` is
chosen from the prompt's size and the count that comes back is checked. A repetition abort ends without `done`:
that is a failure. The client's default timeout is for ever: ours is finite.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

from mlrag.errors import (
    BrokenReplyError,
    GeneratorBusyError,
    GeneratorError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
    MissingModelError,
    PromptTooLongError,
)
from mlrag.generation.backends.base import Call, CompletionChunk, Finish, Timeouts
from mlrag.generation.token_estimate import estimate_fewest_tokens, estimate_tokens

LARGEST_CONTEXT = 32768  # more is memory that answering from a few passages never needs
_SMALLEST_CONTEXT = 4096
_KEEP_ALIVE = "10m"


class OllamaChat:
    """One Ollama tag."""

    base = False

    def __init__(
        self, tag: str, host: str = "http://127.0.0.1:11434", timeouts: Timeouts | None = None, key: str = ""
    ) -> None:
        import ollama

        timeouts = timeouts or Timeouts()
        self.tag = tag
        self.name = f"ollama:{tag}"
        self.url = host if "://" in host else f"http://{host}"
        self.host = urlsplit(self.url).netloc
        limits = httpx.Timeout(timeouts.total, connect=timeouts.connect)
        headers = {"Authorization": f"Bearer {key}"} if key else None
        self._client = ollama.Client(host=self.url, timeout=limits, headers=headers)
        self._shown: dict[str, Any] = {}

    @property
    def window(self) -> int:
        """Tokens of context: the model's own limit, where the server tells it, and no more than is useful."""
        info = self._show().get("modelinfo") or {}
        own = [v for k, v in info.items() if k.endswith(".context_length") and isinstance(v, int)]
        return min([LARGEST_CONTEXT, *own])

    def label(self) -> str:
        details = self._show().get("details") or {}
        return f"{self.name} [stand-in]" if details.get("parameter_size") == "stand-in" else self.name

    def count(self, text: str) -> int:
        return estimate_tokens(text)

    def _show(self) -> dict[str, Any]:
        """What the server says of the model, asked once; {} while it cannot be asked."""
        import ollama

        if not self._shown:
            try:
                self._shown = self._client.show(self.tag).model_dump()
            except (ollama.ResponseError, ConnectionError, httpx.HTTPError):
                return {}
        return self._shown

    def stream(self, call: Call, timeouts: Timeouts) -> Iterator[CompletionChunk | Finish]:
        import ollama

        context = self._context(call)
        first: dict[str, float] = {}
        try:
            for chunk in self._open(call, context):
                part = chunk.model_dump()
                first = first or _first_token(part)
                yield from _pieces(part)
                if chunk.done:
                    yield self._finish(part, call, context, first)
                    return
        except ollama.ResponseError as error:
            raise self._translate(error) from error
        except (ConnectionError, httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise GeneratorUnavailableError(
                f"no Ollama answers at {self.url} (asked for {self.tag})", "start it with: ollama serve"
            ) from error
        except httpx.TimeoutException as error:
            raise GeneratorTimeoutError(
                f"{self.name} gave no answer within {timeouts.total:g} s", "set MLRAG_TIMEOUT higher"
            ) from error
        except (httpx.HTTPError, ValueError) as error:  # ValueError: a line that is not the protocol's JSON
            raise BrokenReplyError(f"the reply of Ollama at {self.url} broke off: {error}") from error
        raise BrokenReplyError(f"{self.name} broke off: it repeated itself or the stream was cut")

    def _open(self, call: Call, context: int) -> Iterator[Any]:
        """The stream of chat, or of generate for a completion: raw, so that no template is put around it."""
        stop = {"stop": list(call.stop)} if call.stop else {}
        request: dict[str, Any] = {
            "model": self.tag,
            "stream": True,
            "think": call.think and call.schema is None,  # a schema is not obeyed while it thinks
            "format": call.schema,
            "options": {"num_ctx": context, "num_predict": call.room, "temperature": 0, "seed": 0} | stop,
            "keep_alive": _KEEP_ALIVE,
        }
        request |= {"logprobs": True, "top_logprobs": call.alternatives} if call.alternatives else {}
        if call.completion:
            return iter(self._client.generate(prompt=call.completion, raw=True, **request))
        turns = [{"role": t.role, "content": t.content} for t in call.turns]
        return iter(self._client.chat(messages=turns, **request))

    def _context(self, call: Call) -> int:
        """The smallest power of two that surely holds prompt and reply. Raises PromptTooLongError."""
        needed = sum(self.count(text) for text in _list_texts(call)) + 64 + call.room
        context = _SMALLEST_CONTEXT
        while context < needed:
            context *= 2
        if needed > self.window:
            raise PromptTooLongError(
                f"the prompt may need {needed} tokens, more than {self.window}", "ask with a smaller k"
            )
        return min(context, self.window)

    def _finish(self, last: dict[str, Any], call: Call, context: int, first: dict[str, float]) -> Finish:
        read = last.get("prompt_eval_count")
        sent = sum(estimate_fewest_tokens(text) for text in _list_texts(call))
        if read and (read >= context - 1 or read < sent):
            raise PromptTooLongError(
                f"Ollama cut the prompt: it read {read} tokens of at least {sent}, with a context of {context}"
            )
        nanoseconds = last.get("load_duration")
        return Finish(
            reason=last.get("done_reason") or "stop",
            prompt_tokens=read,
            output_tokens=last.get("eval_count"),
            load_seconds=nanoseconds / 1e9 if nanoseconds else None,
            first_token=first,
        )

    def _translate(self, error: Any) -> GeneratorError:
        said = error.error
        if error.status_code == 404:
            return MissingModelError(f"Ollama at {self.url} does not have {self.tag}", f"ollama pull {self.tag}")
        if error.status_code == 503:
            return GeneratorBusyError(f"Ollama at {self.url} is busy: {said}", "try again soon")
        if error.status_code in (500, 502, -1):  # -1: an error line in mid-stream
            return BrokenReplyError(f"Ollama at {self.url} failed ({error.status_code}): {said}")
        return GeneratorError(f"Ollama refused ({error.status_code}): {said}")


def _list_texts(call: Call) -> list[str]:
    return [call.completion] if call.completion else [t.content for t in call.turns]


def _pieces(chunk: dict[str, Any]) -> Iterator[CompletionChunk]:
    message = chunk.get("message") or chunk  # generate's chunks are flat
    text = message.get("content") or message.get("response") or ""
    if text or message.get("thinking"):
        yield CompletionChunk(text, message.get("thinking") or "")


def _first_token(chunk: dict[str, Any]) -> dict[str, float]:
    listed = chunk.get("logprobs") or []
    return {t["token"]: t["logprob"] for t in (listed[0].get("top_logprobs") or [])} if listed else {}


def list_installed_models(host: str) -> list[str]:
    """The tags that the Ollama there has. Raises GeneratorUnavailableError when none answers within two seconds."""
    import ollama

    try:
        return [m.model or "" for m in ollama.Client(host=host, timeout=2).list().models]
    except (ollama.ResponseError, ConnectionError, httpx.HTTPError) as error:
        raise GeneratorUnavailableError(f"no Ollama answers at {host}", "start it with: ollama serve") from error
