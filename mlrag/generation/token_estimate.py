"""How many tokens a text takes, where the model's own tokenizer cannot be asked.

Tokens a letter, by script, between which every passage of `corpora/` and every prompt of the language packs lies,
widened by MARGIN on both sides. Measured with Gemma 3's vocabulary (262,144 entries, the GGUF of Gemma 3 270M) by

    python -m benchmarks.tokens PATH.gguf

which works the table out anew and checks it: all 584 passages and prompts and all 1176 sentences tried lie between.
`fewest` is then at least 0.45 of the truth (0.56 from 100 tokens up, so that a prompt cut to half is noticed), and
`estimate` at most 1.87 times it. Languages of one script share the wider figures: Latin lies between English and
Swahili. Phonetic notation can take more. Gemma 4's own tokenizer was not at hand: it is assumed to be alike.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import regex

MARGIN = 0.05
TOKENS_PER_LETTER = {  # script: from below, from above
    "Latin": (0.229, 0.390),
    "Arabic": (0.375, 0.437),
    "Devanagari": (0.294, 0.454),
    "Bengali": (0.241, 0.321),
    "Tamil": (0.203, 0.369),
    "Sinhala": (0.492, 0.642),
    "Hangul": (0.683, 0.911),
    "Han": (0.646, 0.819),
    "Kana": (0.408, 0.627),
}
_STRAY = 5  # tokens: single sentences lie as much as 4 outside the rates
_OTHER = (0.2, 1.0)  # any other script: Cyrillic, Thai and Ethiopic were tried, and lie well inside
_DIGIT = regex.compile(r"\p{Nd}")
_NUMBER = regex.compile(r"\p{Nd}+")
_SIGN = regex.compile(r"[^\p{L}\p{M}\p{Nd}\s]|\s{2,8}|[^\S ]")
_WORD = regex.compile(r"[\p{L}\p{M}]+")
_SIGNS = regex.compile(r"[^\p{L}\p{M}\p{Nd}\s]+")
_DENSE = regex.compile(r"[!-~]{25,}")  # addresses, keys, hashes: no words, up to a token a character
_SCRIPT = regex.compile(
    r"(?P<Latin>(?=[\0-ɏḀ-ỿ])\p{Latin})|(?P<Kana>[\p{Hiragana}\p{Katakana}ー])|"
    + "|".join(rf"(?P<{name}>\p{{{name}}})" for name in TOKENS_PER_LETTER if name not in ("Latin", "Kana"))
)


def estimate_tokens(text: str) -> int:
    """Tokens from above."""
    by_letters = sum(n * _rates(script)[1] for script, n in count_letters(text).items())
    return int(max(by_letters, len(_WORD.findall(text)))) + count_other_tokens(text)[1] + _STRAY


def estimate_fewest_tokens(text: str) -> int:
    """Tokens from below: a backend that says it read fewer did not read the whole text."""
    return max(
        0,
        int(sum(n * _rates(script)[0] for script, n in count_letters(text).items()))
        + count_other_tokens(text)[0]
        - _STRAY,
    )


def count_letters(text: str) -> Counter[str]:
    """Letters and marks by script; "" for scripts that were not measured."""
    found: Counter[str] = Counter()
    for char, n in Counter(text).items():
        if char.isalpha() or regex.match(r"\p{M}", char):
            found[_script(char)] += n
    return found


def count_other_tokens(text: str) -> tuple[int, int]:
    """Tokens of all that is no letter, from below and from above.

    Each digit is a token, and the blank before a number may be one. Signs in a row may be one token or one each; what
    lies beyond the basic plane may be four.
    """
    digits = len(_DIGIT.findall(text))
    least = digits + len(_SIGNS.findall(text)) // 2
    most = digits + len(_NUMBER.findall(text)) + len(_SIGN.findall(text))
    most += 3 * sum(ord(c) > 0xFFFF for c in text) + sum(map(len, _DENSE.findall(text)))
    return least, most


def _rates(script: str) -> tuple[float, float]:
    return TOKENS_PER_LETTER.get(script, _OTHER)


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    found = _SCRIPT.match(char)
    return found.lastgroup or "" if found else ""
