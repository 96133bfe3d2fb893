"""Gemma 4 through Ollama, with each of its traps minded.

Thinking is on by default over the API: it is always said. An over-long prompt is cut silently: `num_ctx` is
chosen from the prompt's size and the count that comes back is checked. A repetition abort ends without `done`:
that is a failure. The client's default timeout is for ever: ours is finite.
"""

from __future__ import annotations

from typing import Any

import httpx

from mlrag.errors import GeneratorError, GeneratorUnavailableError, PromptTooLongError
from mlrag.generation.base import Request
from mlrag.generation.prompts import messages
from mlrag.records import Generation
from mlrag.text.normalize import matching

REPLY_TOKENS = 512
THINKING_TOKENS = 4096
_LARGEST_CONTEXT = 32768
_BYTES_PER_TOKEN = 2.0  # low on purpose: no script has fewer UTF-8 bytes a token in Gemma's vocabulary


class Ollama:
    """One Ollama tag, thinking on or off."""

    def __init__(
        self, tag: str, think: bool = False, host: str = "http://127.0.0.1:11434", timeout: float = 120.0
    ) -> None:
        import ollama

        self.tag = tag
        self.think = think
        self.host = host
        self.name = f"ollama:{tag}" + ("+think" if think else "")
        self._timeout = timeout
        self._shown = ""
        self._client = ollama.Client(host=host, timeout=timeout)

    def _model(self) -> str:
        """The name that answers carry: a stand-in server, which says so in its details, is named as one."""
        if not self._shown:
            import ollama

            try:
                details = self._client.show(self.tag).details
            except (ollama.ResponseError, ConnectionError, httpx.HTTPError):
                return self.name
            stand_in = details is not None and details.parameter_size == "stand-in"
            self._shown = f"{self.name} [stand-in]" if stand_in else self.name
        return self._shown

    def generate(self, request: Request) -> Generation:
        turns = messages(request.lang, request.evidence.question, request.evidence.hits, request.firm)
        room = THINKING_TOKENS if self.think else REPLY_TOKENS
        context = self._context(turns, room)
        reply = self._chat(turns, context, room)
        text = (reply["message"].get("content") or "").strip()
        prompt_tokens = reply.get("prompt_eval_count")
        self._check(reply, prompt_tokens, context, text)
        return Generation(
            text=text,
            model=self._model(),
            abstained=_is_abstention(text, request.lang.abstention),
            prompt_tokens=prompt_tokens,
            output_tokens=reply.get("eval_count"),
            thinking=reply["message"].get("thinking") or "",
        )

    def _context(self, turns: list[dict[str, str]], room: int) -> int:
        """The smallest power of two that surely holds prompt and reply. Raises PromptTooLongError."""
        needed = int(sum(len(t["content"].encode()) for t in turns) / _BYTES_PER_TOKEN) + 64 + room
        context = 4096
        while context < needed:
            context *= 2
        if context > _LARGEST_CONTEXT:
            raise PromptTooLongError(
                f"the prompt may need {needed} tokens, more than {_LARGEST_CONTEXT}", "ask with a smaller k"
            )
        return context

    def _chat(self, turns: list[dict[str, str]], context: int, room: int) -> dict[str, Any]:
        import ollama

        options = {"num_ctx": context, "num_predict": room, "temperature": 0, "seed": 0}
        try:
            reply = self._client.chat(model=self.tag, messages=turns, think=self.think, options=options)
        except ollama.ResponseError as error:
            raise self._translate(error) from error
        except (ConnectionError, httpx.ConnectError) as error:
            raise GeneratorUnavailableError(
                f"no Ollama answers at {self.host} (asked for {self.tag})", "start it with: ollama serve"
            ) from error
        except httpx.TimeoutException as error:
            raise GeneratorError(
                f"{self.name} gave no answer within {self._timeout:g} s", "set MLRAG_TIMEOUT higher"
            ) from error
        except httpx.HTTPError as error:
            raise GeneratorError(f"the connection to Ollama at {self.host} broke: {error}") from error
        return reply.model_dump()

    def _translate(self, error: Any) -> GeneratorError:
        if error.status_code == 404:
            return GeneratorUnavailableError(
                f"Ollama at {self.host} does not have {self.tag}", f"ollama pull {self.tag}"
            )
        if error.status_code == 503:
            return GeneratorUnavailableError(f"Ollama at {self.host} is busy: {error.error}", "try again soon")
        return GeneratorError(f"Ollama refused ({error.status_code}): {error.error}")

    def _check(self, reply: dict[str, Any], prompt_tokens: int | None, context: int, text: str) -> None:
        if not reply.get("done"):
            raise GeneratorError(f"{self.name} broke off: it repeated itself or the stream was cut")
        if prompt_tokens and prompt_tokens >= context - 1:
            raise PromptTooLongError(f"Ollama cut the prompt: {prompt_tokens} tokens filled a context of {context}")
        if reply.get("done_reason") == "length":
            raise GeneratorError(f"{self.name} did not finish its reply within its token limit")
        if not text:
            raise GeneratorError(f"{self.name} replied with nothing")


def _is_abstention(text: str, sentence: str) -> bool:
    """Does the reply say the abstention sentence and nothing else?"""

    def bare(value: str) -> str:
        return "".join(c for c in matching(value) if c.isalnum())

    return bare(text) == bare(sentence)
