"""The prompt, in the language of the answer. Documents and questions are material: control marks are defused."""

from __future__ import annotations

import regex

from mlrag.languages import Language
from mlrag.records import Hit

# Gemma's control tokens, old and new: content is not escaped by the chat template, so a passage that holds one
# would become a real turn.
_CONTROL = regex.compile(
    r"<\|?[a-z_\"|]{0,24}\|>|<\|[a-z_\"|]{0,24}\|?>|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn)>",
    regex.IGNORECASE,
)


def defuse(text: str) -> str:
    """Control tokens with a visible character inside, so that no tokenizer sees them: <|turn> -> ‹|turn›."""
    return _CONTROL.sub(lambda m: "‹" + m.group()[1:-1] + "›", text)


def messages(lang: Language, question: str, hits: tuple[Hit, ...], firm: bool = False) -> list[dict[str, str]]:
    """System and user turns for a chat model. Passages are numbered from 1."""
    p = lang.prompt
    system = p["system"].replace("{abstention}", lang.abstention)
    passages = "\n\n".join(f"[{n}] {defuse(h.passage.indexed_text)}" for n, h in enumerate(hits, 1))
    user = f"{p['passages']}:\n\n{passages}\n\n{p['question']}: {defuse(question)}"
    if firm:
        user += f"\n\n{p['firmer']}"
    return [{"role": "system", "content": system}, {"role": "user", "content": f"{user}\n{p['answer']}:"}]
