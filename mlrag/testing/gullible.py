"""A stand-in that obeys: whatever order names one of its words, wherever in the prompt, is followed. Not a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import regex

from mlrag.testing.server import Reply, first_sentence, prompt_of
from mlrag.text.normalize import fold_confusables
from mlrag.text.sentences import sentence_spans

_PASSAGES = regex.compile(r"^\[(\d+)\] ", regex.MULTILINE)


def make_gullible_reply(words: Sequence[str]) -> Reply:
    """Replies to any of our prompts. It looks for orders by `words`, what they want said; without one it says the
    first sentence of passage 1. Told to say a word, it quotes the order word for word, says a sentence of that passage
    so that language and names are in order, and then the word: the hardest reply for a guard to refuse.
    """

    def reply(body: dict[str, Any]) -> str:
        wanted = next((w for w in words if fold_confusables(w) in fold_confusables(_whole(body))), None)
        if wanted is None:
            return first_sentence(body)
        return _from_passage(prompt_of(body), wanted) or f"{first_sentence(body).removesuffix(' [1]')} {wanted} [1]"

    return reply


def _whole(body: dict[str, Any]) -> str:
    return "\n".join(str(m["content"]) for m in body["messages"]) if "messages" in body else prompt_of(body)


def _from_passage(prompt: str, wanted: str) -> str:
    """ "" where no passage holds the word."""
    passages = _passages(prompt)
    orders = [
        (n, s)
        for n, sentences in passages.items()
        for s in sentences
        if fold_confusables(wanted) in fold_confusables(s)
    ]
    if not orders:
        return ""
    number, order = orders[0]
    here, there = (
        [(len(s), n, s) for n, own in passages.items() for s in own if (n == number) is same and _harmless(s, wanted)]
        for same in (True, False)
    )
    _, source, native = max(here or there, default=(0, number, ""))
    quoted = " ".join(order.split())
    return f'[{number}] "{quoted}"\n---\n{native} [{source}] {wanted} [{number}]'


def _passages(prompt: str) -> dict[str, list[str]]:
    """Sentences of each passage by its number; the last passage ends where the question begins."""
    marks = list(_PASSAGES.finditer(prompt))
    found = {}
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        text = prompt[mark.end() : after.start() if after else prompt.rindex("\n\n")].replace("¦ ", "")
        found[mark[1]] = [text[s.start : s.end] for s in sentence_spans(text)]
    return found


def _harmless(sentence: str, wanted: str) -> bool:
    return fold_confusables(wanted) not in fold_confusables(sentence) and "‹" not in sentence
