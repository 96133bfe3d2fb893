"""Is a reply in the language asked for? The bench's own scorer: script shares, then langdetect inside a script.

Other code than the service's guard (`mlrag/text/detect.py`), which never grades itself.
"""

from __future__ import annotations

import unicodedata

from langdetect import DetectorFactory, LangDetectException, detect_langs

from mlrag.languages import Language, languages

DetectorFactory.seed = 0  # langdetect is random without it
MIN_LETTERS = 20
_NAMES = {"zh-cn": "zh", "zh-tw": "zh"}


def in_asked_language(text: str, lang: Language) -> bool | None:
    """True or False; None (not scored) for a text of under 20 letters or one langdetect cannot read."""
    letters = [c for c in text if unicodedata.category(c)[0] == "L"]
    if len(letters) < MIN_LETTERS:
        return None
    own = sum(ord(c) in lang.own_letters for c in letters) / len(letters)
    if own < 0.5:
        return False
    rivals = [p for p in languages().values() if p.code != lang.code and set(p.scripts) & set(lang.scripts)]
    if not rivals:
        return True
    try:
        best = detect_langs(text)[0].lang
    except LangDetectException:
        return None
    return bool(_NAMES.get(best, best) == lang.code)
