"""The same questions without passages: what a model knows already, beside what it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from eval.runner.plan import base_variant, closed_book_name
from mlrag.errors import UnfinishedReplyError
from mlrag.factory import is_remote, make_caller
from mlrag.generation.backends.base import Call, ChatMessage, Finish
from mlrag.generation.chat_generator import REPLY_TOKENS, THINKING_TOKENS
from mlrag.generation.client import Completion, ModelClient
from mlrag.languages import Language, language
from mlrag.models.variants import parse_variant
from mlrag.settings import Settings
from mlrag.text.special_tokens import escape_special_tokens
from mlrag.types import Answer, Usage, Warning

UNFINISHED = "unfinished"


def add_closed_book(variants: Sequence[str], wanted: bool, passages: bool = True) -> list[str]:
    """The rows of a report: each variant, then "e4b (closed book)"; only the latter for a set without passages."""
    rows = [[v] * passages + [closed_book_name(v)] * (wanted or not passages) for v in variants]
    return [name for names in rows for name in names]


def turns(question: str, lang: Language) -> tuple[ChatMessage, ...]:
    """The question alone, neutrally: answer from what you know. No abstention is offered, so none is counted."""
    asked = f"{lang.prompt['question']}: {escape_special_tokens(question)}\n{lang.prompt['answer']}:"
    return ChatMessage("system", lang.prompt["closed"]), ChatMessage("user", asked)


class ClosedBook:
    """A model asked without any passage; it stands where a Pipeline does. What has no model fails at each question.

    `turns` makes what the model is told of a question. `keep_unfinished`: a reply that used up its room is an answer as
    far as it goes, with the warning "unfinished", and no failure: it is the model that did not end.
    """

    def __init__(
        self,
        settings: Settings,
        variant: str,
        turns: Callable[[str, Language], tuple[ChatMessage, ...]] = turns,
        keep_unfinished: bool = False,
    ) -> None:
        self._turns = turns
        self._keep_unfinished = keep_unfinished
        self._settings = settings
        self._variant = base_variant(variant)
        self._think = parse_variant(self._variant, settings.variants).think

    def ask(
        self,
        question: str,
        lang: str | None = None,
        *,
        hidden: frozenset[str] = frozenset(),  # noqa: ARG002 - there is nothing to hide
        only: frozenset[str] | None = None,  # noqa: ARG002
    ) -> Answer:
        """Raises UnknownLanguageError, GeneratorError; ValueError without a language."""
        if lang is None:
            raise ValueError("a closed book is asked in a given language")
        caller = make_caller(self._settings, self._variant)
        room = REPLY_TOKENS + THINKING_TOKENS * self._think
        begun = monotonic()
        reply, warnings = self._reply(caller, Call(self._turns(question, language(lang)), room, self._think))
        host = caller.model.host
        return Answer(
            text=reply.text,
            lang=lang,
            abstained=False,
            citations=(),
            hits=(),
            model=caller.model.label() + ("+think" if self._think else ""),
            embedder="",
            warnings=warnings,
            timings={"total": round(monotonic() - begun, 6)},
            usage=_usage(reply),
            left_machine=is_remote(host, self._settings),
            host=host,
        )

    def _reply(self, caller: ModelClient, call: Call) -> tuple[Completion, tuple[Warning, ...]]:
        said, begun = [""], monotonic()

        def note(text: str) -> bool:
            said[0] = text
            return False

        try:
            return caller.reply(call, note), ()
        except UnfinishedReplyError:
            if not self._keep_unfinished:
                raise
            finish = Finish("length", output_tokens=call.room)
            return Completion(said[0].strip(), "", finish, 0.0, monotonic() - begun), (Warning(UNFINISHED),)


def _usage(reply: Completion) -> Usage:
    finish = reply.finish
    return Usage(
        prompt_tokens=finish.prompt_tokens if finish else None,
        output_tokens=finish.output_tokens if finish else None,
        thinking_tokens=finish.thinking_tokens if finish else None,
        first_token_seconds=reply.first_seconds,
        seconds=reply.seconds,
    )
