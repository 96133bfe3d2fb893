"""Any chat model as a generator: prompt, watch the reply as it comes, read it."""

from __future__ import annotations

from mlrag.errors import PromptTooLongError
from mlrag.generation.base import Request
from mlrag.generation.calls import Caller, Reply, Watch
from mlrag.generation.chat import Call
from mlrag.generation.prompts import turns
from mlrag.generation.replies import answer_so_far, is_abstention, parse, refuse_loops
from mlrag.languages import Language
from mlrag.records import Generation, Hit, Usage
from mlrag.text.detect import in_language

REPLY_TOKENS = 768
THINKING_TOKENS = 4096
_SURE = 60  # characters of answer after which its language is certain


class ModelGenerator:
    """A model behind its caller, thinking on or off. `keep_thinking`: hand its thoughts on, apart from the text."""

    def __init__(self, caller: Caller, think: bool = False, keep_thinking: bool = False) -> None:
        self._caller = caller
        self._think = think
        self._keep_thinking = keep_thinking
        self.name = caller.model.name + ("+think" if think else "")

    def generate(self, request: Request) -> Generation:
        room = REPLY_TOKENS + (THINKING_TOKENS if self._think else 0)
        hits = self._fit(request, room)
        call = Call(turns(request.lang, request.evidence.question, hits, request.firm), room, self._think)
        reply = self._caller.reply(call, self._watch(request.lang), request.until)
        return self._read(reply, request, len(request.evidence.hits) - len(hits))

    def _fit(self, request: Request, room: int) -> tuple[Hit, ...]:
        """The best passages that fit the model's window. Raises PromptTooLongError when not even one does."""
        model, hits = self._caller.model, request.evidence.hits
        spare = model.window - room - 64
        bare = turns(request.lang, request.evidence.question, (), request.firm)
        spare -= sum(model.count(t.content) for t in bare)
        kept = 0
        for hit in hits:
            spare -= model.count(hit.passage.indexed_text) + 8
            if spare < 0:
                break
            kept += 1
        if not kept:
            raise PromptTooLongError(
                f"not one passage fits the {model.window} tokens of {model.name}", "take a larger context"
            )
        return hits[:kept]

    def _watch(self, lang: Language) -> Watch:
        def enough(text: str) -> bool:
            refuse_loops(text, self.name)
            answer = answer_so_far(text)
            return len(answer) >= _SURE and not in_language(answer, lang)

        return enough

    def _read(self, reply: Reply, request: Request, left_out: int) -> Generation:
        parsed = parse(reply.text)
        finish = reply.finish
        return Generation(
            text=parsed.answer,
            model=self._caller.model.label() + ("+think" if self._think else ""),
            abstained=is_abstention(parsed.answer, request.lang.abstention),
            quotes=parsed.quotes,
            warnings=(f"passages_left_out:{left_out}",) if left_out else (),
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
