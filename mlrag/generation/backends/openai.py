"""Gemma 4 through any OpenAI-compatible server: vLLM, llama-server, LM Studio, OpenRouter.

They share a protocol and differ in the rest. Thinking is always said; thoughts come in `reasoning`, in
`reasoning_content`, or left in the text. A schema may silently not be enforced: the reply is checked here. A strict
server refuses fields that it does not know: it is asked again without them. No request follows a redirect, and none
carries what the environment says of an OpenAI account.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import regex

from mlrag.errors import (
    BrokenReplyError,
    GeneratorError,
    GeneratorTimeoutError,
    GeneratorUnavailableError,
)
from mlrag.generation.backends.base import Call, CompletionChunk, Finish, Timeouts
from mlrag.generation.backends.openai_errors import parse_error_response, translate
from mlrag.generation.backends.openai_stream import StreamParser
from mlrag.generation.token_estimate import estimate_tokens

_WINDOW = 8192  # of a server that does not tell
_THINKING = ("chat_template_kwargs", "reasoning")
_OPTIONAL = (*_THINKING, "stream_options", "seed")  # what a strict server may do without
_OPENROUTER = "openrouter.ai"


class OpenAIChat:
    """One model of one server. `url` ends in /v1. Raises GeneratorUnavailableError where `openai` is not installed."""

    base = False

    def __init__(self, model: str, url: str, timeouts: Timeouts | None = None, key: str = "") -> None:
        try:
            import openai
        except ImportError as error:
            raise GeneratorUnavailableError(
                "the openai package is missing", ".venv/bin/pip install -e '.[openai]'"
            ) from error
        self.model = model
        self.name = f"openai:{model}"
        url = url if "://" in url else f"http://{url}"
        self.host = urlsplit(url).netloc.rpartition("@")[2]
        self._key = key
        self._limits = timeouts or Timeouts()
        no_account: Any = {"OpenAI-Organization": openai.omit, "OpenAI-Project": openai.omit}
        self._client: Any = openai.OpenAI(
            api_key=key or "none",  # an empty one would be looked for in the environment
            admin_api_key="",
            default_headers=no_account,
            base_url=url,
            max_retries=0,
            http_client=openai.DefaultHttpxClient(follow_redirects=False),
        )
        self._models: list[dict[str, Any]] | None = None
        self._refused: set[str] = set()

    @property
    def window(self) -> int:
        """Tokens of context that the server tells of, else 8192."""
        entry = self._entry()
        nested = [entry.get("meta"), entry.get("top_provider")]
        told = [entry.get("max_model_len"), entry.get("context_length")]
        told += [n.get(name) for n in nested if isinstance(n, dict) for name in ("n_ctx", "context_length")]
        return min((t for t in told if isinstance(t, int) and t > 0), default=_WINDOW)

    def label(self) -> str:
        return f"{self.name} [stand-in]" if self._entry().get("owned_by") == "stand-in" else self.name

    def count(self, text: str) -> int:
        return estimate_tokens(text)

    def _entry(self) -> dict[str, Any]:
        """What the server's list says of the model. A list of one is it: llama-server answers to any name."""
        models = self._list_models()
        named = [m for m in models if m.get("id") == self.model]
        return named[0] if named else models[0] if len(models) == 1 else {}

    def _list_models(self) -> list[dict[str, Any]]:
        """The models of the server, asked once; none while it cannot be asked."""
        import openai

        if self._models is None:
            try:
                raw = self._client.models.with_raw_response.list(timeout=self._limits.connect)
                self._models = [m for m in raw.http_response.json()["data"] if isinstance(m, dict)]
            except (openai.APIError, ValueError, LookupError, TypeError):
                return []
        return self._models

    def stream(self, call: Call, timeouts: Timeouts) -> Iterator[CompletionChunk | Finish]:
        import httpx2
        import openai

        try:
            with self._open(call, timeouts) as chunks:
                yield from self._read(chunks, call)
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout):
                raise GeneratorUnavailableError(
                    f"no server answers at {self.host} (asked for {self.model})", "is MLRAG_OPENAI_URL right?"
                ) from error
            if isinstance(error, openai.APITimeoutError):
                raise GeneratorTimeoutError(
                    f"{self.name} gave no answer within {timeouts.total:g} s", "set MLRAG_TIMEOUT higher"
                ) from error
            raise BrokenReplyError(f"the reply of {self.host} broke off: {error.__cause__}") from error
        except openai.APIError as error:
            raise self._translate(error) from (None if self._tells_key(error) else error)
        except (ValueError, TypeError, AttributeError) as error:  # not the protocol's JSON
            raise BrokenReplyError(
                f"the reply of {self.host} broke off: it is no JSON of the protocol ({error})"
            ) from error

    def _open(self, call: Call, timeouts: Timeouts) -> Any:
        """The stream, asked for again without each field that the server names as unknown to it."""
        import openai

        limits = openai.Timeout(timeouts.total, connect=timeouts.connect)
        while True:
            request = self._request(call)
            try:
                return self._client.chat.completions.create(**request, timeout=limits)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                refused = _find_refused_field(str(error.body), {*request, *request["extra_body"]})
                if not refused:
                    raise
                self._refused.add(refused)

    def _request(self, call: Call) -> dict[str, Any]:
        think = call.think and call.schema is None  # a schema is not obeyed while it thinks
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": t.role, "content": t.content} for t in call.turns],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
            "seed": 0,
            "max_tokens": call.room,
        }
        if call.stop:
            request["stop"] = list(call.stop)
        if call.schema is not None:
            schema = {"name": "reply", "schema": dict(call.schema), "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        if call.alternatives:
            request |= {"logprobs": True, "top_logprobs": call.alternatives}
        kept = {name: value for name, value in request.items() if name not in self._refused}
        return kept | {"extra_body": self._thinking(think)}

    def _thinking(self, think: bool) -> dict[str, Any]:
        """Thinking, on or off, as the server understands it. Raises GeneratorError where it cannot be turned on."""
        ways: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": think}}
        if self.host == _OPENROUTER:
            ways["reasoning"] = {"enabled": think}
        kept = {name: value for name, value in ways.items() if name not in self._refused}
        if think and not kept:
            raise GeneratorError(f"{self.host} has no way to turn thinking on", "ask without +think")
        return kept

    def _read(self, chunks: Any, call: Call) -> Iterator[CompletionChunk | Finish]:
        reading = StreamParser(self.name, self.host)
        for chunk in chunks:
            yield from _skip_empty(reading.take(chunk.model_dump(warnings=False)))
        yield from _skip_empty(reading.rest())
        yield reading.finish(call)

    def _translate(self, error: Any) -> GeneratorError:
        response = getattr(error, "response", None)
        headers = response.headers if response is not None else {}
        refused = parse_error_response(
            getattr(error, "status_code", 0), error.body or error.message, headers, self._key
        )
        has = [str(m.get("id")) for m in self._list_models()] if refused.status in (400, 404) else []
        return translate(refused, self.host, self.model, has)

    def _tells_key(self, error: Any) -> bool:
        """Would the server's own words show the key, or a part of it?"""
        return getattr(error, "status_code", 0) == 401 or bool(self._key and self._key in str(error))


def _skip_empty(piece: CompletionChunk) -> Iterator[CompletionChunk]:
    if piece.text or piece.thinking:
        yield piece


def _find_refused_field(said: str, sent: Iterable[str]) -> str:
    """The optional field, among those sent, that a server's refusal names; "" for none."""
    return next((f for f in _OPTIONAL if f in sent and regex.search(rf"(?<!\w){f}(?!\w)", said)), "")
