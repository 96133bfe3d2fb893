"""The prompt, in the language of the answer. Documents and questions are material, and inert.

Every line of a passage carries the sign ¦ (datamarking: what stands behind it is data), the control tokens of chat
templates are defused, and sentences that order the reader about are left out (`generation.orders`).
"""

from __future__ import annotations

from mlrag.generation.backends.base import ChatMessage
from mlrag.languages import Language
from mlrag.text.special_tokens import escape_special_tokens
from mlrag.types import Hit, Message

VERSION = "3"  # raise it when what stands here changes; the packs' own texts are part of every run's signature
MARK = "¦"


def mark_lines(text: str) -> str:
    """A passage as material: defused, each line behind the sign ¦."""
    return "\n".join(f"{MARK} {line}" for line in escape_special_tokens(text.replace(MARK, "|")).splitlines())


def lost_in_the_middle(count: int) -> list[int]:
    """An order of ranks 0 … count-1 with the best first and last, where models read best: 0 2 4 … 3 1."""
    return [*range(0, count, 2), *reversed(range(1, count, 2))]


def build_messages(lang: Language, question: str, hits: tuple[Hit, ...], firm: str = "") -> tuple[ChatMessage, ...]:
    """System and user turns for a chat model. Passages keep their rank from 1 as number, wherever they stand."""
    p = lang.prompt
    system = p["system"].replace("{abstention}", lang.abstention)
    shown = ((n, hits[n]) for n in lost_in_the_middle(len(hits)))
    passages = "\n\n".join(f"[{n + 1}] {mark_lines(hit.shown)}" for n, hit in shown)
    user = f"{p['passages']}:\n\n{passages}\n\n{p['question']}: {escape_special_tokens(question)}"
    user += f"\n\n{p[firm]}" if firm else ""
    return ChatMessage("system", f"{system}\n{p['steps']}"), ChatMessage("user", f"{user}\n{p['answer']}:")


def build_rewrite_messages(lang: Language, question: str, earlier: tuple[Message, ...]) -> tuple[ChatMessage, ...]:
    """Asks for a follow-up as a question that stands by itself; all that was said is material, behind ¦."""
    p = lang.prompt
    names = {"user": p["question"], "assistant": p["answer"]}
    said = "\n".join(f"{names[s.role]}:\n{mark_lines(s.text)}" for s in earlier)
    return ChatMessage("system", p["rewrite"]), ChatMessage(
        "user", f"{said}\n\n{p['question']}:\n{mark_lines(question)}"
    )


def build_completion_prompt(lang: Language, question: str, hits: tuple[Hit, ...]) -> str:
    """What a base model continues: two examples of the pack, then the passages, the best last, and the question.

    The continuation ends at the first line break. A passage is one line, so that none can pass for the next example.
    """
    p = lang.prompt

    def block(passages: str, asked: str, answer: str) -> str:
        return f"{p['passages']}: {passages}\n{p['question']}: {asked}\n{p['answer']}:{answer}"

    shots = [block(s.passage, s.question, " " + s.answer.replace("{abstention}", lang.abstention)) for s in lang.shots]
    passages = "\n".join(_one_line(hit.shown) for hit in reversed(hits))
    return "\n\n".join([*shots, block(passages, _one_line(question), "")])


def _one_line(text: str) -> str:
    return " ".join(escape_special_tokens(text).split())
