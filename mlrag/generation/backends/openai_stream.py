"""A streamed chat completion, chunk by chunk, and whether it came to a good end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlrag.errors import BrokenReplyError, GeneratorError, PromptTooLongError
from mlrag.generation.backends.base import Call, CompletionChunk, Finish
from mlrag.generation.backends.thinking_tags import ThinkingTagParser
from mlrag.generation.token_estimate import estimate_fewest_tokens


class StreamParser:
    """What a stream has brought so far. `name` and `host` are for its errors."""

    def __init__(self, name: str, host: str) -> None:
        self._name = name
        self._host = host
        self._channels = ThinkingTagParser()
        self._text = ""
        self._reason = ""
        self._usage: Mapping[str, Any] = {}
        self._first: dict[str, float] = {}

    def take(self, chunk: Mapping[str, Any]) -> CompletionChunk:
        """The chunk's text and thinking, either of them perhaps empty."""
        choice = (chunk.get("choices") or [{}])[0]
        delta = choice.get("delta") or {}
        split = self._channels.feed(delta.get("content") or "")
        thought = delta.get("reasoning") or delta.get("reasoning_content") or ""
        self._first = self._first or (_first_token(choice) if split.text else {})
        self._usage = chunk.get("usage") or self._usage
        self._reason = choice.get("finish_reason") or self._reason
        self._text += split.text
        return CompletionChunk(split.text, thought + split.thinking)

    def rest(self) -> CompletionChunk:
        """What was held back as the possible beginning of a mark."""
        rest = self._channels.rest()
        self._text += rest.text
        return rest

    def finish(self, call: Call) -> Finish:
        """Raises BrokenReplyError for a reply that is not whole, or is no JSON where a schema asks for it,
        PromptTooLongError where the server read less than it was sent."""
        if self._reason in ("", "error", "abort"):
            raise BrokenReplyError(f"{self._name} broke off: the stream ended before the reply did")
        if self._reason == "content_filter":
            raise GeneratorError(
                f"a filter of {self._host} withheld the reply", "ask otherwise, or take another backend"
            )
        if call.schema is not None and self._reason != "length":
            self._require_json()
        details = self._usage.get("completion_tokens_details") or {}
        return Finish(
            reason="length" if self._reason == "length" else "stop",
            prompt_tokens=self._read(call),
            output_tokens=self._usage.get("completion_tokens"),
            thinking_tokens=details.get("reasoning_tokens"),
            first_token=self._first,
        )

    def _require_json(self) -> None:
        try:
            json.loads(self._text)
        except ValueError as error:
            raise BrokenReplyError(f"{self._name} did not obey the schema: its reply is no JSON ({error})") from error

    def _read(self, call: Call) -> int | None:
        """Tokens that the server says it read."""
        read: int | None = self._usage.get("prompt_tokens")
        sent = sum(estimate_fewest_tokens(t.content) for t in call.turns)
        if read and read < sent:
            raise PromptTooLongError(
                f"{self._host} cut the prompt: it read {read} tokens of at least {sent}",
                "start the server with a longer context",
            )
        return read


def _first_token(choice: Mapping[str, Any]) -> dict[str, float]:
    listed = (choice.get("logprobs") or {}).get("content") or []
    return {t["token"]: t["logprob"] for t in (listed[0].get("top_logprobs") or [])} if listed else {}
