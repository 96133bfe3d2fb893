"""Which installed language is this text in? Script first, then py3langid among the packs of that script.

This is the service's guard. The bench scores reply language with other code (`eval/metrics/reply_language.py`).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from functools import cache
from threading import Lock
from typing import Any

import regex

from mlrag.languages import Language, languages
from mlrag.text.tokens import words

UNKNOWN = "und"
_NOISE = regex.compile(r"https?://\S+|\S{1,64}@\S+|\[\d+\]|`[^`]*`")  # bounded: an unspaced text is one long \S+
_TRACE = 0.05  # Kana below this share of the letters is a quoted word
_loading = Lock()
_STRANGER = 0.75  # how sure the full model must be of another language before we answer "und"


@cache
def _scripts() -> dict[str, regex.Pattern[str]]:
    names = {script for pack in languages().values() for script in pack.scripts}
    return {name: regex.compile(rf"\p{{Script={name}}}") for name in sorted(names)}


def script_counts(text: str) -> Counter[str]:
    """Letters of the text by script; letters of no pack's script count as "other"."""
    counts: Counter[str] = Counter()
    for c, number in Counter(text).items():
        if unicodedata.category(c)[0] == "L":
            counts[_script_of(c)] += number
    return counts


def has_letter_of(text: str, lang: Language) -> bool:
    """Is a letter of the text in the language's own script (Latin where it has no other)? A text without letters is."""
    counts = script_counts(text)
    own = set(lang.scripts) - {"Latin"} or {"Latin"}
    return not counts or any(counts[script] for script in own)


@cache
def _script_of(character: str) -> str:
    return next((name for name, p in _scripts().items() if p.match(character)), "other")


def _identifier(codes: tuple[str, ...]) -> Any:
    """py3langid over these languages, over all it knows where there are none; probabilities normalised.

    Loaded by one thread while the others wait: 50 at once would take 50 times its memory.
    """
    with _loading:
        return _load_identifier(codes)


@cache
def _load_identifier(codes: tuple[str, ...]) -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    if codes:
        identifier.set_languages([code for code in codes if code in set(identifier.nb_classes)])
    return identifier


def detect(text: str) -> str:
    """The code of the installed language a text is in, or "und"; never a guess.

    Names in another script (a Latin brand in a Tamil question) do not decide. The same text always gives
    the same code.
    """
    text = _NOISE.sub(" ", text).strip()
    counts = script_counts(text)
    total = sum(counts.values())
    if not total:
        return UNKNOWN
    candidates = _candidates(counts, total)
    if not candidates:
        return UNKNOWN
    codes = tuple(sorted(p.code for p in candidates))
    likeliest, probability = _identifier(()).classify(text) if total >= 20 else (UNKNOWN, 0.0)
    if likeliest not in codes and probability >= _STRANGER:  # a language without a pack, of the same script
        return UNKNOWN
    if len(codes) == 1:
        return codes[0]
    if marked := _find_by_markers(text, candidates):
        return marked
    return str(likeliest if likeliest in codes else _identifier(codes).classify(text)[0])


def _find_by_markers(text: str, candidates: list[Language]) -> str:
    """The one candidate whose marker words stand in the text; empty for none or several."""
    found = set(words(text))
    having = [p.code for p in candidates if found & set(p.markers)]
    return having[0] if len(having) == 1 else ""


def _candidates(counts: Counter[str], total: int) -> list[Language]:
    """The packs written in the script that leads. Latin leads only with two thirds: names are often Latin."""
    packs = languages().values()
    latin = counts["Latin"]
    if latin * 3 >= total * 2:
        return [p for p in packs if set(p.scripts) == {"Latin"}]
    rest = total - latin
    kana = (counts["Hiragana"] + counts["Katakana"]) / rest >= _TRACE
    fitting = []
    for pack in packs:
        own = set(pack.scripts) - {"Latin"}
        if "Han" in own and kana != bool(own & {"Hiragana", "Katakana"}):
            continue  # Han alone is Chinese, Han with Kana is Japanese
        if own and sum(counts[s] for s in own) * 2 > rest:
            fitting.append(pack)
    return fitting


def in_language(text: str, lang: Language) -> bool:
    """Does this reply count as written in `lang`? Texts of under 20 letters are judged by script alone."""
    counts = script_counts(_NOISE.sub(" ", text))
    total = sum(counts.values())
    if not total:
        return True  # digits and signs belong to every language
    if total < 20:
        return any(counts[s] for s in lang.scripts)
    return detect(text) == lang.code
