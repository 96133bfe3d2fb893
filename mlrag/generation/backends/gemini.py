"""Gemma 4 through the Gemini API, by Google's own client, with each of its traps minded.

Gemma 4 takes a thinking level, MINIMAL or HIGH, and refuses a budget; `include_thoughts` may be ignored, so every
part is asked whether it is a thought. The client's own retries, function calls and continuations are off, and its
address and version are always said: no variable of the environment sends a prompt elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from mlrag.errors import BrokenReplyError, GeneratorError, GeneratorUnavailableError, SettingsError
from mlrag.generation.backends.base import Call, CompletionChunk, Finish, Timeouts
from mlrag.generation.backends.gemini_errors import KEYS, translate
from mlrag.generation.backends.ollama import LARGEST_CONTEXT
from mlrag.generation.token_estimate import estimate_tokens

if TYPE_CHECKING:
    from google.genai.types import GenerateContentConfig, GenerateContentResponse, Model

_VERSION = "v1beta"  # where the Gemma models are known to be; Google's client asks v1 unless told
GOOGLE = "https://generativelanguage.googleapis.com"
_FINISHED = {"STOP": "stop", "MAX_TOKENS": "length"}
# What Google's client lets through: its own errors, those of its transport, and what odd JSON does to its parsing.
_CLIENT_FAULTS = (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, AttributeError, KeyError)


class GeminiChat:
    """One model of the Gemini API.

    Raises GeneratorUnavailableError where google-genai is not installed, SettingsError without a usable key.
    """

    base = False

    def __init__(self, model: str, key: str, timeouts: Timeouts | None = None, url: str = "") -> None:
        try:
            from google import genai
            from google.genai import errors, types
        except ImportError as error:
            raise GeneratorUnavailableError(
                "the Gemini API needs Google's client", ".venv/bin/pip install -e '.[gemini]'"
            ) from error
        self._key = _usable(key)
        timeouts = timeouts or Timeouts()
        self.model = model
        self.name = f"gemini:{model}"
        self.url = (url if "://" in url else f"https://{url}") if url else GOOGLE
        self.host = urlsplit(self.url).netloc
        self._faults = (errors.APIError, *_CLIENT_FAULTS)
        self._client = genai.Client(
            vertexai=False,
            api_key=self._key,
            http_options=types.HttpOptions(
                base_url=self.url,
                api_version=_VERSION,
                timeout=_milliseconds(timeouts.connect),  # for what is asked about the model; a call says its own
                retry_options=types.HttpRetryOptions(attempts=1),
                httpx_client=_http(timeouts.connect),
            ),
        )
        self._told: Model | None = None

    @property
    def window(self) -> int:
        """Tokens of context: the model's own limit, where the API tells it, and no more than is useful."""
        told = self._tell()
        return min(LARGEST_CONTEXT, (told and told.input_token_limit) or LARGEST_CONTEXT)

    def label(self) -> str:
        told = self._tell()
        return f"{self.name} [stand-in]" if told and told.version == "stand-in" else self.name

    def count(self, text: str) -> int:
        return estimate_tokens(text)

    def _tell(self) -> Model | None:
        """What the API says of the model, asked once; None while it cannot be asked."""
        if self._told is None:
            try:
                self._told = self._client.models.get(model=self.model)
            except self._faults:
                return None
        return self._told

    def stream(self, call: Call, timeouts: Timeouts) -> Iterator[CompletionChunk | Finish]:
        text = ""
        first: dict[str, float] = {}
        for chunk in self._chunks(call, timeouts):
            _refuse_blocked(chunk, self.name)
            first = first or _first_token(chunk)
            for piece in _pieces(chunk):
                text += piece.text
                yield piece
            reason = _reason(chunk)
            if reason:
                yield self._finish(reason, chunk, first, text, call.schema)
                return
        raise BrokenReplyError(f"{self.name} broke off: the stream ended without a finish reason")

    def _chunks(self, call: Call, timeouts: Timeouts) -> Iterator[GenerateContentResponse]:
        """The reply as the client parses it. Raises GeneratorError, with the key in none of its words or causes."""
        from google.genai.types import Content, ContentUnion, Part

        turns: list[ContentUnion] = [
            Content(role="user", parts=[Part(text=t.content)]) for t in call.turns if t.role != "system"
        ]
        try:
            yield from self._client.models.generate_content_stream(
                model=self.model, contents=turns, config=_config(call, timeouts)
            )
        except self._faults as error:
            ours = translate(error, self.model, self.url, timeouts.total, self._key)
            raise ours from (None if self._key in str(error) else error)

    def _finish(
        self,
        reason: str,
        last: GenerateContentResponse,
        first: Mapping[str, float],
        text: str,
        schema: Mapping[str, Any] | None,
    ) -> Finish:
        if reason not in _FINISHED:
            raise GeneratorError(f"the Gemini API stopped the reply of {self.model}: {reason}", "ask in other words")
        if schema is not None and reason == "STOP":
            _refuse_other_than_json(text, self.name)
        used = last.usage_metadata
        return Finish(
            reason=_FINISHED[reason],
            prompt_tokens=used.prompt_token_count if used else None,
            output_tokens=used.candidates_token_count if used else None,
            thinking_tokens=used.thoughts_token_count if used else None,
            first_token=first,
        )


def _usable(key: str) -> str:
    """The key without space around it. One that no header can carry would stand in the transport's own error."""
    bare = key.strip()
    if not bare:
        raise SettingsError("the Gemini API needs a key", f"set GEMINI_API_KEY; keys: {KEYS}")
    if not (bare.isascii() and bare.isprintable()):
        raise SettingsError("the Gemini API key holds characters that no key has", "copy it anew to GEMINI_API_KEY")
    return bare


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _http(connect: float) -> httpx.Client:
    """A transport that gives up connecting sooner than it gives up reading: Google's options have one limit only."""

    def hurry(request: httpx.Request) -> None:
        limits = request.extensions["timeout"]
        limits["connect"] = min(connect, limits["connect"])

    return httpx.Client(event_hooks={"request": [hurry]}, follow_redirects=False)


def _config(call: Call, timeouts: Timeouts) -> GenerateContentConfig:
    from google.genai import types

    think = call.think and call.schema is None
    return types.GenerateContentConfig(
        system_instruction="\n\n".join(t.content for t in call.turns if t.role == "system") or None,
        temperature=0,
        seed=0,
        max_output_tokens=call.room,
        stop_sequences=list(call.stop) or None,
        thinking_config=types.ThinkingConfig(
            include_thoughts=think,
            thinking_level=types.ThinkingLevel.HIGH if think else types.ThinkingLevel.MINIMAL,
        ),
        response_mime_type="application/json" if call.schema is not None else None,
        response_json_schema=dict(call.schema) if call.schema is not None else None,
        response_logprobs=True if call.alternatives else None,
        logprobs=call.alternatives or None,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        automatic_continuation=False,
        http_options=types.HttpOptions(timeout=_milliseconds(timeouts.total)),
    )


def _refuse_blocked(chunk: GenerateContentResponse, name: str) -> None:
    blocked = chunk.prompt_feedback and chunk.prompt_feedback.block_reason
    if blocked:
        raise GeneratorError(f"{name}: the Gemini API blocked the prompt: {blocked.value}", "ask in other words")


def _refuse_other_than_json(text: str, name: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise BrokenReplyError(f"{name} did not obey the schema: its reply is not JSON") from error


def _reason(chunk: GenerateContentResponse) -> str:
    found = chunk.candidates[0].finish_reason if chunk.candidates else None
    return str(found.value) if found else ""


def _pieces(chunk: GenerateContentResponse) -> Iterator[CompletionChunk]:
    content = chunk.candidates[0].content if chunk.candidates else None
    for part in (content and content.parts) or ():
        if part.text:
            yield CompletionChunk(thinking=part.text) if part.thought else CompletionChunk(part.text)


def _first_token(chunk: GenerateContentResponse) -> dict[str, float]:
    listed = chunk.candidates[0].logprobs_result if chunk.candidates else None
    steps = (listed and listed.top_candidates) or []
    candidates = (steps[0].candidates if steps else None) or []
    return {c.token: c.log_probability for c in candidates if c.token is not None and c.log_probability is not None}
