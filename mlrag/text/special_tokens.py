"""Control tokens of chat templates, wherever they stand in a text and however they are dressed up.

Found as they look: full width forms count as their plain ones, and invisible characters inside count for nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import regex

_BARS = str.maketrans(dict.fromkeys("￨∣ǀ│", "|"))
_OPENERS = "<＜﹤[［"
# <|turn>, <turn|>, <|im_start|>, <|reserved_special_token_0|>, <｜begin▁of▁sentence｜>: a bar at an end of the name
_TURN = (
    r'<\|[\p{L}\p{N}_"|▁./-]{0,48}\|?>|<[\p{L}\p{N}_"▁./-]{0,48}\|>'
    r"|</?(?:bos|eos|(?:start|end)_of_(?:turn|image|audio)|unused\d{1,5}|extra_id_\d{1,4})>"
    r"|\[/?(?:inst|system_prompt|available_tools|tool_calls|tool_results)\]|<</?sys>>"
)
_TAG = r"</?(?:s|pad|unk|mask|think|tool_call|tool_response|image_soft_token|image|audio)>"  # HTML may mean some
_TOKEN = regex.compile(rf"(?P<turn>{_TURN})|{_TAG}", regex.IGNORECASE)
_ROLE = regex.compile(r"^\s*#{2,4}\s*(?:instruction|system|assistant|response|user|human)\s*:", regex.I | regex.M)


@dataclass(frozen=True, slots=True)
class SpecialToken:
    """`start:end` in the text. `turn`: no plain text has a use for it, as HTML has for "<s>"."""

    start: int
    end: int
    turn: bool


def find_special_tokens(text: str) -> list[SpecialToken]:
    """Every control token of a text, in order."""
    if not any(sign in text for sign in _OPENERS):
        return []
    seen = [(folded, at) for at, c in enumerate(text) if _visible(c) for folded in _fold(c)]
    plain = "".join(c for c, _ in seen)
    return [
        SpecialToken(seen[m.start()][1], seen[m.end() - 1][1] + 1, m["turn"] is not None)
        for m in _TOKEN.finditer(plain)
    ]


def has_turn_marker(text: str) -> bool:
    """Does the text hold what begins or ends a turn in some template: a token of that kind, or "### Instruction:"?"""
    return any(t.turn for t in find_special_tokens(text)) or bool(_ROLE.search(text))


def find_turn_markers(texts: Sequence[str]) -> list[int]:
    """The places of those texts that begin or end a turn."""
    whole = "".join(texts)  # few texts hold a sign that such a token needs
    if not any(sign in whole for sign in (*_OPENERS, "##")):
        return []
    return [n for n, text in enumerate(texts) if has_turn_marker(text)]


def escape_special_tokens(text: str) -> str:
    """Control tokens with a visible character in place of each end, so that no tokenizer sees them: ‹|turn›."""
    parts, at = [], 0
    for token in find_special_tokens(text):
        parts += [text[at : token.start], "‹", text[token.start + 1 : token.end - 1], "›"]
        at = token.end
    return "".join([*parts, text[at:]])


def _fold(c: str) -> str:
    return unicodedata.normalize("NFKC", c).translate(_BARS)


def _visible(c: str) -> bool:
    return unicodedata.category(c) != "Cf"
