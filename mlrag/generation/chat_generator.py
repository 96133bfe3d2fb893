"""Any chat model as a generator: prompt, watch the reply as it comes, read it."""

from __future__ import annotations

from dataclasses import replace

from mlrag.errors import PromptTooLongError
from mlrag.generation.backends.base import Call
from mlrag.generation.base import FollowUp, Request
from mlrag.generation.client import Completion, ModelClient, Watch
from mlrag.generation.prompts import MARK, build_completion_prompt, build_messages, build_rewrite_messages
from mlrag.generation.replies import answer_so_far, is_abstention, parse, refuse_loops
from mlrag.text.detect import in_language
from mlrag.text.sentences import sentence_spans
from mlrag.types import Generation, Hit, Message, Usage, Warning

REPLY_TOKENS = 768
THINKING_TOKENS = 4096
REWRITE_TOKENS = 256
HISTORY_TOKENS = 3000
SAID_CHARACTERS = 1500
BASE_TOKENS = 160  # one sentence
BASE_HITS = 2  # more passages than that confuse a base model, and small ones read slowly
_SURE = 60  # characters of answer after which its language is certain


class ChatGenerator:
    """A model behind its caller, thinking on or off. `keep_thinking`: hand its thoughts on, apart from the text."""

    def __init__(self, caller: ModelClient, think: bool = False, keep_thinking: bool = False) -> None:
        self._caller = caller
        self._think = think
        self._keep_thinking = keep_thinking
        self.name = caller.model.name + ("+think" if think else "")

    def generate(self, request: Request) -> Generation:
        hits = self._fit(request)
        reply = self._caller.reply(self._call(request, hits), self._watch(request), request.until)
        generation = self._read(reply, request, len(request.evidence.hits) - len(hits))
        request.watch(generation.text)
        return generation

    def rewrite(self, follow_up: FollowUp) -> str:
        """A base model cannot: it follows no instruction."""
        if self._caller.model.base:
            return ""

        def enough(text: str) -> bool:
            refuse_loops(text, self.name)
            follow_up.watch("")
            return False

        call = Call(build_rewrite_messages(follow_up.lang, follow_up.question, self._recent(follow_up)), REWRITE_TOKENS)
        lines = self._caller.reply(call, enough, follow_up.until).text.replace(MARK, "").split("\n")
        return next((line.strip() for line in lines if line.strip()), "")

    def _recent(self, follow_up: FollowUp) -> tuple[Message, ...]:
        """The latest turns, their beginnings: what a follow-up leans on is near, and small models read slowly."""
        model = self._caller.model
        bare = build_rewrite_messages(follow_up.lang, follow_up.question, ())
        spare = model.window - REWRITE_TOKENS - 64 - sum(model.count(t.content) for t in bare)
        spare = min(spare, HISTORY_TOKENS)
        kept: list[Message] = []
        for said in reversed(follow_up.earlier):
            short = replace(said, text=said.text[:SAID_CHARACTERS])
            spare -= model.count(short.text) + 16
            if spare < 0:
                break
            kept.insert(0, short)
        return tuple(kept)

    def _call(self, request: Request, hits: tuple[Hit, ...]) -> Call:
        """A chat, or for a base model a text to continue: that one never retries otherwise, whatever was wrong."""
        lang, question = request.lang, request.evidence.question
        if self._caller.model.base:
            return Call((), BASE_TOKENS, completion=build_completion_prompt(lang, question, hits), stop=("\n",))
        room = REPLY_TOKENS + (THINKING_TOKENS if self._think else 0)
        return Call(build_messages(lang, question, hits, request.firm), room, self._think)

    def _fit(self, request: Request) -> tuple[Hit, ...]:
        """The best passages that fit the model's window. Raises PromptTooLongError when not even one does."""
        model, hits = self._caller.model, request.evidence.hits[: BASE_HITS if self._caller.model.base else None]
        bare = self._call(request, ())
        spare = model.window - bare.room - 64
        spare -= model.count(bare.completion) + sum(model.count(t.content) for t in bare.turns)
        kept = 0
        for hit in hits:
            spare -= model.count(hit.shown) + 8
            if spare < 0:
                break
            kept += 1
        if not kept:
            raise PromptTooLongError(
                f"not one passage fits the {model.window} tokens of {model.name}", "take a larger context"
            )
        return hits[:kept]

    def _watch(self, request: Request) -> Watch:
        base, lang = self._caller.model.base, request.lang

        def enough(text: str) -> bool:
            refuse_loops(text, self.name)
            if base:
                request.watch(_first_sentence(text))
                return len(sentence_spans(text)) > 1
            answer = answer_so_far(text).strip()
            request.watch(answer)
            return len(answer) >= _SURE and not in_language(answer, lang)

        return enough

    def _read(self, reply: Completion, request: Request, left_out: int) -> Generation:
        base, finish = self._caller.model.base, reply.finish
        parsed = parse(_first_sentence(reply.text) if base else reply.text)
        warnings = (Warning("base_model"),) if base else ()
        return Generation(
            text=parsed.answer,
            model=self._caller.model.label() + ("+think" if self._think else ""),
            abstained=is_abstention(parsed.answer, request.lang.abstention),
            quotes=parsed.quotes,
            warnings=warnings + ((Warning("passages_left_out", str(left_out)),) if left_out else ()),
            usage=Usage(
                prompt_tokens=finish.prompt_tokens if finish else None,
                output_tokens=finish.output_tokens if finish else None,
                thinking_tokens=finish.thinking_tokens if finish else None,
                first_token_seconds=reply.first_seconds,
                seconds=reply.seconds,
            ),
            host=self._caller.model.host,
            thinking=reply.thinking if self._keep_thinking else "",
        )


def _first_sentence(text: str) -> str:
    """The answer of a base model, as its examples have it; what it rambles on to say is dropped."""
    spans = sentence_spans(text)
    return text[spans[0].start : spans[0].end] if spans else ""
